"""Moving a database through the migrations."""

from dataclasses import dataclass
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from shop.models import Base
from shop.settings import MIGRATIONS
from sqlalchemy import Connection, Engine


@dataclass(frozen=True)
class Schema:
    """The tables of one database."""

    engine: Engine

    def upgrade(self, revision: str) -> None:
        with self.engine.connect() as connection:
            command.upgrade(alembic_config(connection), revision)

    def downgrade(self, revision: str) -> None:
        with self.engine.connect() as connection:
            command.downgrade(alembic_config(connection), revision)

    def differences(self) -> list[Any]:
        """What a migration would have to change to arrive at the models."""
        with self.engine.connect() as connection:
            return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings, working on this connection instead of the one in DATABASE_URL."""
    config = Config(str(MIGRATIONS.parent / "alembic.ini"))
    config.attributes["connection"] = connection
    return config
