"""The flaky board: which cases cost most, in pull requests blocked and CI time lost, and what is being done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, case, cast, func, or_, select

from ci_itest.flaky.owners import owner_of
from ci_itest.history.rows import quarantine_entry_of
from ci_itest.history.schema import (
    cases,
    causes,
    flaky_cases,
    quarantine,
    results,
    runs,
)
from ci_itest.history.views.parts import DAY_US, HAS_CAUSE, HAS_FAILED, TAKEN, day_of, run_seconds
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.upload import CAUSE_CODES, VERDICT_CODES

_MOST_CASES = 2_000
_FAILED_WITH_CAUSE = results.join(runs, runs.c.id == results.c.run_id).outerjoin(causes, HAS_CAUSE)
_PULL = case((runs.c.pull_request > 0, cast(runs.c.pull_request, Text)), else_=runs.c.branch)
"""A pull request by its number, and by its branch where the number is not known."""

_OWN_FAULT = (CAUSE_CODES[CauseKind.CHANGE], CAUSE_CODES[CauseKind.KNOWN])


@dataclass(frozen=True, slots=True)
class Cost:
    """What a case cost since some day.

    Attributes:
        blocked: Pull requests (or branches other than the default one) on which it failed a run.
        failed: Runs it failed.
        recovered: Runs in which it passed when it was tried again.
        muted: Runs it would have failed, but for its quarantine.
        seconds: CI time lost: of each run it failed the time of all shards, shared by all cases that failed there, and
            the time of its own retries.
    """

    blocked: int = 0
    failed: int = 0
    recovered: int = 0
    muted: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One suspected or flaky case.

    Attributes:
        case_id: Its number.
        owner: Who is to look at it, from the quarantine or CODEOWNERS; "" for nobody.
        main_runs: Runs on the default branch, and `main_failures` how many of them it failed in.
        entry: Its place in quarantine; None outside.
    """

    case_id: int
    case: CaseId
    is_flaky: bool
    probability: float
    rate: float
    rate_low: float
    rate_high: float
    broken_on_main: float
    main_runs: int
    main_failures: int
    cost: Cost
    owner: str = ""
    entry: QuarantineEntry | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """The board.

    Attributes:
        rows: The dearest first.
        quarantined_elsewhere: In quarantine, though the model does not suspect them (any more).
    """

    rows: tuple[BoardRow, ...]
    quarantined_elsewhere: tuple[QuarantineEntry, ...]


def board(connection: Connection, repository: Repository, *, since_us: int) -> Board:
    """Every suspected and flaky case with its cost since a time, the dearest first."""
    entries = _entries(connection, repository.id)
    costs = _costs(connection, repository, since_us=since_us)
    found = connection.execute(_suspects(repository.id)).all()
    by_case = {entry.case: entry for entry in entries}
    rows = [
        _row(row, costs.get(row.case_id, Cost()), entries=by_case, codeowners=repository.codeowners) for row in found
    ]
    rows.sort(key=lambda row: (-row.cost.blocked, -row.cost.seconds, -row.probability, row.case))
    listed = {row.case for row in rows}
    return Board(tuple(rows), tuple(entry for entry in entries if entry.case not in listed))


def pasts(
    connection: Connection, repository: Repository, case_ids: Collection[int], *, since_us: int, now_us: int
) -> dict[int, tuple[int, ...]]:
    """In how many runs each case failed on each day, the oldest day first; asked for those alone that a page shows."""
    if not case_ids:
        return {}
    day = day_of(runs.c.started_us)
    found = connection.execute(
        select(results.c.case_id, day.label("day"), func.count().label("failures"))
        .join(runs, runs.c.id == results.c.run_id)
        .where(results.c.case_id.in_(case_ids), *_window(connection, repository, since_us=since_us))
        .group_by(results.c.case_id, day)
    ).all()
    by_case: dict[int, dict[int, int]] = {}
    for row in found:
        by_case.setdefault(row.case_id, {})[int(row.day)] = row.failures
    days = range(int(since_us // DAY_US) + 1, int(now_us // DAY_US) + 1)
    return {case_id: tuple(by_case.get(case_id, {}).get(day, 0) for day in days) for case_id in case_ids}


@dataclass(frozen=True, slots=True)
class Traffic:
    """All runs since a time: how many, of how many pull requests, and what all their shards took."""

    runs: int
    pulls: int
    billed_seconds: float


def traffic(connection: Connection, repository: Repository, *, since_us: int) -> Traffic:
    """What the board's figures are held against."""
    taken = run_seconds(repository.id, since_us=since_us)
    row = connection.execute(
        select(
            func.count(),
            func.count(func.distinct(case((runs.c.branch != repository.main, _PULL)))),
            func.sum(taken.c.billed),
        )
        .select_from(runs.outerjoin(taken, taken.c.run_id == runs.c.id))
        .where(runs.c.repository_id == repository.id, runs.c.started_us >= since_us)
    ).one()
    return Traffic(int(row[0]), int(row[1]), float(row[2] or 0.0))


def blocked_together(
    connection: Connection, repository: Repository, case_ids: Collection[int], *, since_us: int
) -> int:
    """How many pull requests these cases blocked together since a time, each counted once."""
    found = connection.scalar(
        select(func.count(func.distinct(_PULL)))
        .select_from(_FAILED_WITH_CAUSE)
        .where(*_window(connection, repository, since_us=since_us))
        .where(results.c.case_id.in_(case_ids), _is(Verdict.FAILED), runs.c.branch != repository.main, _by_itself())
    )
    return int(found or 0)


def _suspects(repository_id: int) -> Select[Any]:
    return (
        select(flaky_cases, cases.c.suite, cases.c.file, cases.c.name)
        .join(cases, cases.c.id == flaky_cases.c.case_id)
        .where(flaky_cases.c.repository_id == repository_id)
        .order_by(flaky_cases.c.probability.desc())
        .limit(_MOST_CASES)
    )


def _entries(connection: Connection, repository_id: int) -> list[QuarantineEntry]:
    found = connection.execute(
        select(quarantine)
        .where(quarantine.c.repository_id == repository_id, quarantine.c.released_us.is_(None))
        .order_by(quarantine.c.expires_us)
    )
    return [quarantine_entry_of(row) for row in found]


def _window(connection: Connection, repository: Repository, *, since_us: int) -> tuple[ColumnElement[bool], ...]:
    """Failures of a repository's runs since a time, found through the index of failures.

    The sums keep the databases from beginning with the runs, each of which has thousands of results and a handful of
    failures; the number of the first run makes a range of the index (ten million results: 20 ms instead of 500).
    """
    ours = (runs.c.repository_id == repository.id, runs.c.started_us >= since_us)
    first = connection.scalar(select(func.min(runs.c.id)).where(*ours))
    return (
        runs.c.repository_id + 0 == repository.id,
        runs.c.started_us + 0 >= since_us,
        results.c.run_id >= (first or 0),
        HAS_FAILED,
    )


def _by_itself() -> ColumnElement[bool]:
    """Not what the report put down to the change or to a broken main."""
    return or_(causes.c.cause.is_(None), causes.c.cause.not_in(_OWN_FAULT))


def _is(verdict: Verdict) -> ColumnElement[bool]:
    return results.c.verdict == VERDICT_CODES[verdict]


def _costs(connection: Connection, repository: Repository, *, since_us: int) -> dict[int, Cost]:
    taken = run_seconds(repository.id, since_us=since_us)
    failed = _is(Verdict.FAILED)
    retried = (results.c.attempts - 1) * TAKEN / 1e6
    share = func.coalesce(taken.c.billed, 0.0) / func.nullif(runs.c.failed, 0)
    statement = (
        select(
            results.c.case_id,
            func.count(func.distinct(case((failed & (runs.c.branch != repository.main), _PULL)))).label("blocked"),
            _counted(failed).label("failed"),
            _counted(_is(Verdict.RECOVERED)).label("recovered"),
            _counted(_is(Verdict.QUARANTINED)).label("muted"),
            func.sum(case((failed, func.coalesce(share, 0.0)), else_=0.0) + retried).label("seconds"),
        )
        .select_from(
            _FAILED_WITH_CAUSE.join(flaky_cases, flaky_cases.c.case_id == results.c.case_id).outerjoin(
                taken, taken.c.run_id == results.c.run_id
            )
        )
        .where(*_window(connection, repository, since_us=since_us), _by_itself())
        .where(flaky_cases.c.repository_id == repository.id)
        .group_by(results.c.case_id)
    )
    return {
        row.case_id: Cost(row.blocked, int(row.failed), int(row.recovered), int(row.muted), float(row.seconds or 0.0))
        for row in connection.execute(statement)
    }


def _counted(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _row(row: Any, cost: Cost, *, entries: Mapping[CaseId, QuarantineEntry], codeowners: str) -> BoardRow:
    case_ = CaseId(row.suite, row.file, row.name)
    entry = entries.get(case_)
    return BoardRow(
        case_id=row.case_id,
        case=case_,
        is_flaky=bool(row.is_flaky),
        probability=row.probability,
        rate=row.rate,
        rate_low=row.rate_low,
        rate_high=row.rate_high,
        broken_on_main=row.broken_on_main,
        main_runs=row.main_runs,
        main_failures=row.main_failures,
        cost=cost,
        owner=(entry.owner if entry else "") or owner_of(row.file, codeowners),
        entry=entry,
    )
