"""PostgreSQL: clones of a template, and a reset that touches only what was written to."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_itest.errors import ServiceError, UsageError
from ci_itest.pytest_plugin.addresses import with_database
from ci_itest.pytest_plugin.databases.database import Connection, Row, TakenBack
from ci_itest.waiting import DeadlinePassed, wait_until

if TYPE_CHECKING:
    import psycopg

RESET_SQL = Path(__file__).with_name("postgres_reset.sql")

_TEMPLATE_LOCK = 7_205_316_001  # any number, as long as all pytest processes on a server take the same
_LOCK_WAIT = "2s"
_WRITER_SECONDS = 2.0
_OWN = "ci_itest_"
_KEPT_TEMPLATES = 4
_MAINTENANCE = ("postgres", "template1")  # some servers come without the first
_CLONE_SECONDS = 10.0


class Postgres:
    """Questions to one database."""

    placeholder = "%s"
    quote = '"'
    driver = "postgresql+psycopg"
    overriding = " OVERRIDING SYSTEM VALUE"

    def connect(self, url: str) -> Connection:
        return _connect(url, f"-c lock_timeout={_LOCK_WAIT}")

    def tables(self, connection: Connection) -> list[str]:
        return [name for (name,) in _all(connection, _TABLES)]

    def key(self, connection: Connection, table: str) -> list[str]:
        return [name for (name,) in _all(connection, _KEY, table)]

    def dirty(self, connection: Connection) -> list[str]:
        return _plain([name for (name,) in _all(connection, "SELECT name FROM ci_itest.dirty()")])

    def connect_to_reset(self, url: str) -> Connection | None:
        """One on which foreign keys and triggers are off for good: to switch them for each reset doubles its time."""
        import psycopg

        try:
            return _connect(url, f"-c lock_timeout={_LOCK_WAIT} -c session_replication_role=replica")
        except psycopg.OperationalError:  # a role that may not; a server that is gone is told by the other connection
            return None

    def reset(self, connection: Connection) -> TakenBack:
        """As `Dialect.reset`; a transaction that somebody left open is ended, and named.

        Raises:
            ServiceError: One was left open. The database is clean afterwards.
        """
        import psycopg

        try:
            writers, removed, written = _all(connection, _RESET)[0]
            if not writers:
                return TakenBack(removed, tuple(sorted(_plain(written))))
            # An app in another process may be about to commit; a test that forgot to is not.
            wait_until(lambda: "open" if _all(connection, _WRITERS)[0][0] else "", within_seconds=_WRITER_SECONDS)
            _, more, besides = _all(connection, _RESET)[0]
            return TakenBack(removed + more, tuple(sorted({*_plain(written), *_plain(besides)})))
        except (psycopg.errors.LockNotAvailable, DeadlinePassed):
            culprits = _ended_transactions(connection)
        _all(connection, _RESET)
        raise ServiceError(
            f"A transaction was left open: {'; '.join(culprits) or 'it is gone now'}.",
            hint="Commit, roll back or close it before the test ends (a session in a `with` block does). "
            "It was ended now, so the next test starts clean.",
        )

    def insert(self, connection: Connection, statement: str, values: Sequence[Any], *, table: str) -> Row:
        cursor = connection.cursor()
        cursor.execute(f"{statement} RETURNING *", values)
        names = [column[0] for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))

    def scans(self, connection: Connection) -> dict[str, int]:
        if int(_all(connection, "SHOW server_version_num")[0][0]) >= 150000:
            _all(connection, "SELECT pg_stat_force_next_flush()")  # of what this connection did
        return {name: int(count) for name, count in _all(connection, _SCANS)}


_SCANS = """
SELECT replace(relid::regclass::text, '"', ''), coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables
"""

_WRITERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
"""

_RESET = f"SELECT ({_WRITERS}), removed, written FROM ci_itest.reset_telling()"  # noqa: S608 - ours

_TABLES = """
WITH RECURSIVE tables AS (
    SELECT c.oid AS id FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'ci_itest') AND n.nspname NOT LIKE 'pg\\_%'
), up AS (
    SELECT id, id AS at, 0 AS depth FROM tables
    UNION
    SELECT up.id, f.confrelid, up.depth + 1 FROM up JOIN pg_constraint f
        ON f.conrelid = up.at AND f.contype = 'f' AND f.confrelid <> up.at WHERE up.depth < 12
)
SELECT replace(id::regclass::text, '"', '') FROM up GROUP BY id ORDER BY max(depth), 1
"""

_KEY = """
SELECT a.attname FROM pg_index i
JOIN unnest(i.indkey) WITH ORDINALITY AS k(number, place) ON true
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisprimary AND i.indrelid = %s::regclass ORDER BY k.place
"""


class PostgresServer:
    """A server on which templates and clones are made.

    Attributes:
        url: Of its main database, with a user that may create databases.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._host = f"{zlib.crc32(socket.gethostname().encode()):08x}"

    def template(self, name: str, *, source: str, build: Callable[[str], None]) -> None:
        """Make sure that there is a database of that name that nobody is connected to, for clones.

        Args:
            source: A database to begin from, "" for an empty one.
            build: Given the address of the new database, fills it. Called once, whoever asks first.
        """
        with self._maintenance() as connection:
            _all(connection, "SELECT pg_advisory_lock(%s)", _TEMPLATE_LOCK)
            if _all(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                return
            draft = f"{name}_draft"
            _all(connection, f'DROP DATABASE IF EXISTS "{draft}" WITH (FORCE)')
            self._clear_away(connection)
            self._create(connection, draft, source=source)
            build(with_database(self.url, draft))
            # Renamed only when complete: one that was killed half-way leaves no half template.
            _all(connection, f'ALTER DATABASE "{draft}" RENAME TO "{name}"')

    def clone(self, template: str, *, worker: str) -> tuple[str, str]:
        """Name and address of a new database for this worker."""
        name = f"{_OWN}w_{self._host}_{os.getpid()}_{worker}"
        with self._maintenance() as connection:
            self._create(connection, name, source=template)
        return name, with_database(self.url, name)

    def drop(self, name: str) -> None:
        with self._maintenance() as connection:
            _all(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def _maintenance(self) -> Iterator[Connection]:
        """A connection to a database that nobody clones."""
        import psycopg

        for database in _MAINTENANCE:
            try:
                connection = _connect(with_database(self.url, database))
            except psycopg.OperationalError as error:
                if database == _MAINTENANCE[-1]:
                    raise ServiceError(f"PostgreSQL does not let us in: {str(error).strip()}") from error
                continue
            with connection:
                yield connection
            return

    def _create(self, connection: Connection, name: str, *, source: str) -> None:
        import psycopg

        statement = f'CREATE DATABASE "{name}"'
        if source:
            statement += f' TEMPLATE "{source}"{_strategy(connection)}'

        def attempt() -> str:
            try:
                _all(connection, statement)
            except psycopg.errors.DuplicateDatabase:
                _all(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                return "a database of that name was left behind"
            except psycopg.errors.ObjectInUse as error:
                # What is idle is a pool's; it connects again. What is busy is waited for.
                _all(connection, _HANG_UP_IDLE, source)
                return str(error).strip()
            except psycopg.errors.InsufficientPrivilege as error:
                raise ServiceError(
                    f"PostgreSQL does not let us create a database: {str(error).strip()}",
                    hint="Use a user with CREATEDB: every worker gets a database of its own.",
                ) from error
            return ""

        try:
            wait_until(attempt, within_seconds=_CLONE_SECONDS)
        except DeadlinePassed as passed:
            raise ServiceError(
                f"The database {source} cannot be cloned: {passed.last_seen}",
                hint="Close what is connected to it, or give the app a database of its own.",
            ) from passed

    def _clear_away(self, connection: Connection) -> None:
        """Drop what killed sessions of this machine left, and all but the newest templates."""
        for (name,) in _all(connection, "SELECT datname FROM pg_database WHERE datname LIKE %s", f"{_OWN}w_%"):
            host, pid = name.removeprefix(f"{_OWN}w_").split("_")[:2]
            if host == self._host and not Path(f"/proc/{pid}").exists() and Path("/proc").exists():
                _all(connection, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        old = "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY oid DESC OFFSET %s"
        for (name,) in _all(connection, old, f"{_OWN}template_%", _KEPT_TEMPLATES):
            _all(connection, f'DROP DATABASE IF EXISTS "{name}"')


_HANG_UP_IDLE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND state = 'idle'"


def install_reset(url: str) -> None:
    """Install the functions of postgres_reset.sql; what the database holds now is what a reset restores."""
    with _connect(url) as connection:
        connection.execute(RESET_SQL.read_bytes())
        connection.execute("SELECT ci_itest.install()")


def _strategy(connection: Connection) -> str:
    """Copying files is twice as quick where nothing waits for a disk, and ten times as slow where something does."""
    version, fsync = _all(connection, "SELECT current_setting('server_version_num')::int, current_setting('fsync')")[0]
    if version < 150000:
        return ""
    return f" STRATEGY {'wal_log' if fsync == 'on' else 'file_copy'}"


def _connect(url: str, options: str = "") -> psycopg.Connection[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise UsageError(
            "The fixtures need psycopg to speak to PostgreSQL.", hint='Install it: pip install "ci-itest[postgres]"'
        ) from error
    address = f"postgresql://{url.partition('://')[2]}"
    return psycopg.connect(address, autocommit=True, application_name="ci-itest", options=options)


def _plain(names: Sequence[str]) -> list[str]:
    return [name.replace('"', "") for name in names]


def _all(connection: Connection, statement: str, *values: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(statement, values or None)
    return list(cursor.fetchall()) if cursor.description else []


def _ended_transactions(connection: Connection) -> list[str]:
    """End every transaction of others on this database; what each had done last, in words."""
    return [
        f"{name or 'a connection'} ({state}), whose last statement was {' '.join(query.split())[:120]!r}"
        for name, state, query in _all(connection, _END_OTHERS)
    ]


_END_OTHERS = """
SELECT application_name, state, query FROM (
    SELECT application_name, state, query, pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
) ended
"""
