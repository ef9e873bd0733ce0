"""The history's tables: one schema for SQLite and PostgreSQL.

Results are narrow, since there are a thousand times more of them than of anything else: numbers only, under 40 bytes
each on SQLite with their index and the texts of failures. Texts are kept for failures alone, compressed.
"""

from __future__ import annotations

from types import MappingProxyType

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from ci_itest.model.cases import Outcome, Verdict
from ci_itest.model.judged import CauseKind

SCHEMA = 1
"""Raised by every change that an older version of ci-itest could not read."""

NO_OUTCOME = 0
OUTCOME_CODES = MappingProxyType({Outcome.PASSED: 1, Outcome.FAILED: 2, Outcome.ERROR: 3, Outcome.SKIPPED: 4})
VERDICT_CODES = MappingProxyType(
    {
        Verdict.PASSED: 1,
        Verdict.FAILED: 2,
        Verdict.RECOVERED: 3,
        Verdict.SKIPPED: 4,
        Verdict.QUARANTINED: 5,
        Verdict.MISSING: 6,
    }
)
CAUSE_CODES = MappingProxyType(
    {CauseKind.FLAKY: 1, CauseKind.CHANGE: 2, CauseKind.KNOWN: 3, CauseKind.ENVIRONMENT: 4},
)
"""What stands in the file for each word. Files outlive versions: a code is never given another meaning."""

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
    Column("name", Text, nullable=False, unique=True),
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
    UniqueConstraint("repository_id", "ci_run_id", "run_attempt"),
    Index("runs_by_start", "repository_id", "started_us"),
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
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    # Of the last attempt, as are the times.
    Column("outcome", SmallInteger, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False),
    Column("failed_attempts", SmallInteger, nullable=False),
    # Microseconds: in milliseconds the thousands of cases that take less than half of one would take no time at all.
    Column("setup_us", BigInteger, nullable=False),
    Column("call_us", BigInteger, nullable=False),
    Column("teardown_us", BigInteger, nullable=False),
    # 0 where none ran the case, and in a file older than this column.
    Column("shard", SmallInteger, nullable=False, server_default="0"),
    Index("results_by_case", "case_id", "run_id"),
    sqlite_with_rowid=False,
)

results_that_failed = Index(
    "results_that_failed",
    results.c.case_id,
    results.c.run_id,
    sqlite_where=results.c.failed_attempts > 0,
    postgresql_where=results.c.failed_attempts > 0,
)
"""A hundredth of the results: what a case cost in a month is read from it alone."""

failures = Table(
    "failures",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("case_id", Integer, primary_key=True, autoincrement=False),
    Column("attempt", SmallInteger, primary_key=True, autoincrement=False),
    Column("message", LargeBinary, nullable=False),
    Column("details", LargeBinary, nullable=False),
    ForeignKeyConstraint(["run_id", "case_id"], ["results.run_id", "results.case_id"], ondelete="CASCADE"),
)

# What follows came later than the results above, and is made from them (quarantine and bypasses apart): a file without
# it is given it on opening.

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

LATER_TABLES = (
    flaky_pages,
    flaky_rest,
    quarantine,
    renames,
    bypasses,
    repository_facts,
    flaky_cases,
    causes,
    pace_changes,
)
PAGE_CASES = 1024
