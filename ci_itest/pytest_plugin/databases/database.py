"""`Database`: the worker's own database as tests use it, the same for PostgreSQL, MySQL, MariaDB and SQLite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

from ci_itest.errors import ServiceError, UsageError

Row = dict[str, Any]


class Connection(Protocol):
    """What we ask of a driver's connection (DB-API 2.0), with every statement a transaction of its own."""

    def cursor(self) -> Any: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class TakenBack:
    """What a reset found.

    Attributes:
        rows: How many had to go.
        tables: That may have been written to since the reset before, by name in order.
    """

    rows: int
    tables: tuple[str, ...]


class Dialect(Protocol):
    """What differs between the servers.

    Attributes:
        placeholder: What stands for a value in a statement.
        quote: Stands around a name.
        driver: Of SQLAlchemy, as the scheme of its URLs.
        overriding: What an INSERT says before its values, to give a column that numbers itself a value all the same.
    """

    placeholder: str
    quote: str
    driver: str
    overriding: str

    def connect(self, url: str) -> Connection: ...

    def tables(self, connection: Connection) -> list[str]:
        """The application's tables, parents before children along foreign keys."""
        ...

    def key(self, connection: Connection, table: str) -> list[str]:
        """The columns of the table's primary key; [] where it has none."""
        ...

    def dirty(self, connection: Connection) -> list[str]:
        """Tables that may have been written to since the last reset."""
        ...

    def connect_to_reset(self, url: str) -> Connection | None:
        """A connection that serves resets alone, and sooner; None where the one for assertions serves as well."""
        ...

    def reset(self, connection: Connection) -> TakenBack:
        """Bring back what the database held when the worker got it."""
        ...

    def insert(self, connection: Connection, statement: str, values: Sequence[Any], *, table: str) -> Row:
        """Run an INSERT of one row; the row as it stands in the table."""
        ...

    def scans(self, connection: Connection) -> dict[str, int]:
        """How often each table was looked into since the database was made; {} where the server does not tell."""
        ...


@dataclass
class Database:
    """A database that nobody but this worker uses.

    Attributes:
        name: Of the database, or the path of its file.
        url: `postgresql://user:password@host:port/name`.
    """

    name: str
    url: str = field(repr=False)
    dialect: Dialect = field(repr=False)
    _connection: Connection | None = field(default=None, repr=False)
    _resetting: Connection | None = field(default=None, repr=False)
    _tables: list[str] | None = field(default=None, repr=False)
    _resets: Counter[str] = field(default_factory=Counter, repr=False)

    @property
    def sqlalchemy_url(self) -> str:
        """The same address with the driver that SQLAlchemy is to use."""
        return f"{self.dialect.driver}://{self.url.partition('://')[2]}"

    @property
    def connection(self) -> Connection:
        """One connection for all assertions of this worker; each statement is committed at once."""
        if self._connection is None or getattr(self._connection, "closed", False):
            self._connection = self.dialect.connect(self.url)
        return self._connection

    @property
    def tables(self) -> list[str]:
        """The application's tables, parents before children."""
        if self._tables is None:
            self._tables = self.dialect.tables(self.connection)
        return self._tables

    def execute(self, statement: str, *values: Any) -> list[Row]:
        """The rows that a statement gives; [] for one that gives none. It is committed."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement, values or None) if values else cursor.execute(statement)
            if cursor.description is None:
                return []
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def rows(self, table: str, **equal: Any) -> list[Row]:
        """The table's rows in the order of its key: `rows("orders", state="paid")`.

        Raises:
            UsageError: There is no such table; names the nearest.
        """
        where = " AND ".join(
            f"{self._quoted(column)} IS NULL" if value is None else f"{self._quoted(column)} = {self._mark}"
            for column, value in equal.items()
        )
        values = [value for value in equal.values() if value is not None]
        order = ", ".join(map(self._quoted, self.dialect.key(self.connection, self._known(table))))
        statement = f"SELECT * FROM {self._name(table)}"  # noqa: S608 - names are quoted, values are not in it
        statement += f" WHERE {where}" if where else ""
        return self.execute(statement + (f" ORDER BY {order}" if order else ""), *values)

    def count(self, table: str, **equal: Any) -> int:
        """How many rows the table has with these values."""
        return len(self.rows(table, **equal))

    def insert(self, table: str, row: Mapping[str, Any]) -> Row:
        """Put a row in; the row with all that the database added to it."""
        columns = ", ".join(map(self._quoted, row))
        marks = ", ".join([self._mark] * len(row))
        target = f"INSERT INTO {self._name(self._known(table))}"
        statement = (
            f"{target} ({columns}){self.dialect.overriding} VALUES ({marks})" if row else self._empty_insert(target)
        )
        return self.dialect.insert(self.connection, statement, list(row.values()), table=table)

    def dirty(self) -> list[str]:
        """Tables that may have been written to since the last reset."""
        return self.dialect.dirty(self.connection)

    def reset(self) -> int:
        """Bring back what was there when the worker got the database; how many rows had to go."""
        return self.take_back().rows

    def take_back(self) -> TakenBack:
        """As `reset`; tells also which tables had been written to."""
        if self._resetting is None or getattr(self._resetting, "closed", False):
            self._resetting = self.dialect.connect_to_reset(self.url)
        try:
            return self.dialect.reset(self._resetting or self.connection)
        except ServiceError:
            self.close()  # the transaction that was ended may have been one on our own connection
            raise

    def note_reset(self, tables: Sequence[str]) -> None:
        """These tables were reset: a look into them that no test took."""
        self._resets.update(tables)

    def reads(self) -> dict[str, int]:
        """How often tests looked into each table, as far as the server counts it and has heard of it by now."""
        counted = self.dialect.scans(self.connection)
        return {table: times for table in self.tables if (times := counted.get(table, 0) - self._resets[table]) > 0}

    def close(self) -> None:
        for one in (self._connection, self._resetting):
            if one is not None:
                one.close()
        self._connection = self._resetting = None

    @property
    def _mark(self) -> str:
        return self.dialect.placeholder

    def _empty_insert(self, target: str) -> str:
        return f"{target} () VALUES ()" if self.dialect.quote == "`" else f"{target} DEFAULT VALUES"

    def _quoted(self, name: str) -> str:
        quote = self.dialect.quote
        return f"{quote}{name.replace(quote, quote * 2)}{quote}"

    def _name(self, table: str) -> str:
        return ".".join(map(self._quoted, table.split(".")))

    def _known(self, table: str) -> str:
        if table not in self.tables:
            self._tables = None  # it may have been made since
        if table not in self.tables:
            nearest = get_close_matches(table, self.tables, n=1)
            offer = f"Did you mean {nearest[0]}? " if nearest else ""
            raise UsageError(
                f"There is no table {table!r}.", hint=f"{offer}There are: {', '.join(sorted(self.tables)) or 'none'}."
            )
        return table
