"""One case: its last results on all branches with causes and texts, its pace, its quarantine, how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Integer, Select, bindparam, func, select

from ci_itest.flaky.owners import owner_of
from ci_itest.history.rows import VERDICTS, quarantine_entry_of, unpacked
from ci_itest.history.schema import cases, causes, failures, flaky_cases, pace_changes, quarantine, results, runs
from ci_itest.history.views.parts import CAUSES, HAS_CAUSE, HAS_FAILED, TAKEN
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.quarantine import QuarantineEntry

LAST_RESULTS = 200
_MOST_RUNS = 4_000
"""That are looked through for them: a case that is gone has none in any."""

_TEXTS = 60


@dataclass(frozen=True, slots=True)
class PastResult:
    """What became of the case in one run.

    Attributes:
        number: Ours of the run.
        started_us: Of the run, microseconds since 1970.
        seconds: Of its last attempt.
        cause: None where the report named none.
        message: Of its first failed attempt, `details` likewise; "" where none is kept, or it is long ago.
    """

    number: int
    run_id: str
    run_attempt: int
    branch: str
    commit: str
    started_us: int
    verdict: Verdict
    attempts: int
    failed_attempts: int
    seconds: float
    shard: int
    cause: CauseKind | None = None
    probability: float = 0.0
    message: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the model says of a case that it suspects."""

    is_flaky: bool
    probability: float
    rate: float
    rate_low: float
    rate_high: float
    broken_on_main: float
    main_runs: int
    main_failures: int


@dataclass(frozen=True, slots=True)
class PaceChange:
    """A run in which the report said that the case takes another time now."""

    started_us: int
    before_seconds: float
    after_seconds: float
    runs: int


@dataclass(frozen=True, slots=True)
class CaseView:
    """All of it.

    Attributes:
        results: The newest first.
        standing: None when the model does not suspect it.
        entry: Its place in quarantine; None outside.
        earlier: Its times in quarantine that are over, the newest first: when it began and ended, who, why it ended.
        since_us: Its first recorded failure, 0 without one.
    """

    case_id: int
    case: CaseId
    owner: str
    results: tuple[PastResult, ...]
    standing: Standing | None
    entry: QuarantineEntry | None
    earlier: tuple[tuple[int, int, str, str], ...]
    pace: tuple[PaceChange, ...]
    since_us: int


def case_view(connection: Connection, repository: Repository, case_id: int) -> CaseView | None:
    """The case; None when the repository has none of that number."""
    row = connection.execute(_case(), {"repository": repository.id, "case": case_id}).first()
    if row is None:
        return None
    case = CaseId(row.suite, row.file, row.name)
    entry, earlier = _quarantines(connection, repository.id, case)
    return CaseView(
        case_id=case_id,
        case=case,
        owner=(entry.owner if entry else "") or owner_of(case.file, repository.codeowners),
        results=_last_results(connection, repository.id, case_id),
        standing=_standing(row),
        entry=entry,
        earlier=earlier,
        pace=_pace(connection, case_id),
        since_us=row.since_us or 0,
    )


# Statements with parameters are made once: making these two took a sixth of the view.
_REPOSITORY, _CASE = bindparam("repository", type_=Integer), bindparam("case", type_=Integer)


@cache
def _case() -> Select[Any]:
    """The case, with what the model says of it and when it failed first."""
    first = select(func.min(results.c.run_id)).where(results.c.case_id == _CASE, HAS_FAILED).scalar_subquery()
    since_us = select(runs.c.started_us).where(runs.c.id == first).scalar_subquery()
    return (
        select(cases.c.suite, cases.c.file, cases.c.name, flaky_cases, since_us.label("since_us"))
        .outerjoin(flaky_cases, flaky_cases.c.case_id == cases.c.id)
        .where(cases.c.id == _CASE, cases.c.repository_id == _REPOSITORY)
    )


def _last_results(connection: Connection, repository_id: int, case_id: int) -> tuple[PastResult, ...]:
    found = connection.execute(_results(), {"repository": repository_id, "case": case_id}).all()
    failed = [row.run_id for row in found if row.failed_attempts][:_TEXTS]
    texts = _texts(connection, case_id, failed) if failed else {}
    return tuple(_result(row, *texts.get(row.run_id, ("", ""))) for row in found)


def _texts(connection: Connection, case_id: int, run_numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    return {
        run_number: (unpacked(message), unpacked(details))
        for run_number, message, details in connection.execute(
            select(failures.c.run_id, failures.c.message, failures.c.details)
            .where(failures.c.case_id == case_id, failures.c.run_id.in_(run_numbers))
            .order_by(failures.c.attempt.desc())
        )
    }


@cache
def _results() -> Select[Any]:
    """The newest first. Results have no index by case: they are looked up in the last runs, until there are enough.

    In the order in which an index of the runs has them, so that the database can end there.
    """
    ours = runs.c.repository_id == _REPOSITORY
    by_start = runs.c.started_us.desc()
    bound = select(runs.c.started_us).where(ours).order_by(by_start).offset(_MOST_RUNS).limit(1).scalar_subquery()
    return (
        select(
            results.c.run_id,
            results.c.verdict,
            results.c.attempts,
            results.c.failed_attempts,
            results.c.shard,
            TAKEN.label("taken"),
            runs.c.ci_run_id,
            runs.c.run_attempt,
            runs.c.branch,
            runs.c.commit_sha,
            runs.c.started_us,
            causes.c.cause,
            causes.c.probability,
        )
        .select_from(runs)
        .join(results, (results.c.run_id == runs.c.id) & (results.c.case_id == _CASE))
        .outerjoin(causes, HAS_CAUSE)
        .where(ours, runs.c.started_us >= func.coalesce(bound, 0))
        .order_by(by_start, runs.c.id.desc())
        .limit(LAST_RESULTS)
    )


def _result(row: Any, message: str, details: str) -> PastResult:
    return PastResult(
        number=row.run_id,
        run_id=row.ci_run_id,
        run_attempt=row.run_attempt,
        branch=row.branch,
        commit=row.commit_sha,
        started_us=row.started_us,
        verdict=VERDICTS[row.verdict],
        attempts=row.attempts,
        failed_attempts=row.failed_attempts,
        seconds=row.taken / 1e6,
        shard=row.shard,
        cause=CAUSES.get(row.cause),
        probability=row.probability or 0.0,
        message=message,
        details=details,
    )


def _standing(row: Any) -> Standing | None:
    if row.is_flaky is None:
        return None
    return Standing(
        is_flaky=bool(row.is_flaky),
        probability=row.probability,
        rate=row.rate,
        rate_low=row.rate_low,
        rate_high=row.rate_high,
        broken_on_main=row.broken_on_main,
        main_runs=row.main_runs,
        main_failures=row.main_failures,
    )


def _quarantines(
    connection: Connection, repository_id: int, case: CaseId
) -> tuple[QuarantineEntry | None, tuple[tuple[int, int, str, str], ...]]:
    found = connection.execute(
        select(quarantine)
        .where(
            quarantine.c.repository_id == repository_id,
            quarantine.c.suite == case.suite,
            quarantine.c.file == case.file,
            quarantine.c.name == case.name,
        )
        .order_by(quarantine.c.id.desc())
        .limit(20)
    ).all()
    current = next((quarantine_entry_of(row) for row in found if row.released_us is None), None)
    over = [(row.added_us, row.released_us, row.added_by, row.released_because) for row in found if row.released_us]
    return current, tuple(over)


def _pace(connection: Connection, case_id: int) -> tuple[PaceChange, ...]:
    found = connection.execute(
        select(runs.c.started_us, pace_changes.c.before_seconds, pace_changes.c.after_seconds, pace_changes.c.runs)
        .join(runs, runs.c.id == pace_changes.c.run_id)
        .where(pace_changes.c.case_id == case_id)
        .order_by(pace_changes.c.run_id.desc())
        .limit(10)
    )
    return tuple(PaceChange(*row) for row in found)
