"""What is forgotten when: results go to the archive, texts of failures go, days go last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from ci_itest.history import queries, rows
from ci_itest.history.archive import to_archive
from ci_itest.history.known_cases import void_numbers
from ci_itest.history.rollups import DAY_US
from ci_itest.history.schema import archive, case_days, deliveries, failures, results, runs, uploads, used_tokens

Begin = Callable[[bool], AbstractContextManager[Connection]]

MAX_TRIES = 10
"""Of a webhook; then it is given up."""


@dataclass(frozen=True, slots=True)
class Retention:
    """For how many days what is kept.

    Attributes:
        results: Of every case of every run; then a byte of each stays in the archive.
        texts: Messages and details of failures.
        rollups: The days of a case, and the runs without their results.
    """

    results: int = 90
    texts: int = 30
    rollups: int = 400


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one round of forgetting did."""

    archived_runs: int
    texts: int
    runs: int


def forget(begin: Begin, retention: Retention, *, now_us: int) -> Forgotten:
    """Forget what is over its time, run by run, so that nobody who writes waits for long."""
    archived = 0
    with begin(False) as connection:
        old = runs.c.started_us < now_us - retention.results * DAY_US
        has_results = exists(select(results.c.run_id).where(results.c.run_id == runs.c.id))
        over = connection.scalars(select(runs.c.id).where(old, ~runs.c.is_open, has_results).order_by(runs.c.id)).all()
    for run_id in over:
        with begin(True) as connection:
            archive_run(connection, run_id)
        archived += 1
    with begin(True) as connection:
        texts = _forget_texts(connection, now_us - retention.texts * DAY_US)
    with begin(True) as connection:
        count = forget_runs(connection, now_us - retention.rollups * DAY_US)
        connection.execute(delete(uploads).where(uploads.c.received_us < now_us - retention.rollups * DAY_US))
        connection.execute(delete(used_tokens).where(used_tokens.c.expires_us < now_us))
        connection.execute(delete(deliveries).where(deliveries.c.tries >= MAX_TRIES))
    return Forgotten(archived, texts, count)


def archive_run(connection: Connection, run_id: int) -> None:
    """Move a run's results into the archive."""
    run = connection.execute(select(runs).where(runs.c.id == run_id)).one()
    taken = results.c.setup_us + results.c.call_us + results.c.teardown_us
    columns = (
        results.c.case_id,
        results.c.outcome,
        results.c.verdict,
        results.c.attempts,
        results.c.failed_attempts,
        taken,
    )
    found = connection.execute(select(*columns).where(results.c.run_id == run_id).order_by(results.c.case_id)).all()
    facts = {
        "run": run.ci_run_id,
        "attempt": run.run_attempt,
        "commit": run.commit_sha,
        "branch": run.branch,
        "started_at": rows.to_iso(run.started_us),
        "conclusion": run.conclusion,
    }
    row = {
        "run_id": run_id,
        "repository_id": run.repository_id,
        "case_count": len(found),
        "data": to_archive(facts, [tuple(one) for one in found]),
    }
    connection.execute(delete(archive).where(archive.c.run_id == run_id))
    connection.execute(insert(archive).values(row))
    for table in (results, failures):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def forget_runs(connection: Connection, before_us: int) -> int:
    """Forget the runs that started before a time with all that hangs on them; how many there were."""
    old = select(runs.c.id).where(runs.c.started_us < before_us)
    for table in (results, failures):
        connection.execute(delete(table).where(table.c.run_id.in_(old)))
    count = connection.execute(queries.runs_before(before_us)).rowcount
    days = connection.execute(delete(case_days).where(case_days.c.day < before_us // DAY_US)).rowcount
    if count or days:
        connection.execute(queries.cases_without_days())
        void_numbers(connection)
    return count


def _forget_texts(connection: Connection, before_us: int) -> int:
    old = select(runs.c.id).where(runs.c.started_us < before_us)
    gone = update(failures).where(failures.c.run_id.in_(old), failures.c.message != b"")
    return connection.execute(gone.values(message=b"", details=b"")).rowcount
