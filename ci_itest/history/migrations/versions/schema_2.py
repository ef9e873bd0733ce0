"""From any database of schema 1 to schema 2: narrower results, a row for each case and day, what a service keeps.

Schema 1 grew tables and a column without a number of their own: each is added where it is missing.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Connection, Table, inspect

from ci_itest.history import rollups, schema

revision = "2"
down_revision = None

_RESULTS = "setup_us, call_us, teardown_us, run_id, case_id, outcome, verdict, attempts, failed_attempts, shard"
_FAILURES = "run_id, case_id, attempt, message, details"


def upgrade() -> None:
    connection = op.get_bind()
    if "shard" not in _columns(connection, "results"):
        op.execute("ALTER TABLE results ADD COLUMN shard SMALLINT DEFAULT 0 NOT NULL")
    _add_columns(connection)
    _rebuild(connection)
    schema.metadata.create_all(connection, checkfirst=True)
    for table in (schema.repositories, schema.runs, schema.results):
        _add_indexes(connection, table)
    rollups.add_all(connection)


def _add_columns(connection: Connection) -> None:
    blob = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    false = "false" if connection.dialect.name == "postgresql" else "0"
    op.execute("ALTER TABLE repositories ADD COLUMN github_id BIGINT")
    op.execute("CREATE UNIQUE INDEX repositories_by_github_id ON repositories (github_id)")
    op.execute("ALTER TABLE repositories ADD COLUMN created_us BIGINT DEFAULT 0 NOT NULL")
    op.execute(f"ALTER TABLE runs ADD COLUMN is_open BOOLEAN DEFAULT {false} NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN event TEXT DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN pull_request INTEGER DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN actor TEXT DEFAULT '' NOT NULL")
    op.execute(f"ALTER TABLE runs ADD COLUMN details {blob}")


def _rebuild(connection: Connection) -> None:
    """Results and failures without foreign keys; failures first, since they refer to results."""
    for name, columns in (("failures", _FAILURES), ("results", _RESULTS)):
        op.rename_table(name, f"{name}_1")
        for index in inspect(connection).get_indexes(f"{name}_1"):
            op.execute(f"DROP INDEX {index['name']}")
        if connection.dialect.name == "postgresql":
            op.execute(f"ALTER TABLE {name}_1 DROP CONSTRAINT {name}_pkey CASCADE")
        schema.metadata.tables[name].create(connection)
        op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name}_1 ORDER BY run_id, case_id")  # noqa: S608
    op.drop_table("failures_1")
    op.drop_table("results_1")


def _add_indexes(connection: Connection, table: Table) -> None:
    there = {index["name"] for index in inspect(connection).get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in there:
            index.create(connection)


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}
