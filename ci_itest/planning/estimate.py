"""What each case is expected to take, out of what it took: each run by its own speed, the newer ones counting more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from ci_itest.model.cases import CaseId
from ci_itest.model.history import CaseTimings, RunTiming
from ci_itest.planning.setup_cost import LearnedSetup, learn_setup

RUNS_USED = 7
"""A case's newest runs that count. On a real weekly series 5, 7 and 10 came within 1 % of each other."""

HALF_LIFE_DAYS = 30.0
"""A run so much older than the newest counts half: of weekly runs the middle one then stands, of monthly ones nearly
the last, which is the better guess for each (measured on 6 real series)."""

ABSURD_SECONDS = 6 * 3600.0
"""No job of GitHub's runs longer; a case that "took" more was measured across a suspended laptop."""

_SPEED_CASES = 5_000
"""Longest cases that a run's speed is taken from; more do not change it and take time."""

_LEAST_COMPARED = 10
"""Cases that a run's speed needs: of fewer, a change of one would be taken for the machine's."""

_GONE_AFTER = 3
"""A case that none of the suite's newest so many runs measured, though they measured others of its file, is gone."""

_LEAST_IN_SHARD = 30
"""Cases that a shard's own speed needs; of fewer the run's stands for it."""

Values = list[tuple[str, int, float]]
"""A case's measurements: start of the run, shard (0 for unknown), seconds; the newest first."""

Speeds = Mapping[tuple[str, int], float]
"""How much longer than usual a run's cases took, by its start and shard; shard 0 stands for the whole run."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """What history says of a suite.

    Attributes:
        seconds: Expected seconds of each case, without the setup of its file.
        setup: What files set up once.
        speeds: How much longer than usual each run and shard took.
        rejected: Measurements that cannot be, each in words.
    """

    seconds: Mapping[CaseId, float]
    setup: LearnedSetup
    speeds: Speeds
    rejected: tuple[str, ...] = ()


def estimate(timings: Iterable[CaseTimings], *, limit_seconds: float = ABSURD_SECONDS) -> Estimates:
    """Expected seconds of every case there is, in any order of the input.

    Args:
        limit_seconds: A case cannot have taken longer (its timeout with some grace); what did is left out.
    """
    rejected: list[str] = []
    usable = list(_usable(timings, limit_seconds, rejected))
    usable.sort(key=lambda timing: timing.case)
    usable = _of_now(usable)
    setup = learn_setup(usable)
    values = {timing.case: _values(timing, setup) for timing in usable}
    speeds = run_speeds(values.values())
    return Estimates({case: _expected(runs, speeds) for case, runs in values.items()}, setup, speeds, tuple(rejected))


def weighted_median(values: Iterable[tuple[float, float]]) -> float:
    """The value at which half the weight is reached.

    Args:
        values: Each with its weight; at least one.
    """
    ordered = sorted(values)
    half = sum(weight for _, weight in ordered) / 2
    reached = 0.0
    for value, weight in ordered:
        reached += weight
        if reached >= half:
            return value
    return ordered[-1][0]


def run_speeds(cases: Iterable[Values]) -> Speeds:
    """How much longer than usual the cases of each run, and of each shard in it, took; 1 for a usual one.

    A slow machine, or one shared with others, makes all cases longer, and a shard that had too much to do at once
    makes its own longer: planned by as they are, such times swing from run to run. The longest cases decide, each by
    its seconds.
    """
    # Of an even number the lower middle one: machines are slowed down, never sped up.
    compared = [
        (sorted(seconds for *_, seconds in runs)[(len(runs) - 1) // 2], runs) for runs in cases if len(runs) > 1
    ]
    compared = [entry for entry in compared if entry[0] > 0]
    compared.sort(key=lambda entry: -entry[0])
    ratios: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for usual, runs in compared[:_SPEED_CASES]:
        for run, shard, seconds in runs:
            for key in {(run, 0), (run, shard)}:
                ratios.setdefault(key, []).append((seconds / usual, usual))
    return {
        key: speed
        for key, found in sorted(ratios.items())
        if len(found) >= (_LEAST_IN_SHARD if key[1] else _LEAST_COMPARED) and (speed := weighted_median(found)) > 0
    }


def _speed(speeds: Speeds, run: str, shard: int) -> float:
    return speeds.get((run, shard)) or speeds.get((run, 0), 1.0)


def _expected(runs: Values, speeds: Speeds) -> float:
    if len(runs) == 1:
        run, shard, seconds = runs[0]
        return seconds / _speed(speeds, run, shard)
    newest = _days(runs[0][0])
    return weighted_median(
        (seconds / _speed(speeds, run, shard), 0.5 ** ((newest - _days(run)) / HALF_LIFE_DAYS))
        for run, shard, seconds in runs
    )


@lru_cache(maxsize=1024)
def _days(started_at: str) -> float:
    return datetime.fromisoformat(started_at).timestamp() / 86400


def _values(timing: CaseTimings, setup: LearnedSetup) -> Values:
    excess = setup.excess.get(timing.case)
    if excess is None:
        return [(run.started_at, run.shard, run.seconds) for run in timing.runs]
    return [(run.started_at, run.shard, max(0.0, run.seconds - excess.get(run.started_at, 0.0))) for run in timing.runs]


def _usable(timings: Iterable[CaseTimings], limit_seconds: float, rejected: list[str]) -> Iterable[CaseTimings]:
    """Each case once with the measurements that can be; what cannot is named."""
    seen: set[CaseId] = set()
    for timing in timings:
        if timing.case in seen:
            rejected.append(f"{timing.case} is in the history twice; its first entry counts")
            continue
        seen.add(timing.case)
        runs = timing.runs[:RUNS_USED]
        if all(_is_possible(run, limit_seconds) for run in runs):
            yield timing if len(timing.runs) <= RUNS_USED else CaseTimings(timing.case, runs)
            continue
        kept = tuple(run for run in timing.runs if _is_possible(run, limit_seconds))[:RUNS_USED]
        worst = next(run for run in runs if not _is_possible(run, limit_seconds))
        rejected.append(f"{timing.case} took {worst.seconds:g} s in the run of {worst.started_at[:10]}")
        if kept:
            yield CaseTimings(timing.case, kept)


def _is_possible(run: RunTiming, limit_seconds: float) -> bool:
    # Written so that a comparison with NaN says no.
    setup, call, teardown = run.setup_seconds, run.call_seconds, run.teardown_seconds
    return setup >= 0.0 and call >= 0.0 and teardown >= 0.0 and setup + call + teardown <= limit_seconds


def _of_now(timings: Sequence[CaseTimings]) -> list[CaseTimings]:
    """Without the cases that were renamed or removed, which the history still remembers."""
    newest = sorted({run.started_at for timing in timings for run in timing.runs}, reverse=True)
    if len(newest) < _GONE_AFTER:
        return list(timings)
    since = newest[_GONE_AFTER - 1]
    current = {timing.case.file for timing in timings if timing.runs[0].started_at >= since}
    return [timing for timing in timings if timing.runs[0].started_at >= since or timing.case.file not in current]
