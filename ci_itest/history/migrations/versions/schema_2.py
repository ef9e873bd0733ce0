"""From any database of schema 1 to schema 2: narrower results, a row for each case and day, what a service keeps.

Schema 1 grew tables and a column without a number of their own: each is added where it is missing.

What schema 2 is stands here and in the two files of SQL beside, and nowhere else: a later schema has a module of its
own, and this one goes on making the same tables.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import Connection, inspect

revision = "2"
down_revision = None

_RESULTS = "setup_us, call_us, teardown_us, run_id, case_id, outcome, verdict, attempts, failed_attempts, shard"
_FAILURES = "run_id, case_id, attempt, message, details"
# Outcomes 1, 2 and 3 ran to an end. The verdicts, in the columns' order: failed, recovered, quarantined, skipped.
_COUNTS = ", ".join(
    f"SUM(CASE WHEN result.{which} THEN 1 ELSE 0 END)"
    for which in ("outcome IN (1, 2, 3)", "verdict = 2", "verdict = 3", "verdict = 5", "verdict = 4")
)
_DAY = f"run.started_us / {86_400 * 1_000_000}"


def upgrade() -> None:
    connection = op.get_bind()
    if "shard" not in _columns(connection, "results"):
        op.execute("ALTER TABLE results ADD COLUMN shard SMALLINT DEFAULT 0 NOT NULL")
    _add_columns(connection)
    for table in ("failures", "results"):
        _put_aside(connection, table)
    _make_what_is_missing(connection)
    # Without foreign keys now; failures go first, since the old ones refer to the old results.
    for table, columns in (("failures", _FAILURES), ("results", _RESULTS)):
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_1 ORDER BY run_id, case_id")  # noqa: S608
        op.drop_table(f"{table}_1")
    _count_days(connection)


def _add_columns(connection: Connection) -> None:
    blob = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    false = "false" if connection.dialect.name == "postgresql" else "0"
    op.execute("ALTER TABLE repositories ADD COLUMN github_id BIGINT")
    op.execute("ALTER TABLE repositories ADD COLUMN created_us BIGINT DEFAULT '0' NOT NULL")
    op.execute(f"ALTER TABLE runs ADD COLUMN is_open BOOLEAN DEFAULT {false} NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN event TEXT DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN pull_request INTEGER DEFAULT '0' NOT NULL")
    op.execute("ALTER TABLE runs ADD COLUMN actor TEXT DEFAULT '' NOT NULL")
    op.execute(f"ALTER TABLE runs ADD COLUMN details {blob}")


def _put_aside(connection: Connection, table: str) -> None:
    op.rename_table(table, f"{table}_1")
    for index in inspect(connection).get_indexes(f"{table}_1"):
        op.execute(f"DROP INDEX {index['name']}")
    if connection.dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {table}_1 DROP CONSTRAINT {table}_pkey CASCADE")


def _make_what_is_missing(connection: Connection) -> None:
    script = Path(__file__).with_suffix(f".{connection.dialect.name}.sql").read_text(encoding="utf-8")
    for statement in filter(str.strip, script.split(";\n")):
        connection.exec_driver_sql(statement)


def _count_days(connection: Connection) -> None:
    """One row for each case and day."""
    taken = "result.setup_us + result.call_us + result.teardown_us"
    columns = "repository_id, day, case_id, runs, failed, recovered, quarantined, skipped, taken_us, slowest_us"
    connection.exec_driver_sql(
        f"INSERT INTO case_days ({columns}) "  # noqa: S608
        f"SELECT run.repository_id, {_DAY}, result.case_id, {_COUNTS}, SUM({taken}), MAX({taken}) "
        "FROM results AS result JOIN runs AS run ON run.id = result.run_id "
        f"GROUP BY run.repository_id, {_DAY}, result.case_id"
    )


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}
