"""Runs: the list, one run, and the month in days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_

from ci_itest.history.rows import VERDICTS, details_of, unpacked
from ci_itest.history.schema import cases, causes, failures, results, runs, shards
from ci_itest.history.views.parts import CAUSES, HAS_CAUSE, TAKEN
from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import PhaseTime
from ci_itest.model.upload import VERDICT_CODES

_MOST_RUNS = 20_000
_COUNTED = (
    Verdict.PASSED,
    Verdict.FAILED,
    Verdict.RECOVERED,
    Verdict.SKIPPED,
    Verdict.QUARANTINED,
    Verdict.MISSING,
)
_BAD = tuple(
    VERDICT_CODES[verdict] for verdict in (Verdict.FAILED, Verdict.RECOVERED, Verdict.QUARANTINED, Verdict.MISSING)
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One attempt of a run.

    Attributes:
        number: Ours.
        started_us: Microseconds since 1970.
        wall_seconds: Of its slowest shard; `billed_seconds` of all of them.
    """

    number: int
    run_id: str
    attempt: int
    commit: str
    branch: str
    started_us: int
    conclusion: str
    passed: int
    failed: int
    recovered: int
    skipped: int
    quarantined: int
    missing: int
    is_trusted: bool
    wall_seconds: float
    billed_seconds: float


@dataclass(frozen=True, slots=True)
class RunCase:
    """A case of a run that did not simply pass, or one of its slowest.

    Attributes:
        cause: None where the report named none.
        message: Of its first failed attempt; "" where none is kept.
    """

    case_id: int
    case: CaseId
    verdict: Verdict
    attempts: int
    failed_attempts: int
    seconds: float
    shard: int
    cause: CauseKind | None = None
    probability: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunShard:
    """One shard of a run."""

    suite: str
    index: int
    count: int
    planned_seconds: float
    work_seconds: float
    wall_seconds: float
    phases: tuple[PhaseTime, ...]


@dataclass(frozen=True, slots=True)
class OneRun:
    """A run with what a reader looks for first.

    Attributes:
        bad: Cases that failed at least once or are missing, failures first; no more than were asked for.
        slowest: The slowest first.
        words: What its report found, noted, and saw fail together: kind ("finding", "note", or a cause) and sentence.
    """

    row: RunRow
    bad: tuple[RunCase, ...]
    slowest: tuple[RunCase, ...]
    shards: tuple[RunShard, ...]
    words: tuple[tuple[str, str], ...]


def run_page(
    connection: Connection,
    repository_id: int,
    *,
    limit: int,
    branch: str = "",
    conclusion: str = "",
    before: tuple[int, int] | None = None,
) -> tuple[RunRow, ...]:
    """Runs, the newest first.

    Args:
        before: Start and number of the last run that the page before this one showed.
    """
    statement = _run_rows(repository_id).order_by(runs.c.started_us.desc(), runs.c.id.desc()).limit(limit)
    if branch:
        statement = statement.where(runs.c.branch == branch)
    if conclusion:
        statement = statement.where(runs.c.conclusion == conclusion)
    if before:
        statement = statement.where(tuple_(runs.c.started_us, runs.c.id) < before)
    return tuple(RunRow(*row) for row in connection.execute(statement))


def runs_since(connection: Connection, repository_id: int, *, since_us: int) -> tuple[RunRow, ...]:
    """The newest runs since a time, the oldest of them first."""
    statement = (
        _run_rows(repository_id)
        .where(runs.c.started_us >= since_us)
        .order_by(runs.c.started_us.desc())
        .limit(_MOST_RUNS)
    )
    found = connection.execute(statement).all()
    return tuple(RunRow(*row) for row in reversed(found))


def branches(connection: Connection, repository_id: int, *, since_us: int, limit: int = 100) -> tuple[str, ...]:
    """Branches that had a run since a time, the one with the newest run first."""
    found = connection.scalars(
        select(runs.c.branch)
        .where(runs.c.repository_id == repository_id, runs.c.started_us >= since_us)
        .group_by(runs.c.branch)
        .order_by(func.max(runs.c.started_us).desc())
        .limit(limit)
    )
    return tuple(found)


def one_run(
    connection: Connection, repository_id: int, *, run_id: str, attempt: int, most_bad: int = 200
) -> OneRun | None:
    """The run; None when there is none of that id."""
    row = connection.execute(
        _run_rows(repository_id)
        .add_columns(runs.c.details)
        .where(runs.c.ci_run_id == run_id, runs.c.run_attempt == attempt)
    ).first()
    if row is None:
        return None
    found = connection.execute(select(shards).where(shards.c.run_id == row.id).order_by(shards.c.suite)).all()
    parts = sorted((_shard(shard) for shard in found), key=lambda shard: (shard.suite, shard.index))
    bad = connection.execute(
        _run_cases(row.id)
        .where(results.c.verdict.in_(_BAD))
        .order_by(results.c.verdict, results.c.case_id)
        .limit(most_bad)
    ).all()
    messages = _messages(connection, row.id, [each.case_id for each in bad])
    slowest = connection.execute(_run_cases(row.id).order_by(TAKEN.desc()).limit(10)).all()
    return OneRun(
        row=RunRow(*row[:-1]),
        bad=tuple(_case(each, messages.get(each.case_id, "")) for each in bad),
        slowest=tuple(_case(each) for each in slowest),
        shards=tuple(parts),
        words=details_of(row.details),
    )


def _run_rows(repository_id: int) -> Select[Any]:
    """What a `RunRow` is made of, in the order of its fields."""
    return select(
        runs.c.id,
        runs.c.ci_run_id,
        runs.c.run_attempt,
        runs.c.commit_sha,
        runs.c.branch,
        runs.c.started_us,
        runs.c.conclusion,
        *(runs.c[verdict.value] for verdict in _COUNTED),
        runs.c.is_trusted,
        _shard_seconds(func.max),
        _shard_seconds(func.sum),
    ).where(runs.c.repository_id == repository_id)


def _shard_seconds(of: Callable[[Any], ColumnElement[float]]) -> ColumnElement[float]:
    seconds = select(of(shards.c.wall_seconds)).where(shards.c.run_id == runs.c.id).scalar_subquery()
    return func.coalesce(seconds, 0.0)


def _run_cases(run_number: int) -> Select[Any]:
    return (
        select(
            results.c.case_id,
            cases.c.suite,
            cases.c.file,
            cases.c.name,
            results.c.verdict,
            results.c.attempts,
            results.c.failed_attempts,
            results.c.shard,
            TAKEN.label("taken"),
            causes.c.cause,
            causes.c.probability,
        )
        .join(cases, cases.c.id == results.c.case_id)
        .outerjoin(causes, HAS_CAUSE)
        .where(results.c.run_id == run_number)
    )


def _messages(connection: Connection, run_number: int, case_ids: list[int]) -> dict[int, str]:
    found = connection.execute(
        select(failures.c.case_id, failures.c.message)
        .where(failures.c.run_id == run_number, failures.c.case_id.in_(case_ids))
        .order_by(failures.c.attempt.desc())
    )
    return {case_id: unpacked(message) for case_id, message in found}


def _case(row: Any, message: str = "") -> RunCase:
    return RunCase(
        case_id=row.case_id,
        case=CaseId(row.suite, row.file, row.name),
        verdict=VERDICTS[row.verdict],
        attempts=row.attempts,
        failed_attempts=row.failed_attempts,
        seconds=row.taken / 1e6,
        shard=row.shard,
        cause=CAUSES.get(row.cause),
        probability=row.probability or 0.0,
        message=message,
    )


def _shard(row: Any) -> RunShard:
    return RunShard(
        suite=row.suite,
        index=row.shard_index,
        count=row.shard_count,
        planned_seconds=row.planned_seconds,
        work_seconds=row.work_seconds,
        wall_seconds=row.wall_seconds,
        phases=tuple(PhaseTime(str(name), float(seconds)) for name, seconds in row.phases),
    )
