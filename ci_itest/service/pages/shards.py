"""Shards and services over the last runs: balance, planned against real, how soon everything was there."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fastapi import APIRouter, Response

from ci_itest.history.views.runs import RunShard
from ci_itest.history.views.shards import PastShard, last_shards
from ci_itest.reporting.wording import duration, plural
from ci_itest.service.pages import words
from ci_itest.service.pages.pictures import Spark, quantile, spark
from ci_itest.service.pages.runs import shard_lines
from ci_itest.service.pages.shell import Visited

router = APIRouter()

_RUNS = 60
_SERVICE = "service:"
_AT_ONCE_SECONDS = 2.0
_PHASES = ("boot", "images", "services", "prepare", "app", "tests", "clean-up")


@dataclass(frozen=True, slots=True)
class Balance:
    """One run's shards.

    Attributes:
        wall: Seconds of the slowest shard.
        idle: Share of all shards' time that was spent waiting for the slowest, 0 to 1.
        off: How far the slowest shard's work was from its plan, 0.1 for a tenth more; None without a plan.
    """

    run_id: str
    run_attempt: int
    branch: str
    started_us: int
    count: int
    wall: float
    idle: float
    off: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """One phase or one service over the last runs, in seconds."""

    name: str
    count: int
    middle: float
    most: float
    slowest: float
    spark: Spark
    share: float = 0.0


@router.get("/shards")
def shards(visit: Visited) -> Response:
    """How evenly the shards were filled."""
    with visit.reading() as connection:
        found = last_shards(connection, visit.repository, run_count=_RUNS)
    balances = _balances(found)
    newest = [shard for shard in found if shard.number == found[0].number] if found else []
    idle = quantile([one.idle for one in balances], 0.5)
    offs = [abs(one.off) for one in balances if one.off is not None]
    return visit.render(
        "shards.html.j2",
        title="Shards",
        tab="shards",
        headline=_headline(balances, idle),
        balances=balances,
        idle=idle,
        off=quantile(offs, 0.5) if offs else None,
        newest=balances[0] if balances else None,
        shards=shard_lines([_as_run_shard(shard) for shard in newest]),
        phase_kinds=_PHASES,
        chart=_chart(balances),
        phases=_phases(found),
        run_count=len(balances),
    )


def _headline(balances: Sequence[Balance], idle: float) -> str:
    if not balances:
        return "No shard has reported yet"
    if all(one.count == 1 for one in balances):
        return "The suite runs in one shard"
    return f"{words.percent(idle)} of the shards' time is spent waiting for the slowest"


def _balances(found: Iterable[PastShard]) -> list[Balance]:
    """The newest run first."""
    return [_balance(list(parts)) for _, parts in groupby(found, key=lambda shard: shard.number)]


def _balance(parts: Sequence[PastShard]) -> Balance:
    first = parts[0]
    slowest = max(parts, key=lambda shard: shard.wall_seconds)
    wall = slowest.wall_seconds
    spent = sum(shard.wall_seconds for shard in parts)
    return Balance(
        run_id=first.run_id,
        run_attempt=first.run_attempt,
        branch=first.branch,
        started_us=first.started_us,
        count=len(parts),
        wall=wall,
        idle=1 - spent / (wall * len(parts)) if wall else 0.0,
        off=slowest.work_seconds / slowest.planned_seconds - 1 if slowest.planned_seconds else None,
    )


def _as_run_shard(shard: PastShard) -> RunShard:
    return RunShard(
        suite=shard.suite,
        index=shard.index,
        count=shard.count,
        planned_seconds=shard.planned_seconds,
        work_seconds=shard.work_seconds,
        wall_seconds=shard.wall_seconds,
        phases=shard.phases,
    )


def _chart(balances: Sequence[Balance]) -> str:
    ordered = list(reversed(balances))
    return json.dumps(
        {
            "x": [one.started_us // 1_000_000 for one in ordered],
            "y": [round(one.wall / 60, 3) for one in ordered],
            "unit": "min",
            "label": "slowest shard",
        }
    )


def _phases(found: Sequence[PastShard]) -> list[Part]:
    """What a shard's time goes to."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    total = 0.0
    for shard in reversed(found):
        for phase in shard.phases:
            if not phase.name.startswith(_SERVICE):
                values[phase.name].append(phase.seconds)
                total += phase.seconds
    parts = [_part(name, seconds, share=sum(seconds) / total if total else 0.0) for name, seconds in values.items()]
    return sorted(parts, key=lambda part: -part.share)


def _part(name: str, seconds: Sequence[float], *, share: float = 0.0) -> Part:
    middle = quantile(seconds, 0.5)
    label = f"{name}: {duration(middle)} in the middle of {plural(len(seconds), 'start')}"
    return Part(
        name=name,
        count=len(seconds),
        middle=middle,
        most=quantile(seconds, 0.95),
        slowest=max(seconds),
        spark=spark(_thinned(seconds), label=label, width=160),
        share=share,
    )


def _thinned(values: Sequence[float], count: int = 60) -> list[float]:
    """At most so many values, each the middle of its neighbours."""
    if len(values) <= count:
        return list(values)
    size = len(values) / count
    return [quantile(values[int(number * size) : int((number + 1) * size)], 0.5) for number in range(count)]


@router.get("/services")
def services(visit: Visited) -> Response:
    """How soon services and images were there."""
    with visit.reading() as connection:
        found = last_shards(connection, visit.repository, run_count=_RUNS)
    starts: defaultdict[str, list[float]] = defaultdict(list)
    images: list[float] = []
    for shard in reversed(found):
        for phase in shard.phases:
            if phase.name.startswith(_SERVICE):
                starts[phase.name.removeprefix(_SERVICE)].append(phase.seconds)
            elif phase.name == "images":
                images.append(phase.seconds)
    parts = sorted((_part(name, seconds) for name, seconds in starts.items()), key=lambda part: -part.middle)
    return visit.render(
        "services.html.j2",
        title="Services",
        tab="services",
        headline=_services_headline(parts),
        starts=parts,
        longest=max((part.most for part in parts), default=1.0) or 1.0,
        images=_part("images", images) if images else None,
        at_once=sum(seconds < _AT_ONCE_SECONDS for seconds in images) / len(images) if images else 0.0,
        waited=sum(images),
        run_count=len({shard.number for shard in found}),
    )


def _services_headline(parts: Sequence[Part]) -> str:
    if not parts:
        return "No service was started in the last runs"
    slowest = parts[0]
    if len(parts) == 1:
        return f"{slowest.name} is ready after {duration(slowest.middle)}"
    return f"The services are ready after {duration(slowest.middle)}; {slowest.name} is the slowest"
