"""When everything happened: shards, their services, workers and longest tests on one axis of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from ci_itest.model.cases import Attempt, CaseResult, Verdict
from ci_itest.model.run import PhaseTime, Run, ServiceTime, ShardResult, ShardState
from ci_itest.reporting.shards import all_phases, phase_kind, wall_seconds_of
from ci_itest.reporting.wording import duration, plural

MAX_SHARDS = 24
MAX_OPEN = 3
MAX_LANES = 16
"""Services, and workers, of one shard that are shown."""

MAX_TESTS = 40
"""Tests of one shard that have a bar of their own: those that failed, then the longest."""

_WHOLE = 100.0
_NARROWEST = 0.25
_NARROWEST_BAD = 0.7
_TICKS = 4
_STEPS = (
    *(0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 25, 30, 45, 60, 75, 90),
    *(120, 150, 180, 240, 300, 450, 600, 900, 1200, 1500, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 21_600, 43_200),
)
_LONGEST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a lane.

    Attributes:
        kind: Word that the style sheet knows.
        x: Left edge in percent of the axis.
        width: In the same.
        text: What it is and how long it took.
        link: Fragment that opens the test in the list of all, "" for what is no test.
    """

    kind: str
    x: float
    width: float
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """One line of a shard: its phases, a service, or a worker.

    Attributes:
        end: What stands behind it ("ready after 2.1 s", "34 tests").
        words: The picture for those who do not see it.
    """

    name: str
    bars: tuple[Bar, ...]
    end: str
    words: str


@dataclass(frozen=True, slots=True)
class ShardTimeline:
    """One shard's lanes; `is_open` for the few that are shown at once."""

    label: str
    words: str
    lanes: tuple[Lane, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on the axis, in percent, and what it is called."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class TimelineView:
    """The picture.

    Attributes:
        words: What the axis counts from.
        kinds: Kinds of bars that are shown, for the legend.
        rest_count: Shards that are left out.
    """

    words: str
    ticks: tuple[Tick, ...]
    shards: tuple[ShardTimeline, ...]
    kinds: tuple[str, ...]
    rest_count: int


def timeline_view(run: Run) -> TimelineView | None:
    """The shards that failed or took longest, in their order; None where no shard says when anything happened."""
    attempts = _attempts(run.cases)
    walls = {(shard.suite, shard.index): _wall(shard, attempts) for shard in run.shards}
    timed = [shard for shard in run.shards if walls[shard.suite, shard.index] > 0]
    if not timed:
        return None
    longest = sorted(timed, key=lambda shard: -walls[shard.suite, shard.index])
    chosen = {(shard.suite, shard.index) for shard in longest[:MAX_SHARDS]}
    shown = [shard for shard in timed if (shard.suite, shard.index) in chosen]
    opened = set(chosen) if len(timed) <= MAX_OPEN else {(shard.suite, shard.index) for shard in longest[:1]}
    offsets = _offsets(shown, walls)
    span = _span(max(offsets.get(shard.label, 0.0) + walls[shard.suite, shard.index] for shard in shown))
    views = tuple(
        _shard(
            shard,
            attempts.get((shard.suite, shard.index), ()),
            _Axis(offsets.get(shard.label, 0.0), span),
            wall=walls[shard.suite, shard.index],
            is_open=(shard.suite, shard.index) in opened,
        )
        for shard in shown
    )
    kinds = {bar.kind for view in views for lane in view.lanes for bar in lane.bars}
    return TimelineView(
        words="Times count from the start of the first shard." if offsets else "Each shard counts from its own start.",
        ticks=tuple(
            Tick(_WHOLE * place / _TICKS, duration(span * place / _TICKS) if place else "0 s")
            for place in range(_TICKS + 1)
        ),
        shards=views,
        kinds=tuple(kind for kind in _LEGEND if kind in kinds),
        rest_count=len(timed) - len(shown),
    )


_LEGEND = ("starting", "up", "passed", "failed", "recovered", "skipped")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Seconds of one shard to places on the axis."""

    offset: float
    span: float

    def bar(self, kind: str, start: float, seconds: float, text: str, link: str = "") -> Bar:
        narrowest = _NARROWEST_BAD if kind in ("failed", "recovered") else _NARROWEST
        x = min(max((self.offset + start) / self.span * _WHOLE, 0.0), _WHOLE - narrowest)
        width = min(max(seconds / self.span * _WHOLE, narrowest), _WHOLE - x)
        return Bar(kind, round(x, 2), round(width, 2), text, link)


_Timed = tuple[Attempt, Verdict]


def _attempts(cases: Iterable[CaseResult]) -> Mapping[tuple[str, int], list[_Timed]]:
    """Attempts that say when they began, by shard."""
    found: dict[tuple[str, int], list[_Timed]] = {}
    for result in cases:
        for attempt in result.attempts:
            if attempt.started_at:
                found.setdefault((result.case.suite, result.shard), []).append((attempt, result.verdict))
    return found


def _moment(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _wall(shard: ShardResult, attempts: Mapping[tuple[str, int], Sequence[_Timed]]) -> float:
    """From the shard's start to its end; of one that was killed, to the end of its last test."""
    wall = wall_seconds_of(shard)
    began = _moment(shard.started_at)
    if began is None:
        return wall
    ends = [
        start - began + attempt.seconds
        for attempt, _ in attempts.get((shard.suite, shard.index), ())
        if (start := _moment(attempt.started_at)) is not None and start >= began
    ]
    # A test that began a day later is one whose clock is wrong.
    return max([wall, *(end for end in ends if end < 86_400)])


def _offsets(shards: Sequence[ShardResult], walls: Mapping[tuple[str, int], float]) -> Mapping[str, float]:
    """How long after the first each shard began; nothing where they did not run beside each other (a later attempt)."""
    began = {shard.label: _moment(shard.started_at) for shard in shards}
    known = [moment for moment in began.values() if moment is not None]
    if len(known) < len(shards) or max(known) - min(known) > max(walls.values()):
        return {}
    return {label: moment - min(known) for label, moment in began.items() if moment is not None}


def _span(seconds: float) -> float:
    """Length of the axis: a round number of seconds for each of its parts."""
    return _TICKS * next((step for step in _STEPS if step * _TICKS >= seconds), seconds / _TICKS)


def _shard(shard: ShardResult, attempts: Sequence[_Timed], axis: _Axis, *, wall: float, is_open: bool) -> ShardTimeline:
    phases = _phases_until(shard, wall)
    lanes = (_phase_lane(phases, axis), *_service_lanes(shard, phases, axis), *_worker_lanes(shard, attempts, axis))
    parts = [plural(len(shard.services), "service") if shard.services else "", plural(len(attempts), "attempt")]
    return ShardTimeline(
        label=shard.label,
        words=", ".join(part for part in parts if part),
        lanes=tuple(lane for lane in lanes if lane.bars),
        is_open=is_open,
    )


def _phases_until(shard: ShardResult, wall: float) -> list[PhaseTime]:
    """The phases, with the one in which a shard was killed: it left no figure, its last test did."""
    phases = all_phases(shard)
    rest = wall - sum(phase.seconds for phase in phases)
    return [*phases, PhaseTime("tests", rest)] if rest > 0 and shard.state is ShardState.STARTED else phases


def _phase_lane(phases: Sequence[PhaseTime], axis: _Axis) -> Lane:
    bars, at = [], 0.0
    for phase in phases:
        text = f"{phase.name} {duration(phase.seconds)}"
        bars.append(axis.bar(phase_kind(phase.name), at, phase.seconds, text))
        at += phase.seconds
    return Lane("phases", tuple(bars), duration(at), ", ".join(bar.text for bar in bars))


def _service_lanes(shard: ShardResult, phases: Sequence[PhaseTime], axis: _Axis) -> Iterable[Lane]:
    """When each service was asked for, when it was ready, and that it was there until the clean-up."""
    names = [phase.name for phase in phases]
    if "services" not in names:
        return
    place = names.index("services")
    began = sum(phase.seconds for phase in phases[:place])
    over = sum(phase.seconds for phase in phases if phase.name != "clean-up")
    for service in shard.services[:MAX_LANES]:
        yield _service_lane(service, began=began, over=over, axis=axis)


def _service_lane(service: ServiceTime, *, began: float, over: float, axis: _Axis) -> Lane:
    start = began + service.start_seconds
    ready = start + service.ready_seconds
    after = f"ready after {duration(service.ready_seconds)}"
    bars = [axis.bar("starting", start, service.ready_seconds, f"{service.name}: {after}")]
    if over > ready:
        bars.append(axis.bar("up", ready, over - ready, f"{service.name}: up for {duration(over - ready)}"))
    return Lane(service.name, tuple(bars), after, f"{service.name}: asked for at {duration(start)}, {after}")


def _worker_lanes(shard: ShardResult, attempts: Sequence[_Timed], axis: _Axis) -> Iterable[Lane]:
    began = _moment(shard.started_at)
    if began is None:
        return
    wanted = sorted(attempts, key=lambda pair: (not pair[0].outcome.is_bad, -pair[0].seconds))
    chosen = {id(attempt) for attempt, _ in wanted[:MAX_TESTS]}
    lanes: dict[str, list[tuple[float, Attempt, Verdict]]] = {}
    for attempt, verdict in attempts:
        start = _moment(attempt.started_at)
        if start is not None and 0 <= start - began < 86_400:
            lanes.setdefault(attempt.worker, []).append((start - began, attempt, verdict))
    for worker in sorted(lanes, key=lambda name: (len(name), name))[:MAX_LANES]:
        yield _worker_lane(worker or "tests", lanes[worker], chosen, axis)


def _worker_lane(name: str, timed: Sequence[tuple[float, Attempt, Verdict]], chosen: set[int], axis: _Axis) -> Lane:
    first, last = min(start for start, *_ in timed), max(start + attempt.seconds for start, attempt, _ in timed)
    bars = [axis.bar("busy", first, last - first, f"{name}: {plural(len(timed), 'attempt')}")]
    # What failed is drawn last, over the neighbours that its narrowest width would be lost between.
    for start, attempt, verdict in sorted(timed, key=lambda entry: (entry[1].outcome.is_bad, entry[0])):
        if id(attempt) in chosen:
            words = f"{attempt.case.node_id}: {attempt.outcome.value}, {duration(attempt.seconds)}"
            bars.append(axis.bar(_kind(attempt, verdict), start, attempt.seconds, words, _link(attempt)))
    longest = sorted((attempt for _, attempt, _ in timed), key=lambda attempt: -attempt.seconds)[:_LONGEST_NAMED]
    named = ", ".join(f"{attempt.case.node_id} {duration(attempt.seconds)}" for attempt in longest)
    return Lane(
        name, tuple(bars), plural(len(timed), "attempt"), f"{name}: {plural(len(timed), 'attempt')}; longest {named}"
    )


def _kind(attempt: Attempt, verdict: Verdict) -> str:
    """The colour: what the attempt came to, softer where the case passed in the end."""
    if attempt.outcome.is_bad:
        return "recovered" if verdict is Verdict.RECOVERED else "failed"
    return attempt.outcome.value


def _link(attempt: Attempt) -> str:
    key = f"{attempt.case.suite}/{attempt.case.node_id}"
    return f"#t={quote(key.encode('utf-8', 'surrogatepass'), safe='')}" if len(key) <= 500 else ""
