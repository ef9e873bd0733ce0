"""The tables and statements: the same on every dialect, by index on SQLite, and stable over versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Delete, Select, Update, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from ci_itest.history import queries, schema
from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import Outcome, Verdict
from ci_itest.model.upload import NO_OUTCOME, OUTCOME_CODES, VERDICT_CODES
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run

STATEMENTS: dict[str, Select[tuple[object, ...]] | Delete | Update] = {
    "repository": queries.repository(REPOSITORY),
    "run_row": queries.run_row(1, ci_run_id="1", run_attempt=1),
    "sent": queries.sent(1, ci_run_id="1", run_attempt=1),
    "recorded_shards": queries.recorded_shards(1, ci_run_id="1"),
    "case_ids": queries.case_ids(1),
    "suite_cases": queries.suite_cases("main", repository=REPOSITORY),
    "suites": queries.suites(repository=REPOSITORY),
    "last_runs": queries.last_runs("main", repository=REPOSITORY, branches=["main"], limit=10),
    "measured": queries.measured(1),
    "shards_of": queries.shards_of(1, suite="main"),
    "newest_runs": queries.newest_runs(10, repository=REPOSITORY),
    "newest_attempts": queries.newest_attempts(repository=REPOSITORY, branch="main", without="7"),
    "verdicts_of": queries.verdicts_of(1),
    "open_runs": queries.open_runs(before_us=7),
    "runs_before": queries.runs_before(1),
    "cases_without_days": queries.cases_without_days(),
    "named_cases": queries.named_cases(repository="acme/shop"),
    "unlearned_runs": queries.unlearned_runs(1, after=0),
    "outcomes": queries.outcomes(1),
    "seen_on": queries.seen_on(1, commit="c0ffee", branch="main", before=7),
    "quarantined": queries.quarantined(1),
    "quarantine_entry": queries.quarantine_entry(1, suite="main", file="a.py", name="b").values(released_us=1),
    "bypass": queries.bypass(1, "7", 1),
    "newest_bypasses": queries.newest_bypasses(1, 10),
    "branch_runs": queries.branch_runs(1, branches=["main"], since_us=7),
    "failures_of": queries.failures_of([1, 2], repository=REPOSITORY),
}


@pytest.mark.parametrize("url", ["sqlite://", "postgresql://"])
def test_every_table_index_and_statement_has_a_form_in_each_dialect(url: str) -> None:
    dialect = make_url(url).get_dialect()()
    tables = schema.metadata.sorted_tables
    ddl = [CreateTable(table) for table in tables] + [CreateIndex(index) for table in tables for index in table.indexes]

    texts = [str(statement.compile(dialect=dialect)) for statement in [*ddl, *STATEMENTS.values()]]

    assert all(texts)


def test_every_public_query_is_among_those_checked() -> None:
    public = {name for name, value in vars(queries).items() if getattr(value, "__module__", "") == queries.__name__}

    assert {name for name in public if not name.startswith("_")} == set(STATEMENTS)


@pytest.mark.parametrize(
    "name",
    [
        "run_row",
        "sent",
        "recorded_shards",
        "last_runs",
        "measured",
        "shards_of",
        "newest_runs",
        "newest_bypasses",
        "branch_runs",
    ],
)
def test_what_is_asked_of_a_long_history_is_found_by_index(tmp_path: Path, name: str) -> None:
    path = tmp_path / "history.sqlite"
    with SqlHistory.open(path) as history:
        history.record(run("1", result("test_adds")), repository=REPOSITORY, recorded_at=RECORDED_AT)
    compiled = STATEMENTS[name].compile(
        dialect=make_url("sqlite://").get_dialect()(), compile_kwargs={"literal_binds": True}
    )

    with closing(sqlite3.connect(path)) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {compiled}")]

    scanned = [step for step in steps if step.startswith("SCAN ") and step.split()[1] in schema.metadata.tables]
    assert not scanned, steps


def test_a_code_in_the_file_keeps_its_meaning_from_version_to_version() -> None:
    assert dict(OUTCOME_CODES) == {Outcome.PASSED: 1, Outcome.FAILED: 2, Outcome.ERROR: 3, Outcome.SKIPPED: 4}
    assert dict(VERDICT_CODES) == {
        Verdict.PASSED: 1,
        Verdict.FAILED: 2,
        Verdict.RECOVERED: 3,
        Verdict.SKIPPED: 4,
        Verdict.QUARANTINED: 5,
        Verdict.MISSING: 6,
    }


def test_every_outcome_and_verdict_has_a_code_of_its_own() -> None:
    assert set(OUTCOME_CODES) == set(Outcome)
    assert set(VERDICT_CODES) == set(Verdict)
    assert len(set(OUTCOME_CODES.values()) | {NO_OUTCOME}) == len(Outcome) + 1
    assert len(set(VERDICT_CODES.values())) == len(Verdict)


def test_every_verdict_has_a_column_in_the_runs() -> None:
    assert {verdict.value for verdict in Verdict} <= set(schema.runs.c.keys())
