"""Shards over time: how balanced they were, how the plan held, how soon services and images were there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ci_itest.history.schema import runs, shards
from ci_itest.history.views.repositories import Repository
from ci_itest.model.run import PhaseTime


@dataclass(frozen=True, slots=True)
class PastShard:
    """One shard of one run.

    Attributes:
        number: Ours of the run.
        started_us: Of the run, microseconds since 1970.
        planned_seconds: Of work, 0 where nothing was known; `work_seconds` is what it was.
    """

    number: int
    run_id: str
    run_attempt: int
    branch: str
    started_us: int
    suite: str
    index: int
    count: int
    planned_seconds: float
    work_seconds: float
    wall_seconds: float
    phases: tuple[PhaseTime, ...]


def last_shards(
    connection: Connection, repository: Repository, *, run_count: int, main_only: bool = False
) -> tuple[PastShard, ...]:
    """The shards of the newest runs, the newest run first, by suite and index within it."""
    newest = (
        select(runs.c.id)
        .where(runs.c.repository_id == repository.id)
        .order_by(runs.c.started_us.desc(), runs.c.id.desc())
        .limit(run_count)
    )
    if main_only:
        newest = newest.where(runs.c.branch == repository.main)
    ours = newest.subquery()
    found = connection.execute(
        select(shards, runs.c.ci_run_id, runs.c.run_attempt.label("attempt"), runs.c.branch, runs.c.started_us)
        .join(ours, ours.c.id == shards.c.run_id)
        .join(runs, runs.c.id == shards.c.run_id)
        .order_by(runs.c.started_us.desc(), runs.c.id.desc(), shards.c.suite, shards.c.shard_index)
    )
    return tuple(
        PastShard(
            number=row.run_id,
            run_id=row.ci_run_id,
            run_attempt=row.attempt,
            branch=row.branch,
            started_us=row.started_us,
            suite=row.suite,
            index=row.shard_index,
            count=row.shard_count,
            planned_seconds=row.planned_seconds,
            work_seconds=row.work_seconds,
            wall_seconds=row.wall_seconds,
            phases=tuple(PhaseTime(str(name), float(seconds)) for name, seconds in row.phases),
        )
        for row in found
    )
