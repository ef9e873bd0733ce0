"""Emptying the tables."""

from shop.models import Base
from sqlalchemy import Engine


def delete_all_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
