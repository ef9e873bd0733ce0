"""What a division is worth, counted from the cases on each shard alone: knows nothing of how it was made."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from benchmarks.sharding_data import Seconds, file_of
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import Division, divide
from ci_itest.planning.sticky import Homes, home_of, homes_of
from ci_itest.planning.work import FileWork

Shards = Sequence[Sequence[str]]
"""Case ids of each shard."""


def works_of(seconds: Seconds) -> list[FileWork]:
    """Every case a part of its file, in the order of their names."""
    by_file: dict[str, list[tuple[str, float]]] = {}
    for case in sorted(seconds):
        file, _, name = case.partition("::")
        by_file.setdefault(file, []).append((name, seconds[case]))
    return [
        FileWork(
            file,
            ("", *(name for name, _ in cases[1:])),
            tuple(value for _, value in cases),
            tuple(value for _, value in cases),
            (1,) * len(cases),
        )
        for file, cases in by_file.items()
    ]


def ours(seconds: Seconds, shard_count: int, costs: Costs) -> Shards:
    return cases_on(divide(works_of(seconds), shard_count=shard_count, costs=costs), seconds)


def cases_on(division: Division, cases: Iterable[str]) -> Shards:
    return by_homes(homes_of(division), cases, shard_count=len(division.shards))


def by_homes(homes: Homes, cases: Iterable[str], *, shard_count: int) -> Shards:
    """Each case on the shard whose piece of its file holds its name, as the shards themselves decide."""
    shards: list[list[str]] = [[] for _ in range(shard_count)]
    for case in cases:
        file, _, name = case.partition("::")
        shards[home_of(homes[file], name) - 1].append(case)
    return shards


def makespan(shards: Shards, seconds: Seconds, *, setup: float = 0.0) -> float:
    """Seconds of the slowest shard: its cases, and the setup of each file it has a case of."""
    return max(
        sum(seconds[case] for case in cases) + setup * len({file_of(case) for case in cases}) for cases in shards
    )


def service_makespan(
    shards: Shards, seconds: Seconds, *, needs: Callable[[str], frozenset[str]], start_seconds: float
) -> tuple[float, int]:
    """Seconds of the slowest shard when services start one after another, and how many are started in all."""
    kinds = [frozenset[str]().union(*(needs(case) for case in cases)) for cases in shards]
    work = [sum(seconds[case] for case in cases) for cases in shards]
    longest = max(load + start_seconds * len(kind) for load, kind in zip(work, kinds, strict=True))
    return longest, sum(len(kind) for kind in kinds)


def with_workers(shards: Shards, seconds: Seconds, workers: int, *, longest_first: bool) -> float:
    """The slowest shard when its workers take case after case."""
    ends = []
    for cases in shards:
        order = sorted(cases, key=lambda case: -seconds[case]) if longest_first else cases
        free = [0.0] * workers
        for case in order:
            heapq.heappush(free, heapq.heappop(free) + seconds[case])
        ends.append(max(free))
    return max(ends)


def bound(seconds: Seconds, machines: int) -> float:
    """No division of cases without setup is shorter."""
    return max(sum(seconds.values()) / machines, max(seconds.values()))


def plain_setup_bound(seconds: Seconds, shard_count: int, setup: float) -> float:
    """As if each file were set up once; where a file is longer than a shard, no division comes near it."""
    files = len({file_of(case) for case in seconds})
    return max((sum(seconds.values()) + setup * files) / shard_count, max(seconds.values()) + setup)


def setup_bound(seconds: Seconds, shard_count: int, setup: float) -> float:
    """No division with setup is shorter: a file that is longer than a shard is set up in several."""
    work: dict[str, float] = {}
    longest = 0.0
    for case, value in seconds.items():
        work[file_of(case)] = work.get(file_of(case), 0.0) + value
        longest = max(longest, value)
    low = max((sum(work.values()) + setup * len(work)) / shard_count, longest + setup)
    high = 2 * low + setup
    for _ in range(40):
        height = (low + high) / 2
        needed = sum(value + setup * max(1, -int(-value // (height - setup))) for value in work.values())
        low, high = (height, high) if needed > shard_count * height else (low, height)
    return low


def moved_share(before: Shards, after: Shards) -> float:
    """Share of the cases in both that are on another shard."""
    home = {case: number for number, cases in enumerate(before) for case in cases}
    both = [(home[case], number) for number, cases in enumerate(after) for case in cases if case in home]
    return sum(first != second for first, second in both) / len(both) if both else 0.0


def lost_share(before: Shards, after: Shards) -> float:
    """Share of a shard's cases that a re-run of the same shard by the other division does not run again."""
    shares = []
    for number, cases in enumerate(before):
        again = set(after[number]) if number < len(after) else set()
        if cases:
            shares.append(sum(case not in again for case in cases) / len(cases))
    return sum(shares) / len(shares)
