"""Emptying the tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from shop.models import Base
from sqlalchemy import Engine


def delete_all_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())


@contextmanager
def empty_tables(engine: Engine) -> Iterator[None]:
    """No row when the block begins, whatever an interrupted test has left, and none after it."""
    delete_all_rows(engine)
    try:
        yield
    finally:
        delete_all_rows(engine)
