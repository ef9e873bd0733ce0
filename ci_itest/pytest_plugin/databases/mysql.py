"""MySQL and MariaDB: a copy of the prepared schema for each worker, and a reset that empties what has rows.

Neither has templates nor statement triggers. So a clone is made table by table (with its foreign keys, triggers and
views; routines and events are not copied), and after a test every table that was empty before and has rows now is
emptied, every seeded table is filled anew. Ids go on counting: starting them again would rebuild the table.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from ci_itest.errors import ServiceError, UsageError
from ci_itest.pytest_plugin.addresses import with_database
from ci_itest.pytest_plugin.databases.database import Connection, Row, TakenBack
from ci_itest.pytest_plugin.databases.sqlite import parents_first

_OWN = "ci_itest_"
_SEEDED = f"{_OWN}kept__"
"""Begins the name of the copy that a seeded table has beside it."""

_LOCK_SECONDS = 300


class MySql:
    """Questions to one database."""

    placeholder = "%s"
    quote = "`"
    driver = "mysql+pymysql"
    overriding = ""

    def connect(self, url: str) -> Connection:
        connection: Connection = _connect(url)
        _all(connection, "SET SESSION lock_wait_timeout = 2, SESSION innodb_lock_wait_timeout = 2")
        return connection

    def tables(self, connection: Connection) -> list[str]:
        names = _base_tables(connection)
        parents: dict[str, list[str]] = {name: [] for name in names if not name.startswith(_SEEDED)}
        for child, parent in _all(connection, _REFERENCES):
            parents.get(child, []).append(parent)
        return parents_first(parents)

    def key(self, connection: Connection, table: str) -> list[str]:
        return [name for (name,) in _all(connection, _KEY, table)]

    def dirty(self, connection: Connection) -> list[str]:
        seeded = _seeded(connection)
        return _with_rows(connection, [name for name in self.tables(connection) if name not in seeded])

    def connect_to_reset(self, url: str) -> None:
        """None: the connection for assertions serves resets as well."""

    def reset(self, connection: Connection) -> TakenBack:
        """As `Dialect.reset`.

        Raises:
            ServiceError: Somebody holds a lock on a table that is to be emptied.
        """
        import pymysql

        names = _base_tables(connection)
        seeded = {name.removeprefix(_SEEDED) for name in names if name.startswith(_SEEDED)}
        empty = [name for name in names if name not in seeded and not name.startswith(_SEEDED)]
        removed = 0
        try:
            _all(connection, "SET SESSION foreign_key_checks = 0")
            written = _with_rows(connection, empty)
            for name in written:
                removed += _changed(connection, f"DELETE FROM `{name}`")  # noqa: S608 - from the catalogue
            for name in sorted(seeded):
                _changed(connection, f"DELETE FROM `{name}`")  # noqa: S608
                _changed(connection, f"INSERT INTO `{name}` SELECT * FROM `{_SEEDED}{name}`")  # noqa: S608
        except pymysql.err.OperationalError as error:
            raise ServiceError(
                f"A transaction was left open and keeps a table locked: {error.args[-1]}.",
                hint="Commit, roll back or close it before the test ends.",
            ) from error
        finally:
            _all(connection, "SET SESSION foreign_key_checks = 1")
        return TakenBack(removed, tuple(written))

    def insert(self, connection: Connection, statement: str, values: Sequence[Any], *, table: str) -> Row:
        cursor = connection.cursor()
        cursor.execute(statement, values)
        key = self.key(connection, table)
        # MySQL does not return what it inserted: the row is found by the id it gave.
        where = " AND ".join(f"`{column}` = %s" for column in key) if key else "1 = 1"
        given = dict(zip(re.findall(r"`([^`]+)`", statement.partition("(")[2].partition(")")[0]), values, strict=False))
        cursor.execute(
            f"SELECT * FROM `{table}` WHERE {where}",  # noqa: S608 - names from the catalogue
            [given.get(column, cursor.lastrowid) for column in key],
        )
        names = [column[0] for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

    def scans(self, connection: Connection) -> dict[str, int]:
        """Not told."""
        return {}


class MySqlServer:
    """A server on which prepared databases and their copies are made.

    Attributes:
        url: Of its main database, with a user that may create databases.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def template(self, name: str, *, source: str, build: Callable[[str], None]) -> None:
        """Make sure that there is a prepared database of that name; `source` is one to begin from, "" for none."""
        with self._maintenance() as connection:
            _all(connection, "SELECT GET_LOCK('ci_itest_template', %s)", _LOCK_SECONDS)
            if _all(connection, "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", f"{name}_ready"):
                return
            _create(connection, name)
            if source:
                _copy(connection, source, name)
            build(with_database(self.url, name))
            # A database cannot be renamed: an empty one beside it says that it is complete.
            _create(connection, f"{name}_ready")

    def clone(self, template: str, *, worker: str) -> tuple[str, str]:
        name = f"{_OWN}w_{os.getpid()}_{worker}"
        with self._maintenance() as connection:
            _create(connection, name)
            _copy(connection, template, name)
            _keep_seeded(connection, name)
        return name, with_database(self.url, name)

    def drop(self, name: str) -> None:
        with self._maintenance() as connection:
            _all(connection, f"DROP DATABASE IF EXISTS `{name}`")

    @contextmanager
    def _maintenance(self) -> Iterator[Any]:
        with closing(_connect(self.url)) as connection:
            yield connection


_REFERENCES = """
SELECT table_name, referenced_table_name FROM information_schema.key_column_usage
WHERE table_schema = database() AND referenced_table_name IS NOT NULL AND referenced_table_name <> table_name
"""

_KEY = """
SELECT column_name FROM information_schema.key_column_usage
WHERE table_schema = database() AND table_name = %s AND constraint_name = 'PRIMARY' ORDER BY ordinal_position
"""


def _create(connection: Any, name: str) -> None:
    import pymysql

    """An empty database, in place of one that an interrupted session may have left."""
    try:
        _all(connection, f"DROP DATABASE IF EXISTS `{name}`")
        _all(connection, f"CREATE DATABASE `{name}`")
    except pymysql.err.OperationalError as error:
        raise ServiceError(
            f"The server does not let us create a database: {error.args[-1]}",
            hint="Use a user with CREATE on all databases: every worker gets one of its own.",
        ) from error


def _copy(connection: Any, source: str, target: str) -> None:
    """Tables with rows, foreign keys and triggers, and views, of one database into an empty other."""
    _all(connection, f"USE `{target}`")
    _all(connection, "SET SESSION foreign_key_checks = 0")
    kinds = dict(_all(connection, f"SHOW FULL TABLES FROM `{source}`"))
    for name, kind in kinds.items():
        if kind == "BASE TABLE":
            _all(connection, _all(connection, f"SHOW CREATE TABLE `{source}`.`{name}`")[0][1])
            columns = ", ".join(f"`{column}`" for (column,) in _all(connection, _STORED, source, name))
            _all(connection, f"INSERT INTO `{name}` ({columns}) SELECT {columns} FROM `{source}`.`{name}`")  # noqa: S608
    for name, *_ in _all(connection, f"SHOW TRIGGERS FROM `{source}`"):
        _all(connection, _without_definer(_all(connection, f"SHOW CREATE TRIGGER `{source}`.`{name}`")[0][2]))
    for name, kind in kinds.items():
        if kind == "VIEW":
            text = _without_definer(_all(connection, f"SHOW CREATE VIEW `{source}`.`{name}`")[0][1])
            _all(connection, text.replace(f"`{source}`.", ""))
    _all(connection, "SET SESSION foreign_key_checks = 1")


_STORED = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND extra NOT LIKE '%%GENERATED%%' ORDER BY ordinal_position
"""


def _without_definer(statement: str) -> str:
    return re.sub(r"DEFINER=`[^`]*`@`[^`]*` ", "", statement)


def _keep_seeded(connection: Any, name: str) -> None:
    for table in _with_rows(connection, _base_tables(connection)):
        _all(connection, f"CREATE TABLE `{name}`.`{_SEEDED}{table}` AS SELECT * FROM `{name}`.`{table}`")  # noqa: S608


def _base_tables(connection: Connection) -> list[str]:
    return [name for name, kind in _all(connection, "SHOW FULL TABLES") if kind == "BASE TABLE"]


def _seeded(connection: Connection) -> set[str]:
    return {name.removeprefix(_SEEDED) for name in _base_tables(connection) if name.startswith(_SEEDED)}


def _with_rows(connection: Connection, names: list[str]) -> list[str]:
    """Those of the tables that have rows, found in one question."""
    if not names:
        return []
    asked = ", ".join(f"EXISTS (SELECT 1 FROM `{name}`)" for name in names)  # noqa: S608 - from the catalogue
    (found,) = _all(connection, f"SELECT {asked}")
    return [name for name, has_rows in zip(names, found, strict=True) if has_rows]


def _connect(url: str) -> Any:
    try:
        import pymysql
    except ImportError as error:
        raise UsageError(
            "The fixtures need PyMySQL to speak to MySQL and MariaDB.", hint='Install it: pip install "ci-itest[mysql]"'
        ) from error
    parts = urlsplit(url)
    try:
        return pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.strip("/") or None,
            autocommit=True,
            client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
        )
    except pymysql.err.OperationalError as error:
        raise ServiceError(f"The server does not let us in: {error.args[-1]}") from error


def _all(connection: Any, statement: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []


def _changed(connection: Any, statement: str) -> int:
    with connection.cursor() as cursor:
        return int(cursor.execute(statement))
