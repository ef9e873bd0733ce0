"""One row for each case and day, kept up with every run by a single statement of the database's own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection

from ci_itest.history.bulk import array_text
from ci_itest.model.cases import Outcome, Verdict
from ci_itest.model.upload import OUTCOME_CODES, VERDICT_CODES

DAY_US = 86_400 * 1_000_000

_RAN = ", ".join(str(OUTCOME_CODES[outcome]) for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.ERROR))

_TAKEN = "result.setup_us + result.call_us + result.teardown_us"
# Built of constants alone. Not SQLAlchemy's insert-from-select: its two dialects have two forms of the same upsert.
_COUNTED = f"""
    CASE WHEN result.outcome IN ({_RAN}) THEN 1 ELSE 0 END,
    CASE WHEN result.verdict = {VERDICT_CODES[Verdict.FAILED]} THEN 1 ELSE 0 END,
    CASE WHEN result.verdict = {VERDICT_CODES[Verdict.RECOVERED]} THEN 1 ELSE 0 END,
    CASE WHEN result.verdict = {VERDICT_CODES[Verdict.QUARANTINED]} THEN 1 ELSE 0 END,
    CASE WHEN result.verdict = {VERDICT_CODES[Verdict.SKIPPED]} THEN 1 ELSE 0 END,
    {_TAKEN}"""
_SUMMED = ", ".join(f"SUM({one.strip()})" for one in _COUNTED.split(",\n"))
_INTO = (
    "INSERT INTO case_days (repository_id, day, case_id, runs, failed, recovered, quarantined, skipped, taken_us, "
    "slowest_us)"
)
_UPSERT = """
ON CONFLICT (repository_id, day, case_id) DO UPDATE SET
    runs = case_days.runs + excluded.runs,
    failed = case_days.failed + excluded.failed,
    recovered = case_days.recovered + excluded.recovered,
    quarantined = case_days.quarantined + excluded.quarantined,
    skipped = case_days.skipped + excluded.skipped,
    taken_us = case_days.taken_us + excluded.taken_us,
    slowest_us = CASE WHEN excluded.slowest_us > case_days.slowest_us
        THEN excluded.slowest_us ELSE case_days.slowest_us END
"""


def add_runs(connection: Connection, run_ids: Sequence[int], *, repository_id: int, day: int) -> None:
    """Count all results of runs that started on one day in.

    Together: a case's day is then written once. PostgreSQL leaves a dead row behind each time, and 200 runs of 5,000
    cases took it 21 s of CPU one by one.
    """
    if len(run_ids) == 1:  # it has one of each case: there is nothing to sum
        add_cases(connection, run_ids[0], repository_id=repository_id, day=day, cases=None)
        return
    of = f"{int(repository_id)}, {int(day)}, result.case_id, {_SUMMED}, MAX({_TAKEN})"
    among = ", ".join(str(int(run_id)) for run_id in run_ids)
    connection.exec_driver_sql(
        f"{_INTO} SELECT {of} FROM results AS result WHERE result.run_id IN ({among}) "  # noqa: S608
        f"GROUP BY result.case_id {_UPSERT}"
    )


def add_cases(
    connection: Connection, run_id: int, *, repository_id: int, day: int, cases: Sequence[int] | None
) -> None:
    """Count results of a run in.

    Args:
        cases: Numbers of those that are new; None for all that the run has.
    """
    of = f"{int(repository_id)}, {int(day)}, result.case_id, {_COUNTED}, {_TAKEN}"
    found = f"{_INTO} SELECT {of} FROM results AS result WHERE result.run_id = {int(run_id)}"  # noqa: S608
    if cases is None:
        connection.exec_driver_sql(found + _UPSERT)
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"{found} AND result.case_id = ANY(%s::int[]) {_UPSERT}", (array_text(cases),))
    else:
        among = "result.case_id IN (SELECT value FROM json_each(?))"
        connection.exec_driver_sql(f"{found} AND {among} {_UPSERT}", (json.dumps(cases),))
