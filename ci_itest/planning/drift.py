"""Planned against real: whether the durations that plans are made of are still true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ci_itest.model.history import ShardAccuracy

ALARM_SHARE = 0.25
"""Durations that have drifted by more make uneven shards and wrong counts."""

STALE_DAYS = 14.0
"""A history whose newest run is older describes another suite."""

_LEAST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Drift:
    """How one recorded run compares with its plan.

    Attributes:
        planned_seconds: Work that was expected, one case after another.
        real_seconds: Work there was.
        worst: Label of the shard that was off most, and its real / planned.
    """

    planned_seconds: float
    real_seconds: float
    worst: tuple[str, float] = ("", 1.0)

    @property
    def ratio(self) -> float:
        """Real / planned; 1 when nothing was planned."""
        return self.real_seconds / self.planned_seconds if self.planned_seconds > 0 else 1.0

    @property
    def is_alarming(self) -> bool:
        off = max(self.ratio, 1 / self.ratio if self.ratio > 0 else float("inf"))
        return self.planned_seconds >= _LEAST_SECONDS and off > 1 + ALARM_SHARE


def drift_of(shards: Iterable[ShardAccuracy]) -> Drift:
    """All shards of one run together, as machines of one run are slow and fast alike."""
    shards = sorted(shards, key=lambda shard: shard.index)
    planned = [shard for shard in shards if shard.planned_seconds > 0]
    worst = max(planned, key=_distance, default=None)
    return Drift(
        planned_seconds=sum(shard.planned_seconds for shard in planned),
        real_seconds=sum(shard.work_seconds for shard in planned),
        worst=(f"{worst.index}/{worst.count}", worst.work_seconds / worst.planned_seconds) if worst else ("", 1.0),
    )


def drift_words(drift: Drift) -> str:
    """The alarm, with what to do; "" when the plan held."""
    if not drift.is_alarming:
        return ""
    more = "more" if drift.ratio > 1 else "less"
    share = abs(drift.ratio - 1)
    label, ratio = drift.worst
    return (
        f"Durations have drifted: the last recorded run took {share:.0%} {more} than planned "
        f"({drift.real_seconds:.0f} s of work for {drift.planned_seconds:.0f} s; shard {label} took {ratio:.2f} times "
        "its plan). Let a run of the default branch finish to learn the new ones; if it stays, look for a slow service "
        "or machine."
    )


def staleness_words(newest_run_at: str, *, now: str) -> str:
    """That the history is old, with what to do; "" when it is fresh.

    Args:
        newest_run_at: Start of the newest recorded run, ISO 8601; "" when there is none.
        now: The time, ISO 8601.
    """
    if not newest_run_at:
        return ""
    days = (datetime.fromisoformat(now) - datetime.fromisoformat(newest_run_at)).total_seconds() / 86400
    if days <= STALE_DAYS:
        return ""
    return (
        f"The newest recorded run is {days:.0f} days old: durations may have drifted. Check that runs of the default "
        "branch are recorded."
    )


def _distance(shard: ShardAccuracy) -> float:
    ratio = shard.work_seconds / shard.planned_seconds
    return max(ratio, 1 / ratio) if ratio > 0 else float("inf")
