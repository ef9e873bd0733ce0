"""The one place of the plugin that uses SQLAlchemy: sessions that are rolled back, connections for Alembic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci_itest.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "sqlite": "sqlite",
}


def driver_url(url: str) -> str:
    """The address with the driver that we install."""
    scheme, _, rest = url.partition("://")
    return f"{_DRIVERS.get(scheme, scheme)}://{rest}"


def engine_of(url: str) -> Engine:
    """An engine; on SQLite with foreign keys on, and transactions that begin when they are begun."""
    from sqlalchemy import create_engine, event

    address = driver_url(url)
    # psycopg prepares what it is given often, and a rollback makes it forget that: two round trips more for each test.
    options = {"prepare_threshold": None} if address.startswith("postgresql+psycopg") else {}
    engine = create_engine(address, connect_args=options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """One connection, closed with its engine after the block."""
    engine = engine_of(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Session]:
    """A session whose commits are savepoints of one transaction, which is rolled back after the block."""
    from sqlalchemy.orm import Session

    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
                yield session
        finally:
            # A test that ended our transaction by raw SQL has written for good; there is nothing to roll back.
            if transaction.is_active:
                transaction.rollback()


def is_mapped(value: object) -> bool:
    """Whether the value is an instance of a class that SQLAlchemy maps to a table."""
    return hasattr(type(value), "__mapper__")


def add_all(engine: Engine, objects: list[Any]) -> None:
    """Commit mapped objects, which stay usable afterwards."""
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.orm import Session

    with Session(engine, expire_on_commit=False) as session:
        session.add_all(objects)
        try:
            session.commit()
        except SQLAlchemyError as error:
            raise UsageError(f"The rows cannot be put in: {error}") from error


def _sqlite_connect(connection: Any, _record: object) -> None:
    # The driver begins transactions late and ends them early, which makes savepoints useless (SQLAlchemy's manual,
    # "Serializable isolation / Savepoints / Transactional DDL").
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 10000")


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
