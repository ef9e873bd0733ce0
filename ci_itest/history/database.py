"""A database's engine, SQLite's settings, and the door that turns the SQL libraries' exceptions into ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ci_itest.errors import HistoryError
from ci_itest.history.store import DamagedHistoryError

BUSY_SECONDS = 30.0
"""How long to wait for another process that writes; recording 100,000 cases takes it a few seconds."""

POOL_SIZE = 10
"""Connections that a process keeps; it takes as many again for a while."""

_POSTGRES = ("postgresql", "postgres")

_MAPPED_BYTES = 1024 * 1024 * 1024
"""Of a SQLite file, at most."""

WRITES = "ci_itest_writes"
"""Execution option of a connection whose transactions write."""

_DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""SQLITE_ERROR too: our statements fit our tables, so a table or column that is not there was there once."""


def database_url(path_or_url: str | Path) -> URL:
    if isinstance(path_or_url, str) and "://" in path_or_url:
        try:
            url = make_url(path_or_url)
            # The driver that the extra `service` installs; SQLAlchemy's own choice is an older one.
            return url.set(drivername="postgresql+psycopg") if url.drivername in _POSTGRES else url
        except (SQLAlchemyError, ValueError) as error:
            raise HistoryError("The history's address is no database URL.") from error
    path = Path(path_or_url).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(
            f"Cannot make the folder of the history {path}: {error.strerror}.", hint="Choose another `store`."
        ) from error
    return url_of_file(path)


def url_of_file(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


def engine_for(url: URL, *, is_durable: bool = False) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=POOL_SIZE)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=POOL_SIZE)
    event.listen(engine, "connect", _set_up_sqlite)
    if is_durable:
        event.listen(engine, "connect", _set_up_for_long)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # Python's driver begins transactions late and never IMMEDIATE; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _set_up_for_long(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    # A process that stays reads the same pages again and again: mapped, it need not copy them (a third of the time).
    connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another process wrote in between; one that
    # takes the write lock at its start waits for its turn.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def refuse_cut_off(connection: Connection, name: str) -> None:
    """DamagedHistoryError when a SQLite file ends inside a page: SQLite itself would read zeros there."""
    page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    try:
        size_bytes = Path(name).stat().st_size
    except OSError as error:
        raise HistoryError(f"Cannot read the history {name}: {error.strerror}.") from error
    if size_bytes % page_bytes:
        raise damaged(name, f"it ends after {size_bytes} bytes, inside a page of {page_bytes}")


PACKED_BYTES = (16 * 1024 * 1024, 1024 * 1024 * 1024)
"""From what size a file is worth packing, and from what size writers would wait too long for an eighth of it."""


def give_back_space(engine: Engine, *, packed_bytes: tuple[int, int] = PACKED_BYTES) -> bool:
    """Write a SQLite file anew when more than a quarter of it is empty, or when it has grown by a third since.

    Rows that were added run after run leave an eighth of each page free, whatever the page's size (SQLite 3.40).
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        free, pages, page_bytes, packed = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_count", "page_size", "user_version")
        )
        least, most = (size // page_bytes for size in packed_bytes)
        if free * 4 <= pages and not (max(least, packed * 4 // 3) <= pages - free <= most):
            return False
        cursor.execute("VACUUM")
        (pages,) = cursor.execute("PRAGMA page_count").fetchone()
        # The file's own place for a number of ours: nothing else of it is ours to use without a new schema.
        cursor.execute(f"PRAGMA user_version = {int(pages)}")
        return True
    finally:
        connection.close()


@contextmanager
def door(name: str) -> Iterator[None]:
    """Turns what the SQL libraries raise into HistoryError."""
    try:
        yield
    except DBAPIError as error:
        _refuse(name, error.orig, cause=error)
    except UnicodeDecodeError as error:  # the driver's, over a message that quotes a damaged schema
        raise damaged(name, error) from error
    except sqlite3.Error as error:  # from the listeners, which SQLAlchemy does not wrap
        _refuse(name, error, cause=error)
    except (SQLAlchemyError, ImportError, OverflowError) as error:
        raise HistoryError(f"Cannot use the history {name}: {error}.") from error


def _refuse(name: str, problem: BaseException | None, *, cause: Exception) -> NoReturn:
    code = getattr(problem, "sqlite_errorcode", 0)
    # The driver gives no code to the one error that is its own: a text that is no UTF-8.
    is_no_text = isinstance(problem, sqlite3.OperationalError) and not code
    if is_no_text or code & 0xFF in _DAMAGE_CODES or code == sqlite3.SQLITE_IOERR_SHORT_READ:
        raise damaged(name, problem) from cause
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise HistoryError(
            f"The history {name} is busy: another process has been writing for {BUSY_SECONDS:.0f} s."
        ) from cause
    raise HistoryError(f"Cannot use the history {name}: {problem}.") from cause


def damaged(name: str, problem: object) -> DamagedHistoryError:
    return DamagedHistoryError(
        f"The history {name} is damaged: {problem}.", hint="Delete it; the next run starts a new one."
    )
