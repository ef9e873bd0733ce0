"""Which cases became slower or faster: a cumulative sum on the logarithm of each case's time, against the run's own.

The first WARM_UP runs of a case say what it takes and how much that varies. From then on each run adds how many of its
own deviations the case was off, once the run's shift (a slow machine makes everything slow) is taken away; what stays
within half a deviation counts nothing, so chance does not add up. The case changed when the sum passes LIMIT.
Page 1954, "Continuous inspection schemes".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

WARM_UP = 20
LIMIT = 16.0

Pace = bytes
"""Mean and sum of squares of the logarithm of seconds, sums upwards and downwards, and the runs behind each."""

_FORMAT = struct.Struct("<4fHBB")
_ALLOWED = 0.5
_FURTHEST = 3.0
_UNSUSPECTED = 5.0
_LEARNT = 80
_LEAST_DEVIATION = 0.05
_SHORTEST_SECONDS = 1e-3
_LONGEST_SECONDS = 1e7
_KNOWN_RUNS = 3
_SAMPLE = 10_000
_SMALLEST_CHANGE = log(1.2)

NEW: Pace = _FORMAT.pack(0.0, 0.0, 0.0, 0.0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PaceChange:
    """A case that takes another time than it did.

    Attributes:
        before_seconds: What it took, on a machine like this run's.
        after_seconds: What it takes now.
        runs: Since how many runs, this one included.
    """

    case: int
    before_seconds: float
    after_seconds: float
    runs: int

    @property
    def ratio(self) -> float:
        return self.after_seconds / self.before_seconds

    @property
    def is_slower(self) -> bool:
        return self.ratio > 1


def fold_seconds(
    paces: Mapping[int, Pace], cases: Sequence[int], seconds: Sequence[float]
) -> tuple[dict[int, Pace], tuple[PaceChange, ...]]:
    """What is known of each case's time after a run, and the cases whose time changed.

    Args:
        cases: Those that passed at once: others take the time of their failure.
        seconds: Of each.
    """
    known = [paces.get(case, NEW) for case in cases]
    logs = [log(taken) if _SHORTEST_SECONDS < taken < _LONGEST_SECONDS else _SHORTEST_LOG for taken in seconds]
    unpack, pack = _FORMAT.unpack, _FORMAT.pack
    shift = _shift(known, logs)
    after: dict[int, Pace] = dict(paces)
    changes: list[PaceChange] = []
    for case, pace, taken in zip(cases, known, logs, strict=True):
        mean, squares, up, down, count, up_runs, down_runs = unpack(pace)
        value = taken - shift
        if count < WARM_UP:
            count += 1
            step = value - mean
            mean += step / count
            after[case] = pack(mean, squares + step * (value - mean), 0.0, 0.0, count, 0, 0)
            continue
        deviation = sqrt(squares / (count - 1))
        off = (value - mean) / (deviation if deviation > _LEAST_DEVIATION else _LEAST_DEVIATION)
        off = _FURTHEST if off > _FURTHEST else -_FURTHEST if off < -_FURTHEST else off
        up += off - _ALLOWED
        down -= off + _ALLOWED
        up, up_runs = (up, min(up_runs + 1, 255)) if up > 0 else (0.0, 0)
        down, down_runs = (down, min(down_runs + 1, 255)) if down > 0 else (0.0, 0)
        if up < _UNSUSPECTED and down < _UNSUSPECTED:
            # Twenty runs know a mean to a fifth of a deviation, too little for a thousand cases: learning goes on.
            count = min(count + 1, _LEARNT)
            step = value - mean
            mean += step / count
            squares += (step * (value - mean) - squares / count) if count == _LEARNT else step * (value - mean)
        if up <= LIMIT and down <= LIMIT:
            after[case] = pack(mean, squares, up, down, count, up_runs, down_runs)
            continue
        # From here on the case is learned anew.
        after[case] = NEW
        runs = up_runs if up > LIMIT else down_runs
        # The last run's own time may by chance be near the old one: what the sum says counts as well.
        usual = (LIMIT / runs + _ALLOWED) * max(deviation, _LEAST_DEVIATION)
        step = max(value - mean, usual) if up > LIMIT else min(value - mean, -usual)
        if abs(step) >= _SMALLEST_CHANGE:
            changes.append(PaceChange(case, exp(mean + shift), exp(mean + shift + step), runs))
    return after, tuple(changes)


def _shift(known: Iterable[Pace], logs: Iterable[float]) -> float:
    """How much slower than usual the middle case is in this run, as a logarithm."""
    offs = []
    for pace, taken in zip(known, logs, strict=True):
        mean, _, _, _, count, _, _ = _FORMAT.unpack(pace)
        if count >= _KNOWN_RUNS:
            offs.append(taken - mean)
            if len(offs) == _SAMPLE:
                break
    offs.sort()
    return offs[len(offs) // 2] if offs else 0.0


_SHORTEST_LOG = log(_SHORTEST_SECONDS)
