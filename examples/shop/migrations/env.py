"""Runs the migrations on the database that the settings name, or on a connection handed in by a test."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import context
from shop.database import make_engine
from shop.models import Base
from shop.settings import Settings
from sqlalchemy import Connection, text

# Any number will do, as long as every migration run of the shop takes the same one.
ADVISORY_LOCK = 7_405_316


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Let one migration run in at a time: parallel jobs may all start with `alembic upgrade head`."""
    if connection.dialect.name == "sqlite":
        with Path(f"{connection.engine.url.database}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    else:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()
        yield
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


def main() -> None:
    handed_in = context.config.attributes.get("connection")
    if handed_in is not None:
        migrate(handed_in)
        return
    engine = make_engine(Settings.from_environment().database_url)
    with engine.connect() as connection, alone(connection):
        migrate(connection)
    engine.dispose()


main()
