"""What suspected cases cost: their failures since some day, read once and added up here.

The database would look every failure up for each way of adding up, by case, by day and by pull request: 160 ms at ten
million results, of which 9,000 are such failures; once and here it takes 40.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from ci_itest.history.schema import causes, flaky_cases, results, runs, shards
from ci_itest.history.views.parts import DAY_US, HAS_FAILED, TAKEN
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.upload import CAUSE_CODES, VERDICT_CODES

_OWN_FAULT = (CAUSE_CODES[CauseKind.CHANGE], CAUSE_CODES[CauseKind.KNOWN])
"""What the report put down to the change or to a broken main is no cost of a flaky test."""

_FAILED, _RECOVERED, _MUTED = (
    VERDICT_CODES[verdict] for verdict in (Verdict.FAILED, Verdict.RECOVERED, Verdict.QUARANTINED)
)

Pull = int | str
"""A pull request by its number, and by its branch where the number is not known."""


@dataclass(slots=True)
class Cost:
    """What a case cost since some day.

    Attributes:
        pulls: Pull requests (or branches other than the default one) on which it failed a run.
        failed: Runs it failed.
        recovered: Runs in which it passed when it was tried again.
        muted: Runs it would have failed, but for its quarantine.
        seconds: CI time lost: of each run it failed the time of all shards, shared by all cases that failed there, and
            the time of its own retries.
        days: In how many runs it failed on each day (days since 1970, UTC), whatever the cause.
    """

    pulls: set[Pull] = field(default_factory=set)
    failed: int = 0
    recovered: int = 0
    muted: int = 0
    seconds: float = 0.0
    days: dict[int, int] = field(default_factory=dict)

    @property
    def blocked(self) -> int:
        return len(self.pulls)


@dataclass(frozen=True, slots=True)
class Traffic:
    """All runs since a time: how many, of how many pull requests, and what all their shards took."""

    runs: int = 0
    pulls: int = 0
    billed_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Run:
    """A run; `share_seconds` is what each case that failed it cost, `pull` None on the default branch."""

    day: int
    pull: Pull | None
    share_seconds: float


def costs(connection: Connection, repository: Repository, *, since_us: int) -> tuple[Mapping[int, Cost], Traffic]:
    """What each suspected or flaky case that failed cost since a time, by its number; and all runs since then."""
    found = connection.execute(_runs(repository, since_us=since_us)).all()
    if not found:
        return {}, Traffic()
    known = {row.id: _run(row, repository.main) for row in found}
    excused = {(run_id, case_id) for run_id, case_id in connection.execute(_excused(repository, since_us=since_us))}
    by_case: dict[int, Cost] = {}
    for run_id, case_id, verdict, retried_us in connection.execute(_failures(repository, first=min(known))).all():
        run = known.get(run_id)
        if run is None:  # an older one, recorded late
            continue
        cost = by_case.get(case_id)
        if cost is None:
            cost = by_case[case_id] = Cost()
        cost.days[run.day] = cost.days.get(run.day, 0) + 1
        if (run_id, case_id) not in excused:
            _add(cost, run, verdict, retried_us)
    pulls = {run.pull for run in known.values() if run.pull is not None}
    return by_case, Traffic(len(found), len(pulls), sum(float(row.billed or 0.0) for row in found))


def _add(cost: Cost, run: _Run, verdict: int, retried_us: int) -> None:
    cost.seconds += retried_us / 1e6
    if verdict == _FAILED:
        cost.failed += 1
        cost.seconds += run.share_seconds
        if run.pull is not None:
            cost.pulls.add(run.pull)
    elif verdict == _RECOVERED:
        cost.recovered += 1
    elif verdict == _MUTED:
        cost.muted += 1


def _run(row: Any, main: str) -> _Run:
    pull = None if row.branch == main else row.pull_request or row.branch
    return _Run(row.started_us // DAY_US, pull, float(row.billed or 0.0) / row.failed if row.failed else 0.0)


def _runs(repository: Repository, *, since_us: int) -> Any:
    billed = select(func.sum(shards.c.wall_seconds)).where(shards.c.run_id == runs.c.id).scalar_subquery()
    return select(
        runs.c.id, runs.c.branch, runs.c.pull_request, runs.c.failed, runs.c.started_us, billed.label("billed")
    ).where(runs.c.repository_id == repository.id, runs.c.started_us >= since_us)


def _failures(repository: Repository, *, first: int) -> Any:
    """Through the index of failures alone; the number of the first run makes a range of it."""
    retried_us = (results.c.attempts - 1) * TAKEN
    return (
        select(results.c.run_id, results.c.case_id, results.c.verdict, retried_us)
        .join(flaky_cases, flaky_cases.c.case_id == results.c.case_id)
        .where(flaky_cases.c.repository_id == repository.id, results.c.run_id >= first, HAS_FAILED)
    )


def _excused(repository: Repository, *, since_us: int) -> Any:
    return (
        select(causes.c.run_id, causes.c.case_id)
        .join(runs, runs.c.id == causes.c.run_id)
        .where(runs.c.repository_id == repository.id, runs.c.started_us >= since_us, causes.c.cause.in_(_OWN_FAULT))
    )
