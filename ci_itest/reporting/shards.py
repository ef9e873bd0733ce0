"""Shards for people: how each went, where its time went, and how well the plan held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ci_itest.model.cases import CaseResult, Verdict
from ci_itest.model.run import PhaseTime, Run, ShardResult, ShardState, StopReason, shard_label
from ci_itest.reporting.wording import difference, duration, joined, number, plural, times

BAR_WIDTH = 1000
"""Width of a whole bar in the picture's own units."""

_PHASES = ("boot", "build", "images", "services", "prepare", "app", "tests", "clean-up")
_OTHER = "other"
_FAR_FROM_PLAN = 0.25
_NARROWEST = 2

_STOPPED = {
    StopReason.CANCELLED: "cancelled",
    StopReason.TIMEOUT: "stopped: too long",
    StopReason.BUILD: "stopped: build",
    StopReason.SERVICES: "stopped: services",
    StopReason.PREPARE: "stopped: prepare",
    StopReason.APP: "stopped: app",
    StopReason.RUNNER: "stopped: test runner",
}


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One piece of a shard's bar.

    Attributes:
        kind: Word that the style sheet knows; "other" for a phase it does not.
        text: Name and duration.
        x: Left edge, 0 to BAR_WIDTH.
        width: In the same units.
    """

    kind: str
    text: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ShardView:
    """One row of the shards table.

    Attributes:
        state: In words: "passed", "2 failed", "no results", "cancelled" …
        is_good: Whether the shard finished and nothing in it failed.
        planned: From its start to its end as the plan expected, "" without durations to plan by.
        held: `wall` against `planned`.
        wall: From start to end of the shard, "" when it left no results.
        work: What its tests took, one after another.
        phases: Pieces of its bar, in order.
        planned_width: Length of the line that shows what was planned, 0 without.
        picture: The bar in words, for those who do not see it.
    """

    suite: str
    index: int
    label: str
    state: str
    is_good: bool
    case_count: str
    failed_count: int
    planned: str
    held: str
    wall: str
    work: str
    workers: str
    message: str
    phases: tuple[PhaseView, ...] = ()
    planned_width: float = 0.0
    picture: str = ""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service over all shards that started it."""

    name: str
    image: str
    digest: str
    ready: str
    shards: str


@dataclass(frozen=True, slots=True)
class ShardTally:
    """What the cases of one shard add up to."""

    case_count: int = 0
    failed_count: int = 0
    work_seconds: float = 0.0


def tally(cases: Sequence[CaseResult]) -> dict[tuple[str, int], ShardTally]:
    """Counts and work by suite and shard index, in one pass; a case that no shard ran counts nowhere."""
    sums: dict[tuple[str, int], list[float]] = {}
    for result in cases:
        if not result.shard:
            continue
        row = sums.setdefault((result.case.suite, result.shard), [0, 0, 0.0])
        row[0] += 1
        row[1] += result.verdict in (Verdict.FAILED, Verdict.MISSING)
        row[2] += result.seconds
    return {key: ShardTally(int(count), int(failed), work) for key, (count, failed, work) in sums.items()}


def shard_views(run: Run, tallies: Mapping[tuple[str, int], ShardTally]) -> tuple[ShardView, ...]:
    """Every planned shard and every one that reported, by suite and index."""
    known = {(shard.suite, shard.index): shard for shard in run.shards}
    counts = {(suite, index): count for suite, index, count in run.planned_shards}
    counts.update({key: shard.count for key, shard in known.items()})
    longest = max((wall_seconds_of(shard) for shard in run.shards), default=0.0)
    return tuple(
        _shard_view(known[key], tallies.get(key, ShardTally()), longest)
        if key in known
        else _missing(*key, counts[key])
        for key in sorted(counts)
    )


def _missing(suite: str, index: int, count: int) -> ShardView:
    return ShardView(
        suite=suite,
        index=index,
        label=shard_label(suite, index, count),
        state="no results",
        is_good=False,
        case_count="",
        failed_count=0,
        planned="",
        held="",
        wall="",
        work="",
        workers="",
        message="",
        picture="no results",
    )


def _shard_view(shard: ShardResult, sums: ShardTally, longest: float) -> ShardView:
    planned, wall = shard.planned_wall_seconds, wall_seconds_of(shard)
    scale = BAR_WIDTH / max(longest, planned, 0.001)
    is_stopped = shard.state is not ShardState.FINISHED or shard.stop_reason is not StopReason.NONE
    return ShardView(
        suite=shard.suite,
        index=shard.index,
        label=shard.label,
        state=_state(shard, sums),
        is_good=not is_stopped and not sums.failed_count,
        case_count=number(sums.case_count),
        failed_count=sums.failed_count,
        planned=duration(planned) if planned > 0 else "",
        held="" if is_stopped else difference(wall, planned),
        wall=duration(wall),
        work=duration(sums.work_seconds),
        workers=number(shard.workers),
        message=shard.message,
        phases=_phases(shard, scale),
        planned_width=round(planned * scale, 1),
        picture=_picture(shard, planned),
    )


def _state(shard: ShardResult, sums: ShardTally) -> str:
    if shard.stop_reason is not StopReason.NONE:
        return _STOPPED[shard.stop_reason]
    if shard.state is not ShardState.FINISHED:
        return "died"
    return f"{number(sums.failed_count)} failed" if sums.failed_count else "passed"


def wall_seconds_of(shard: ShardResult) -> float:
    """From start to end of a shard."""
    return max(shard.seconds, sum(phase.seconds for phase in shard.phases))


def all_phases(shard: ShardResult) -> list[PhaseTime]:
    """The phases in order, what no phase accounts for as the last one."""
    rest = wall_seconds_of(shard) - sum(phase.seconds for phase in shard.phases)
    phases = [phase for phase in shard.phases if phase.seconds > 0]
    return [*phases, PhaseTime(_OTHER, rest)] if rest > 0.05 else phases


def phase_kind(name: str) -> str:
    """The word that the style sheet knows a phase by."""
    return name if name in _PHASES else _OTHER


def _phases(shard: ShardResult, scale: float) -> tuple[PhaseView, ...]:
    views, x = [], 0.0
    for phase in all_phases(shard):
        width = phase.seconds * scale
        views.append(
            PhaseView(
                kind=phase_kind(phase.name),
                text=f"{phase.name} {duration(phase.seconds)}",
                x=round(x, 1),
                width=round(max(width, _NARROWEST), 1),
            )
        )
        x += width
    return tuple(views)


def _picture(shard: ShardResult, planned: float) -> str:
    parts = [f"{phase.name} {duration(phase.seconds)}" for phase in all_phases(shard)]
    if planned > 0:
        parts.append(f"planned {duration(planned)}")
    return ", ".join(parts)


def phase_kinds(shards: Sequence[ShardView]) -> tuple[str, ...]:
    """The phases that any bar shows, in their order, for the legend."""
    shown = {phase.kind for shard in shards for phase in shard.phases}
    return tuple(kind for kind in (*_PHASES, _OTHER) if kind in shown)


def plan_words(run: Run) -> tuple[str, ...]:
    """How well the plan held and how even the shards were, one sentence each; empty when there is nothing to say."""
    finished = [shard for shard in run.shards if _is_finished(shard)]
    return tuple(words for words in (_plan_held(finished), _balance(finished)) if words)


def _is_finished(shard: ShardResult) -> bool:
    return shard.state is ShardState.FINISHED and shard.stop_reason is StopReason.NONE


def _plan_held(shards: Sequence[ShardResult]) -> str:
    planned = [shard for shard in shards if shard.planned_wall_seconds > 0]
    if not planned:
        return "The plan had no earlier durations to go by." if shards else ""
    off = {shard.label: wall_seconds_of(shard) / shard.planned_wall_seconds for shard in planned}
    furthest = max(planned, key=lambda shard: abs(off[shard.label] - 1))
    verdict = "The plan held" if abs(off[furthest.label] - 1) <= _FAR_FROM_PLAN else "The plan was off"
    slowest, expected = max(map(wall_seconds_of, planned)), max(shard.planned_wall_seconds for shard in planned)
    words = f"{verdict}: {duration(expected)} planned for the slowest shard, {duration(slowest)} taken"
    apart = difference(slowest, expected)
    words += f" ({apart})" if apart != "as planned" else ""
    if len(planned) == 1:
        return words + "."
    return f"{words}; furthest off is shard {furthest.label} ({difference(off[furthest.label], 1.0)})."


def _balance(shards: Sequence[ShardResult]) -> str:
    if len(shards) < 2:
        return ""
    walls = [wall_seconds_of(shard) for shard in shards]
    mean = sum(walls) / len(walls)
    if mean <= 0:
        return ""
    slowest = max(shards, key=wall_seconds_of)
    return (
        f"Balance: the slowest shard ({slowest.label}) took {duration(wall_seconds_of(slowest))}, "
        f"the mean is {duration(mean)} ({times(wall_seconds_of(slowest) / mean)})."
    )


def service_views(shards: Sequence[ShardResult]) -> tuple[ServiceView, ...]:
    """Each service and image once, with how soon it was ready, in the order of their names."""
    ready: dict[tuple[str, str, str], list[float]] = {}
    for shard in shards:
        for service in shard.services:
            ready.setdefault((service.name, service.image, service.digest), []).append(service.ready_seconds)
    return tuple(
        ServiceView(
            name=name, image=image, digest=_short(digest), ready=_ready(seconds), shards=plural(len(seconds), "shard")
        )
        for (name, image, digest), seconds in sorted(ready.items())
    )


def _ready(seconds: Sequence[float]) -> str:
    slowest, mean = max(seconds), sum(seconds) / len(seconds)
    if len(seconds) == 1:
        return duration(slowest)
    return f"{duration(mean)} on average, {duration(slowest)} at most"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def services_of(shard: ShardResult) -> str:
    """The shard's services and how soon each was ready, on one line."""
    return joined([f"{service.name} {duration(service.ready_seconds)}" for service in shard.services])


def wall_seconds(run: Run) -> float:
    """Time of the slowest shard: what a person waited for the tests, queueing aside."""
    return max((wall_seconds_of(shard) for shard in run.shards), default=0.0)
