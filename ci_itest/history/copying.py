"""All tables of one database into another: how PostgreSQL is backed up, restored, and moved to from SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, Table, insert, select, text

from ci_itest.history import schema
from ci_itest.history.bulk import insert_rows
from ci_itest.history.database import WRITES, engine_for, url_of_file

_ROWS = 10_000
"""Rows that are read and written at a time."""


def copy_tables(source: Engine, *, into: Path) -> None:
    """Write every table of a database, of whatever schema, into a new SQLite file, as it is at one moment."""
    with source.connect() as reading:
        reading = reading.execution_options(isolation_level="REPEATABLE READ", stream_results=True)
        found = MetaData()
        found.reflect(reading)
        target = engine_for(url_of_file(into))
        try:
            with target.connect() as connection:
                connection.execution_options(**{WRITES: True})
                with connection.begin():
                    _plain(found).create_all(connection)
                    for table in found.sorted_tables:
                        copy_rows(reading, connection, table)
        finally:
            target.dispose()


def copy_rows(reading: Connection, writing: Connection, table: Table) -> int:
    """Copy one table's rows; how many there were."""
    columns = [column.name for column in table.columns]
    count = 0
    for block in reading.execute(select(table)).partitions(_ROWS):
        _write(writing, table, columns, block)
        count += len(block)
    return count


def _write(writing: Connection, table: Table, columns: Sequence[str], block: Sequence[Any]) -> None:
    if table.name in ("results", "case_days", "cases", "failures"):
        insert_rows(writing, table, columns, [tuple(row) for row in block])
    else:
        writing.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in block])


def _plain(found: MetaData) -> MetaData:
    """The same tables without what only PostgreSQL knows: sequences, and defaults in its own words."""
    plain = MetaData()
    for table in found.sorted_tables:
        copied = table.to_metadata(plain)
        for column in copied.columns:
            column.server_default = None
            column.type = column.type.as_generic()
        copied.indexes.clear()
    return plain


def take_over(reading: Connection, writing: Connection) -> int:
    """Copy all rows of one history of this schema into another, empty one; how many runs there were."""
    counts = {}
    for table in schema.metadata.sorted_tables:
        if table.name not in (schema.meta.name, schema.migrations.name):
            counts[table.name] = copy_rows(reading, writing, table)
    if writing.dialect.name == "postgresql":
        reset_sequences(writing, schema.metadata)
    return counts[schema.runs.name]


def reset_sequences(connection: Connection, metadata: MetaData) -> None:
    """Let PostgreSQL's counters go on behind the rows that were copied with their numbers."""
    for table in metadata.sorted_tables:
        if "id" in table.columns:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608
                    f"COALESCE((SELECT MAX(id) FROM {table.name}), 0) + 1, false)"
                )
            )
