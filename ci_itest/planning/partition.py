"""Units to shards that end together, and how many shards to have."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Sequence

from ci_itest.errors import PlanError
from ci_itest.model.plan import Shard, Unit


def partition(units: Iterable[Unit], *, shard_count: int) -> tuple[Shard, ...]:
    """Divide units over shards so that the slowest shard is short.

    Longest processing time first: the longest unit goes to the shard that has least so far. The slowest shard is
    then at most 4/3 - 1/(3 * shard_count) times the best possible (Graham 1969, "Bounds on Multiprocessing Timing
    Anomalies"). Equal inputs give equal plans whatever their order.

    Args:
        units: The suite. Files must differ.
        shard_count: How many shards to fill, 1 or more.

    Returns:
        `shard_count` shards, index 1 first, fewer when there are fewer units: no shard but an only one is empty.

    Raises:
        PlanError: `shard_count` is below 1, or two units share a file.
    """
    ordered = sorted(units, key=lambda unit: (-unit.expected_seconds, unit.file))
    _refuse_doubles(ordered)
    if shard_count < 1:
        raise PlanError(f"Cannot divide the suite over {shard_count} shards.", hint="Set `shards` to 1 or more.")
    count = max(1, min(shard_count, len(ordered)))
    taken: list[list[Unit]] = [[] for _ in range(count)]
    # The number of units breaks ties, so that units of no known length are dealt out evenly.
    loads = [(0.0, 0, index) for index in range(count)]
    for unit in ordered:
        seconds, number, index = heapq.heappop(loads)
        taken[index].append(unit)
        heapq.heappush(loads, (seconds + unit.expected_seconds, number + 1, index))
    return tuple(Shard(index, tuple(mine)) for index, mine in enumerate(taken, start=1))


def fewest_shards(units: Sequence[Unit], *, target_seconds: float, workers: int, most: int) -> int:
    """The smallest number of shards whose slowest is expected to end within the target.

    More shards than total / longest unit cannot help, because that unit's shard stays the slowest.

    Args:
        workers: Processes that share a shard's work.
        most: Never more than this, whatever the target.
    """
    total = sum(unit.expected_seconds for unit in units)
    longest = max((unit.expected_seconds for unit in units), default=0.0)
    useful = int(total / longest) if longest > 0 else len(units)
    ceiling = max(1, min(most, len(units), useful))
    for count in range(1, ceiling):
        slowest = max(shard.expected_seconds for shard in partition(units, shard_count=count))
        if slowest / workers <= target_seconds:
            return count
    return ceiling


def claiming_shard(file: str, *, shard_count: int) -> int:
    """The shard (from 1) that takes a file the plan does not know; the shard plugin computes the same."""
    return int.from_bytes(hashlib.sha256(file.encode()).digest()) % shard_count + 1


def _refuse_doubles(ordered: Sequence[Unit]) -> None:
    seen: set[str] = set()
    for unit in ordered:
        if unit.file in seen:
            raise PlanError(f"The file {unit.file} is in the suite twice.")
        seen.add(unit.file)
