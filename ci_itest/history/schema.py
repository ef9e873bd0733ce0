"""The history's tables: one schema for SQLite and PostgreSQL.

Results are narrow, since there are a thousand times more of them than of anything else: numbers only, under 30 bytes
each on SQLite. They are ordered by run, without an index by case and without foreign keys, which would take more time
and room than the rows: the last results of a case are looked up in the last runs, one by one.
Texts are kept for failures alone, compressed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
)

SCHEMA = 2
"""Raised by every change that an older version of ci-itest could not read."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", Integer, primary_key=True),
    # "owner/name" as it is now, or another name that stays the same.
    Column("name", Text, nullable=False, unique=True),
    # GitHub's number, which stays when the name goes to another repository; NULL where none was told.
    Column("github_id", BigInteger, nullable=True),
    Column("created_us", BigInteger, nullable=False, server_default="0"),
    Index("repositories_by_github_id", "github_id", unique=True),
)

migrations = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), primary_key=True),
)

cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    # Unique by digest: an index of the names would double the table, and PostgreSQL indexes no text above 2.7 kB.
    Column("digest", LargeBinary(16), nullable=False),
    Column("suite", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("repository_id", "digest"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("ci_run_id", Text, nullable=False),
    Column("run_attempt", Integer, nullable=False),
    Column("commit_sha", Text, nullable=False),
    Column("branch", Text, nullable=False),
    # Microseconds since 1970, UTC: texts of unlike precision or offset do not sort.
    Column("started_us", BigInteger, nullable=False),
    Column("recorded_us", BigInteger, nullable=False),
    Column("conclusion", Text, nullable=False),
    Column("is_trusted", Boolean, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("recovered", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("missing", Integer, nullable=False),
    # Whether more shards of it may come, each by itself.
    Column("is_open", Boolean, nullable=False, server_default=false()),
    Column("event", Text, nullable=False, server_default=""),
    # 0 for none.
    Column("pull_request", Integer, nullable=False, server_default="0"),
    Column("actor", Text, nullable=False, server_default=""),
    # What is missing or doubled, notes and mass events as compressed JSON; NULL for nothing.
    Column("details", LargeBinary, nullable=True),
    UniqueConstraint("repository_id", "ci_run_id", "run_attempt"),
    Index("runs_by_start", "repository_id", "started_us"),
    Index("runs_by_branch", "repository_id", "branch", "started_us"),
)

shards = Table(
    "shards",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("suite", Text, primary_key=True),
    Column("shard_index", Integer, primary_key=True, autoincrement=False),
    Column("shard_count", Integer, nullable=False),
    # The attempt that ran the shard: an earlier one than the run's where the run took its bundle over.
    Column("run_attempt", Integer, nullable=False),
    Column("planned_seconds", Float, nullable=False),
    Column("work_seconds", Float, nullable=False),
    Column("wall_seconds", Float, nullable=False),
    Column("phases", JSON, nullable=False),
)

results = Table(
    "results",
    metadata,
    # PostgreSQL pads what stands before a wider column: the widest come first.
    # Microseconds: in milliseconds the thousands of cases that take less than half of one would take no time at all.
    Column("setup_us", BigInteger, nullable=False),
    Column("call_us", BigInteger, nullable=False),
    Column("teardown_us", BigInteger, nullable=False),
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    # Of the last attempt, as are the times.
    Column("outcome", SmallInteger, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("failed_attempts", SmallInteger, nullable=False),
    # 0 where none ran the case, and in a file older than this column.
    Column("shard", SmallInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

results_that_failed = Index("results_that_failed", results.c.case_id, results.c.run_id)
"""A hundredth of the results: what a case cost in a month is read from it alone."""


@event.listens_for(results, "before_create")
def _leave_out_what_passed(table: Table, connection: Connection, **_: Any) -> None:
    """Give the index its condition, an option of each dialect.

    An argument of the index would import PostgreSQL's dialect into every process: a tenth of what a plan takes.
    """
    del table
    results_that_failed.dialect_options[connection.dialect.name]["where"] = results.c.failed_attempts > 0


failures = Table(
    "failures",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    Column("attempt", SmallInteger, primary_key=True, autoincrement=False),
    # Empty once their time is over.
    Column("message", LargeBinary, nullable=False),
    Column("details", LargeBinary, nullable=False),
)

# What outlives the results: one row for each case and day (days since 1970, UTC, of the runs' start).
case_days = Table(
    "case_days",
    metadata,
    Column("taken_us", BigInteger, nullable=False),
    Column("slowest_us", BigInteger, nullable=False),
    Column("repository_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    # In how many runs it ran to an end (passed or failed), and how many of these ended how.
    Column("runs", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("recovered", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    sqlite_with_rowid=False,
    # Every run of a day writes the rows of its cases again. With room for them beside the old ones PostgreSQL needs no
    # new page and no new entry in the index, and what is dead is written over by the next run.
    postgresql_with={"fillfactor": 50},
)

flaky_pages = Table(
    "flaky_pages",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    # Cases n * PAGE_CASES and on: 64 bytes for each, compressed. A row for each case would be written a hundred
    # thousand times in a run.
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

flaky_rest = Table(
    "flaky_rest",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("last_run_id", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    # By name: a case keeps its entry when its results are forgotten.
    Column("suite", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("issue_url", Text, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("renewals", SmallInteger, nullable=False),
    Column("released_us", BigInteger, nullable=True),
    Column("released_because", Text, nullable=False),
    Index("quarantine_by_repository", "repository_id"),
)

renames = Table(
    "renames",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("suite", Text, nullable=False),
    Column("old_file", Text, nullable=False),
    Column("old_name", Text, nullable=False),
    Column("new_file", Text, nullable=False),
    Column("new_name", Text, nullable=False),
    # The last run in which it had the old name, or an earlier one.
    Column("last_run_id", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("renames_by_repository", "repository_id"),
)

bypasses = Table(
    "bypasses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    # A run that went without the suite has no row among the runs: it has no results.
    Column("ci_run_id", Text, nullable=False),
    Column("run_attempt", Integer, nullable=False),
    Column("pull_request", Integer, nullable=False),
    Column("commit_sha", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("merged_as", Text, nullable=False),
    UniqueConstraint("repository_id", "ci_run_id", "run_attempt"),
    Index("bypasses_by_time", "repository_id", "at_us"),
)

repository_facts = Table(
    "repository_facts",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    # "" before it had a run.
    Column("default_branch", Text, nullable=False, server_default=""),
    # The text of its CODEOWNERS, "" where none was told.
    Column("codeowners", Text, nullable=False, server_default=""),
)

# What the flaky model says of the cases that it suspects, in columns: pages ask for nothing else of its state, which
# takes a tenth of a second to read at 100,000 cases. Written whenever the state is.
flaky_cases = Table(
    "flaky_cases",
    metadata,
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("is_flaky", Boolean, nullable=False),
    Column("probability", Float, nullable=False),
    Column("rate", Float, nullable=False),
    Column("rate_low", Float, nullable=False),
    Column("rate_high", Float, nullable=False),
    Column("broken_on_main", Float, nullable=False),
    # On the default branch.
    Column("main_runs", Integer, nullable=False),
    Column("main_failures", Integer, nullable=False),
    Index("flaky_cases_by_repository", "repository_id"),
)

# What the report of a run said of its failures, and of cases that had become slower or faster.
causes = Table(
    "causes",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    Column("cause", SmallInteger, nullable=False),
    Column("probability", Float, nullable=False),
    Index("causes_by_case", "case_id"),
)

pace_changes = Table(
    "pace_changes",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    Column("before_seconds", Float, nullable=False),
    Column("after_seconds", Float, nullable=False),
    # Since how many runs.
    Column("runs", Integer, nullable=False),
    Index("pace_changes_by_case", "case_id"),
)

# What a service needs beside: who sent what, who may, who did what.

uploads = Table(
    "uploads",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    Column("ci_run_id", Text, primary_key=True),
    Column("run_attempt", Integer, primary_key=True, autoincrement=False),
    # "" for the whole run, else suite and index of a shard.
    Column("part", Text, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("received_us", BigInteger, nullable=False),
)

archive = Table(
    "archive",
    metadata,
    # Results whose time is over, a compressed column each.
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("case_count", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("archive_by_repository", "repository_id"),
)

upload_keys = Table(
    "upload_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    # SHA-256 of a key of 256 random bits: it cannot be guessed, and a slow hash would gain nothing.
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("label", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=True),
    Column("revoked_us", BigInteger, nullable=True),
    Index("upload_keys_by_repository", "repository_id"),
)

used_tokens = Table(
    "used_tokens",
    metadata,
    # SHA-256 of issuer and `jti`, and of the request that the token was used for.
    Column("digest", LargeBinary(32), primary_key=True),
    Column("used_for", LargeBinary(32), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Index("used_tokens_by_expiry", "expires_us"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    # "quarantine", "release", "key-made", "key-revoked" …
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Index("audit_log_by_repository", "repository_id", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    # Webhooks that are still to be sent.
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Index("deliveries_by_time", "next_us"),
)

PAGE_CASES = 1024
