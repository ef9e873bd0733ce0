"""A database brought to this version's tables: made, migrated after a backup, or refused."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select, text, update

from ci_itest.errors import HistoryError
from ci_itest.history import schema
from ci_itest.history.copying import copy_tables
from ci_itest.history.database import refuse_cut_off

Begin = Callable[[bool], AbstractContextManager[Connection]]
"""A transaction; True: one that writes."""

_LOCK = 7_310_420
"""Of PostgreSQL's advisory locks: one process at a time makes or migrates tables."""


def prepare(engine: Engine, begin: Begin, *, name: str, backup_folder: Path) -> Path | None:
    """Make the tables where there are none, migrate older ones, and refuse those of another schema or program.

    Returns:
        The backup that was made before a migration; None without one.
    """
    with begin(False) as connection:
        if engine.dialect.name == "sqlite":
            refuse_cut_off(connection, name)
        found = found_schema(connection, name=name)
    if found == schema.SCHEMA:
        return None
    with begin(True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = found_schema(connection, name=name)  # another process may have been first
        if found == 0:
            make_tables(connection)
        elif found < schema.SCHEMA:
            # Only now: whoever waited here must not put what was migrated over the backup of what was there before.
            backup = backup_before(engine, found, folder=backup_folder)
            _migrate(connection)
            return backup
    return None


def found_schema(connection: Connection, *, name: str) -> int:
    """The schema of our tables, 0 without any; HistoryError when those of a newer one or of another program are there.

    Raises:
        ValueError: The number is none; the database is damaged.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return 0
    if schema.meta.name not in tables:
        raise HistoryError(
            f"{name} is no history of ci-itest: it holds the table {sorted(tables)[0]!r}.",
            hint="Give the history a file or database of its own.",
        )
    found = int(connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == "schema")) or 0)
    if found > schema.SCHEMA:
        raise HistoryError(
            f"The history {name} is of schema {found}; this version reads up to schema {schema.SCHEMA}.",
            hint="Use the version of ci-itest that wrote it, or a newer one.",
        )
    if found < 1:
        raise ValueError(f"schema {found}")
    return found


def make_tables(connection: Connection) -> None:
    schema.metadata.create_all(connection)
    connection.execute(insert(schema.meta).values(name="schema", value=str(schema.SCHEMA)))
    connection.execute(insert(schema.migrations).values(version_num=str(schema.SCHEMA)))


def _migrate(connection: Connection) -> None:
    """All in the caller's transaction: a process that is killed midway leaves what was there."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).resolve().parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(update(schema.meta).where(schema.meta.c.name == "schema").values(value=str(schema.SCHEMA)))


def backup_before(engine: Engine, found: int, *, folder: Path) -> Path:
    """Keep what is there as a SQLite file, before it is migrated.

    Raises:
        HistoryError: The file cannot be written.
    """
    stem = Path(engine.url.database or "ci-itest").name
    target = folder / f"{stem}.schema-{found}.backup"
    back_up(engine, target)
    return target


def back_up(engine: Engine, target: Path) -> None:
    """Write all tables as they are at one moment into a SQLite file, whole or not at all; writers are not held up.

    Raises:
        HistoryError: The file cannot be written.
    """
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if engine.dialect.name == "sqlite":
            _copy_file(str(engine.url.database), partial)
        else:
            copy_tables(engine, into=partial)
        partial.replace(target)
    except OSError as error:
        raise HistoryError(f"Cannot write the backup {target}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy_file(source: str, target: Path) -> None:
    with closing(sqlite3.connect(source)) as connection, closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
