"""A database for each worker, cloned from the migrated one, so that workers never meet."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from shop.database import make_engine
from shop.settings import MIGRATIONS, migrations_digest
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from support.cleaning import delete_all_rows

# Any number, as long as every test run on this server takes the same one.
TEMPLATE_LOCK = 7_405_317
CLONE_WITHIN_SECONDS = 10.0


@contextmanager
def worker_database(source_url: str, *, name: str, folder: Path) -> Iterator[str]:
    """The URL of a migrated, empty database that nobody else uses; it is gone afterwards.

    Args:
        source_url: The database that `alembic upgrade head` may have migrated. It is only read.
        name: Of the new database; unique among everything that runs now.
        folder: Where a SQLite database may be put.
    """
    source = make_url(source_url)
    if source.get_backend_name() == "sqlite":
        yield _copy_sqlite(Path(source.database or ""), folder / f"{name}.db")
    else:
        with _cloned_postgres(source, name) as url:
            yield url.render_as_string(hide_password=False)


@contextmanager
def empty_database(source_url: str, *, name: str, folder: Path) -> Iterator[Engine]:
    """A database without a single table, for tests of the migrations themselves."""
    source = make_url(source_url)
    if source.get_backend_name() == "sqlite":
        engine = make_engine(f"sqlite:///{folder / f'{name}.db'}")
        yield engine
        engine.dispose()
        return
    with _maintenance(source) as maintenance:
        maintenance.execute(text(f'CREATE DATABASE "{name}"'))
        engine = make_engine(source.set(database=name).render_as_string(hide_password=False))
        yield engine
        engine.dispose()
        _drop(maintenance, name)


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings, working on this connection instead of the one in DATABASE_URL."""
    config = Config(str(MIGRATIONS.parent / "alembic.ini"))
    config.attributes["connection"] = connection
    return config


def _copy_sqlite(source: Path, target: Path) -> str:
    url = f"sqlite:///{target}"
    if source.exists() and _is_migrated(f"sqlite:///{source}"):
        # A backup, not a copy of the file: an app may be writing to it, and WAL keeps rows beside it.
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
    _make_ready(url)
    return url


@contextmanager
def _cloned_postgres(source: URL, name: str) -> Iterator[URL]:
    with _maintenance(source) as maintenance:
        maintenance.execute(text("SELECT pg_advisory_lock(:key)"), {"key": TEMPLATE_LOCK})
        template = _template(maintenance, source)
        maintenance.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        maintenance.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": TEMPLATE_LOCK})
    yield source.set(database=name)
    with _maintenance(source) as maintenance:
        _drop(maintenance, name)


@contextmanager
def _maintenance(source: URL) -> Iterator[Connection]:
    """A connection to the server's own database: whoever clones must not be connected to the original."""
    engine = create_engine(source.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def _template(maintenance: Connection, source: URL) -> str:
    """The name of an untouched, migrated database; made by whoever needs it first.

    Workers clone this one and not the source, because the running app is connected to the source,
    and soon has rows in it. Its name carries the migrations' digest, so that a server that lives
    on does not serve yesterday's tables.
    """
    name = f"shop_template_{migrations_digest()}"
    if not _exists(maintenance, name):
        draft = f"{name}_draft"
        _drop(maintenance, draft)
        if _exists(maintenance, source.database or "") and _is_migrated(source):
            _clone_in_use(maintenance, source.database or "", draft)
        else:
            maintenance.execute(text(f'CREATE DATABASE "{draft}"'))
        _make_ready(source.set(database=draft))
        # Renamed only when complete: a run that is killed half-way leaves no half template.
        maintenance.execute(text(f'ALTER DATABASE "{draft}" RENAME TO "{name}"'))
    return name


def _clone_in_use(maintenance: Connection, original: str, name: str) -> None:
    """Clone a database to which an app's pool may hold idle connections, which PostgreSQL refuses.

    Idle ones are closed; the pool opens new ones (`pool_pre_ping`). Busy ones are waited for.
    """
    deadline = time.monotonic() + CLONE_WITHIN_SECONDS
    while True:
        maintenance.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND state = 'idle'"),
            {"name": original},
        )
        try:
            maintenance.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{original}"'))
            return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _make_ready(url: str | URL) -> None:
    engine = make_engine(str(url) if isinstance(url, str) else url.render_as_string(hide_password=False))
    with engine.connect() as connection:
        if _revision(connection) != _head():
            command.upgrade(alembic_config(connection), "head")
    delete_all_rows(engine)
    engine.dispose()


def _is_migrated(url: str | URL) -> bool:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return _revision(connection) == _head()


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return revision


def _head() -> str | None:
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _exists(maintenance: Connection, name: str) -> bool:
    return bool(maintenance.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}))


def _drop(maintenance: Connection, name: str) -> None:
    maintenance.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
