"""Rows straight into tables: one by one, many in foreign-key order, from SQL and CSV files, by factories."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from ci_itest.errors import FileError, UsageError
from ci_itest.pytest_plugin.databases.database import Database, Dialect, Row

_NUMBER = re.compile(r"^\d+[-_.]")


class Seed:
    """Puts rows in and commits them, so that an app sees them through connections of its own.

    seed("customers", name="Ada")                   one row, as it stands in the table
    seed("customers", [{"name": "Ada"}, …])         several
    seed({"orders": […], "customers": […]})         of several tables, parents first
    seed(Customer(name="Ada"), Order(…))            objects that SQLAlchemy maps
    seed.file("seeds/customers.csv")                or .sql
    customer = seed.factory("customers", name=lambda number: f"Customer {number}", role="customer")
    customer(role="clerk")
    """

    def __init__(self, database: Database, *, root: Path, add_objects: Callable[[list[Any]], None]) -> None:
        self._database = database
        self._root = root
        self._add_objects = add_objects

    def __call__(self, what: Any, /, *more: Any, **row: Any) -> Any:
        """Put rows in; what was put in, with what the database added. See the class."""
        if isinstance(what, str):
            if more:
                return [self._database.insert(what, one) for one in more[0]]
            return self._database.insert(what, row)
        if isinstance(what, Mapping):
            return self._tables(what)
        return self._objects([what, *more])

    def file(self, path: str | Path) -> None:
        """Run a .sql file, or put the rows of a .csv file into the table of its name."""
        load(self._database, self._root / path)

    def factory(self, table: str, **defaults: Any) -> Callable[..., Row]:
        """A function that puts in a row with these values, unless it is told others.

        A value that can be called is called for each row with its number, counted from 1.
        """
        numbers = count(1)

        def make(**values: Any) -> Row:
            number = next(numbers)
            filled = {name: value(number) if callable(value) else value for name, value in (defaults | values).items()}
            return self._database.insert(table, filled)

        return make

    def _tables(self, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, list[Row]]:
        places = {name: place for place, name in enumerate(self._database.tables)}
        ordered = sorted(rows, key=lambda name: places.get(name, -1))
        return {name: [self._database.insert(name, row) for row in rows[name]] for name in ordered}

    def _objects(self, objects: list[Any]) -> list[Any]:
        from ci_itest.pytest_plugin.databases import orm

        for one in objects:
            if not orm.is_mapped(one):
                raise UsageError(
                    f"seed cannot put a {type(one).__name__} into a table.",
                    hint='Give a table and its values (`seed("customers", name="Ada")`), a mapping of tables to rows, '
                    "or objects that SQLAlchemy maps.",
                )
        self._add_objects(objects)
        return objects


def load(database: Database, path: Path) -> None:
    """Run the .sql file, or put the rows of the .csv file in."""
    if path.suffix == ".sql":
        run_script(database.dialect, database.url, path)
    elif path.suffix == ".csv":
        _load_csv(database, path)
    else:
        raise UsageError(f"{path} is no seed.", hint="Seeds are .sql and .csv files.")


def run_script(dialect: Dialect, url: str, path: Path) -> None:
    """Run all statements of a file; FileError with what the database says when one fails."""
    text = _text(path)
    connection: Any
    with closing(dialect.connect(url)) as connection:
        try:
            if hasattr(connection, "executescript"):
                connection.executescript(text)
            elif text.strip():
                _run_all(connection, text)
        except _database_error() as error:
            raise FileError(f"{path}: {error}") from error


def _run_all(connection: Any, text: str) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(text)
        while cursor.nextset():  # PyMySQL tells of a mistake in a later statement only when it is asked for
            pass


def _load_csv(database: Database, path: Path) -> None:
    """The first line names the columns; an empty value is NULL."""
    rows = list(csv.reader(_text(path).splitlines()))
    if not rows:
        return
    columns, *lines = rows
    table = _NUMBER.sub("", path.stem)
    for number, values in enumerate(lines, start=2):
        if len(values) != len(columns):
            raise FileError(f"{path}:{number} has {len(values)} values for {len(columns)} columns.")
        try:
            database.insert(table, {name: value or None for name, value in zip(columns, values, strict=True)})
        except _database_error() as error:
            raise FileError(f"{path}:{number}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"Cannot read the seed {path}: {error.strerror}.") from error


def _database_error() -> tuple[type[Exception], ...]:
    """What the drivers that are loaded raise."""
    drivers = [sys.modules[name] for name in ("psycopg", "pymysql", "sqlite3") if name in sys.modules]
    return tuple(driver.Error for driver in drivers)
