"""One row for each case and day, kept up with every run by a single statement of the database's own."""

from __future__ import annotations

from sqlalchemy import Connection

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


def add_run(connection: Connection, run_id: int, *, repository_id: int, started_us: int) -> None:
    """Count a run's results in: a run has one of each case, so there is nothing to sum."""
    of = f"{int(repository_id)}, {int(started_us) // DAY_US}, result.case_id, {_COUNTED}, {_TAKEN}"
    connection.exec_driver_sql(
        f"{_INTO} SELECT {of} FROM results AS result WHERE result.run_id = {int(run_id)} {_UPSERT}"  # noqa: S608
    )
