"""SQLite: a file for each worker, copied from a prepared one, and copied again after a test that changed it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ci_itest.pytest_plugin.databases.database import Connection, Row, TakenBack

_SCHEME = "sqlite:///"
_BUSY_SECONDS = 10.0


class Sqlite:
    """Questions to one file. There is no telling which tables changed, only whether the file did."""

    placeholder = "?"
    quote = '"'
    driver = "sqlite"
    overriding = ""

    def __init__(self) -> None:
        self._version: dict[int, tuple[int, int]] = {}

    def connect(self, url: str) -> Connection:
        connection = _open(path_of(url))
        connection.execute("PRAGMA foreign_keys = ON")
        self._note(connection)
        return connection

    def tables(self, connection: Connection) -> list[str]:
        names = [name for (name,) in _all(connection, _TABLES)]
        parents = {name: [row[2] for row in _all(connection, f'PRAGMA foreign_key_list("{name}")')] for name in names}
        return parents_first(parents)

    def key(self, connection: Connection, table: str) -> list[str]:
        columns = [(row[5], row[1]) for row in _all(connection, f'PRAGMA table_info("{table}")')]
        return [name for place, name in sorted(columns) if place] or ["rowid"]

    def dirty(self, connection: Connection) -> list[str]:
        changed = self._version.get(id(connection)) != _version(connection)
        return self.tables(connection) if changed else []

    def connect_to_reset(self, url: str) -> None:
        """None: the connection for assertions knows which version of the file it has seen."""

    def reset(self, connection: Connection) -> TakenBack:
        """Copy the prepared file over this one where it changed."""
        written = self.dirty(connection)
        if not written:
            return TakenBack(0, ())
        assert isinstance(connection, sqlite3.Connection)
        before = _counts(connection, self.tables(connection))
        path = Path(_all(connection, "PRAGMA database_list")[0][2])
        with closing(_open(_prepared(path))) as original:
            original.backup(connection)
        self._note(connection)
        return TakenBack(max(0, before - _counts(connection, self.tables(connection))), tuple(written))

    def insert(self, connection: Connection, statement: str, values: Sequence[Any], *, table: str) -> Row:
        cursor = connection.cursor()
        cursor.execute(f"{statement} RETURNING *", values)
        names = [column[0] for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

    def scans(self, connection: Connection) -> dict[str, int]:
        """Not told."""
        return {}

    def _note(self, connection: Any) -> None:
        self._version[id(connection)] = _version(connection)


_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"


class SqliteServer:
    """The folder in which prepared files and their copies are.

    Attributes:
        folder: Of this pytest session, shared by its workers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def template(self, name: str, *, source: str, build: Callable[[str], None]) -> None:
        """Make sure that there is a prepared file of that name; `source` is a file to begin from, "" for none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "building").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ready = self._folder / f"{name}.db"
            if ready.exists():
                return
            draft = self._folder / f"{name}.draft.db"
            draft.unlink(missing_ok=True)
            if source and path_of(source).exists():
                copy(path_of(source), draft)
            build(f"{_SCHEME}{draft}")
            # What is still in the write-ahead log belongs to the file.
            with closing(_open(draft)) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
            draft.replace(ready)

    def clone(self, template: str, *, worker: str) -> tuple[str, str]:
        path = self._folder / f"{worker}-{os.getpid()}.db"
        copy(self._folder / f"{template}.db", path)
        copy(self._folder / f"{template}.db", _prepared(path))
        return str(path), f"{_SCHEME}{path}"

    def drop(self, name: str) -> None:
        for path in (Path(name), Path(f"{name}-wal"), Path(f"{name}-shm"), _prepared(Path(name))):
            path.unlink(missing_ok=True)


def path_of(url: str) -> Path:
    """The file that an address names."""
    return Path(url.partition(":///")[2])


def copy(source: Path, target: Path) -> None:
    """A backup, not a copy of the file: somebody may be writing to it, and WAL keeps rows beside it."""
    with closing(_open(source)) as original, closing(_open(target)) as new:
        original.backup(new)


def parents_first(parents: dict[str, list[str]]) -> list[str]:
    """The tables, each after those that it refers to; a circle is broken where it is met."""
    ordered: list[str] = []
    under_way: set[str] = set()

    def visit(name: str) -> None:
        if name in under_way or name in ordered or name not in parents:
            return
        under_way.add(name)
        for parent in sorted(parents[name]):
            visit(parent)
        under_way.discard(name)
        ordered.append(name)

    for name in sorted(parents):
        visit(name)
    return ordered


def _prepared(path: Path) -> Path:
    return path.with_suffix(".prepared")


def _open(path: Path) -> sqlite3.Connection:
    # A handler that a test calls may run in a thread of its own.
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _version(connection: Any) -> tuple[int, int]:
    """Changes when the file does: the first number by other connections' doing, the second by this one's."""
    return int(_all(connection, "PRAGMA data_version")[0][0]), int(connection.total_changes)


def _counts(connection: Connection, tables: list[str]) -> int:
    return sum(int(_all(connection, f'SELECT count(*) FROM "{name}"')[0][0]) for name in tables)  # noqa: S608 - quoted


def _all(connection: Any, statement: str) -> list[Any]:
    return list(connection.execute(statement).fetchall())
