"""Items on shards under setup and service costs: place them, then improve by moves and swaps.

The seconds here are wall seconds of a shard: work is divided by its workers before it comes in. Items and shards are
numbers, since a hundred thousand items pass through; equal inputs give equal packings.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

CLOSE_ENOUGH = 1e-4
"""A packing this close to its lower bound is not improved further."""

_MOST_FILLED = 60_000
_MOST_PAIRED = 60
_SEARCH_BUDGET = 150_000
"""Trial moves and swaps; bounds the time of the search (about 0.3 s) without a clock."""


@dataclass(frozen=True, slots=True)
class Items:
    """What is to be packed, each item by its number.

    Attributes:
        seconds: Work of each item.
        classes: Setup classes of each item, file numbers; a shard pays each class once.
        setup: Seconds of each class.
        needs: Services of each item as bits.
        start_up: Seconds of a set of services.
    """

    seconds: Sequence[float]
    classes: Sequence[tuple[int, ...]]
    setup: Sequence[float]
    needs: Sequence[int]
    start_up: Callable[[int], float]
    has_services: bool = False
    has_setup: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_setup", any(self.setup))

    def alone(self, item: int) -> float:
        """Load of a shard that has nothing but this item."""
        return self.seconds[item] + sum(self.setup[number] for number in self.classes[item]) + self.start_up_of(item)

    def start_up_of(self, item: int) -> float:
        return self.start_up(self.needs[item]) if self.has_services else 0.0

    @property
    def longest_first(self) -> list[int]:
        """Item numbers; the sort is stable, so equal ones keep the order of their names."""
        alone = [self.alone(item) for item in range(len(self.seconds))] if self.has_setup else self.seconds
        return sorted(range(len(self.seconds)), key=alone.__getitem__, reverse=True)

    def bound(self, shard_count: int) -> float:
        """No packing has a shorter longest shard."""
        if not self.seconds:
            return 0.0
        paid = {number for classes in self.classes for number in classes} if self.has_setup else ()
        total = sum(self.seconds) + sum(self.setup[number] for number in paid)
        alone = max(map(self.alone, range(len(self.seconds)))) if self.has_setup or self.has_services else 0.0
        return max(total / shard_count, alone, max(self.seconds))


class Packing:
    """Which item is on which shard, and what each shard's load is."""

    def __init__(self, items: Items, shard_count: int) -> None:
        self.items = items
        self.loads = [0.0] * shard_count
        self.members: list[list[int]] = [[] for _ in range(shard_count)]
        self._classes: list[dict[int, int]] = [{} for _ in range(shard_count)]
        self._needs: list[dict[int, int]] = [{} for _ in range(shard_count)]
        self._start = [0.0] * shard_count
        self.has_extras = items.has_setup or items.has_services

    @property
    def longest(self) -> float:
        return max(self.loads)

    @property
    def total(self) -> float:
        """Machine seconds of all shards together."""
        return sum(self.loads)

    def put(self, shard: int, item: int) -> None:
        if self.has_extras:
            self.loads[shard] += self.gain(shard, item)
            self._count(shard, item, 1)
        else:
            self.loads[shard] += self.items.seconds[item]
        self.members[shard].append(item)

    def take(self, shard: int, item: int) -> None:
        if self.has_extras:
            self.loads[shard] -= self.loss(shard, item)
            self._count(shard, item, -1)
        else:
            self.loads[shard] -= self.items.seconds[item]
        self.members[shard].remove(item)

    def gain(self, shard: int, item: int) -> float:
        """By how much the shard's load grows with the item."""
        items = self.items
        seconds = items.seconds[item]
        if items.has_setup:
            here = self._classes[shard]
            for number in items.classes[item]:
                if number not in here:
                    seconds += items.setup[number]
        if items.has_services and items.needs[item] not in self._needs[shard]:
            seconds += items.start_up(self._union(shard) | items.needs[item]) - self._start[shard]
        return seconds

    def loss(self, shard: int, item: int) -> float:
        """By how much the shard's load falls without the item, which it has."""
        items = self.items
        seconds = items.seconds[item]
        if items.has_setup:
            here = self._classes[shard]
            for number in items.classes[item]:
                if here[number] == 1:
                    seconds += items.setup[number]
        if items.has_services and self._needs[shard][items.needs[item]] == 1:
            seconds += self._start[shard] - items.start_up(self._union(shard, without=items.needs[item]))
        return seconds

    def swap_change(self, shard: int, out: int, into: int) -> float:
        """Change of the shard's load when one item leaves it and another comes."""
        if not self.has_extras:
            return self.items.seconds[into] - self.items.seconds[out]
        # Counted out and in again, so that a class or a service that both items share is paid on.
        lost = self.loss(shard, out)
        self._count(shard, out, -1)
        gained = self.gain(shard, into)
        self._count(shard, out, 1)
        return gained - lost

    def _count(self, shard: int, item: int, step: int) -> None:
        items = self.items
        if items.has_setup:
            here = self._classes[shard]
            for number in items.classes[item]:
                _add(here, number, step)
        if items.has_services:
            _add(self._needs[shard], items.needs[item], step)
            self._start[shard] = items.start_up(self._union(shard))

    def _union(self, shard: int, without: int = -1) -> int:
        union = 0
        for needs in self._needs[shard]:
            if needs != without:
                union |= needs
        return union


def _add(counts: dict[int, int], key: int, step: int) -> None:
    left = counts.get(key, 0) + step
    if left:
        counts[key] = left
    else:
        del counts[key]


def longest_first(items: Items, shard_count: int) -> Packing:
    """Each item, the longest first, to the shard that then ends soonest.

    With no setup and no services this is Graham's rule (1969, "Bounds on Multiprocessing Timing Anomalies"): the
    longest shard is at most total/k + (1 - 1/k) * longest item.
    """
    packing = Packing(items, shard_count)
    place_rest(packing, range(len(items.seconds)))
    return packing


def place_rest(packing: Packing, rest: Iterable[int]) -> None:
    """Put items on shards that may have some already, the longest first, each where it ends soonest."""
    wanted = set(rest)
    order = packing.items.longest_first
    if len(wanted) < len(order):
        order = [item for item in order if item in wanted]
    if packing.items.has_services:
        for item in order:
            packing.put(_soonest(packing, item), item)
    else:
        _deal(packing, order)


def _soonest(packing: Packing, item: int) -> int:
    ends = [packing.loads[shard] + packing.gain(shard, item) for shard in range(len(packing.loads))]
    return min(range(len(ends)), key=lambda shard: (ends[shard], len(packing.members[shard]), shard))


def _deal(packing: Packing, order: Iterable[int]) -> None:
    """As `_soonest` without asking every shard: only the emptiest and those that have paid the setup can win."""
    items = packing.items
    # The number of items breaks ties, so that items of no known length are dealt out evenly.
    heap = [(load, len(packing.members[shard]), shard) for shard, load in enumerate(packing.loads)]
    heapq.heapify(heap)
    homes: dict[int, set[int]] = {}
    if items.has_setup:
        for shard, members in enumerate(packing.members):
            for number in {number for item in members for number in items.classes[item]}:
                homes.setdefault(number, set()).add(shard)
    elif not any(packing.members):
        _deal_plain(packing, heap, order)
        return
    for item in order:
        while heap[0][0] != packing.loads[heap[0][2]] or heap[0][1] != len(packing.members[heap[0][2]]):
            heapq.heappop(heap)
        shard = heap[0][2]
        if items.has_setup:
            known = {home for number in items.classes[item] for home in homes.get(number, ())}
            shard = min(
                (packing.loads[home] + packing.gain(home, item), len(packing.members[home]), home)
                for home in {shard, *known}
            )[2]
            for number in items.classes[item]:
                homes.setdefault(number, set()).add(shard)
        packing.put(shard, item)
        heapq.heappush(heap, (packing.loads[shard], len(packing.members[shard]), shard))


def _deal_plain(packing: Packing, heap: list[tuple[float, int, int]], order: Iterable[int]) -> None:
    """`_deal` onto empty shards where nothing is set up: the emptiest takes the next, a hundred thousand times."""
    seconds = packing.items.seconds
    for item in order:
        load, number, shard = heap[0]
        packing.members[shard].append(item)
        heapq.heapreplace(heap, (load + seconds[item], number + 1, shard))
    for load, _, shard in heap:
        packing.loads[shard] = load


def by_needs(items: Items, shard_count: int, *, upper: float) -> Packing | None:
    """Shards filled one kind of need after another up to the least height that holds all; None when none does.

    Nor for a suite so large that trying heights would take seconds: what a service costs is little there.

    Few shards then start a service, at the price of less even loads. The height is found by halving (MULTIFIT;
    Coffman, Garey, Johnson 1978).
    """
    if len(items.seconds) * shard_count > _MOST_FILLED:
        return None
    order = _by_kind(items)
    low, high, best = items.bound(shard_count), upper, None
    for _ in range(14):
        height = (low + high) / 2
        filled = _filled(items, order, shard_count, height)
        if filled is None:
            low = height
        else:
            best, high = filled, filled.longest
        if high - low <= CLOSE_ENOUGH * high:
            break
    return best


def _by_kind(items: Items) -> list[int]:
    """Kinds with most work first; in a kind the longest first."""
    work: dict[int, float] = {}
    for item, needs in enumerate(items.needs):
        work[needs] = work.get(needs, 0.0) + items.seconds[item]
    order = items.longest_first
    return sorted(order, key=lambda item: (-items.start_up_of(item), -work[items.needs[item]], items.needs[item]))


def fill(items: Items, shard_count: int, height: float) -> Packing | None:
    """Shards filled to a height one after another, as few as that takes; None when the items do not fit."""
    order = _by_kind(items) if items.has_services else items.longest_first
    return _filled(items, order, shard_count, height)


def _filled(items: Items, order: Sequence[int], shard_count: int, height: float) -> Packing | None:
    packing = Packing(items, shard_count)
    limit = height * (1 + 1e-9)
    for item in order:
        best: tuple[float, float, int] | None = None
        for shard in range(shard_count):
            gain = packing.gain(shard, item)
            if packing.loads[shard] + gain <= limit:
                extra = round(gain - items.seconds[item], 9)
                if best is None or (extra, -packing.loads[shard], shard) < best:
                    best = (extra, -packing.loads[shard], shard)
            if not packing.members[shard]:
                break  # other empty shards are no different
        if best is None:
            return None
        packing.put(best[2], item)
    return packing


def improve(packing: Packing, *, goal: float) -> None:
    """Move and swap items from the longest shard until that helps no more, or the goal is met."""
    budget = _Budget(_SEARCH_BUDGET)
    while packing.longest > goal * (1 + CLOSE_ENOUGH) and budget.left > 0:
        high = max(range(len(packing.loads)), key=lambda shard: (packing.loads[shard], -shard))
        if not any(_relieve(packing, high, low, budget) for low in _lowest(packing, high)):
            return


def _lowest(packing: Packing, high: int) -> list[int]:
    order = sorted(range(len(packing.loads)), key=lambda shard: (packing.loads[shard], shard))
    return [shard for shard in order if shard != high]


@dataclass(slots=True)
class _Budget:
    left: int


Trial = tuple[tuple[int, ...], tuple[int, ...], float]
"""Items that leave the longer shard, items that come to it, and the higher of the two loads then."""


def _relieve(packing: Packing, high: int, low: int, budget: _Budget) -> bool:
    """Make the best move or swap between two shards, when one lowers the higher of them."""
    top = packing.loads[high]
    lowest, best = top * (1 - 1e-9), None
    for trials in (_trials, _pair_trials):
        for outs, intos, after in trials(packing, high, low, budget):
            if after < lowest:
                lowest, best = after, (outs, intos)
        if best is not None:
            _exchange(packing, high, low, *best)
            return True
    return False


def _exchange(packing: Packing, high: int, low: int, outs: Iterable[int], intos: Iterable[int]) -> None:
    for item in intos:
        packing.take(low, item)
    for item in outs:
        packing.take(high, item)
        packing.put(low, item)
    for item in intos:
        packing.put(high, item)


def _trials(packing: Packing, high: int, low: int, budget: _Budget) -> Iterator[Trial]:
    """Moves and swaps that may help, each with the higher load of the two shards after it."""
    seconds = packing.items.seconds
    gap = packing.loads[high] - packing.loads[low]
    if gap <= 0:
        return
    there = sorted(packing.members[low], key=lambda item: (seconds[item], item))
    lengths = [seconds[item] for item in there]
    for out in packing.members[high]:
        if budget.left <= 0:
            return
        budget.left -= 1
        loss, gain = packing.loss(high, out), packing.gain(low, out)
        yield (out,), (), max(packing.loads[high] - loss, packing.loads[low] + gain)
        if not there or loss <= 0:
            continue
        near = bisect_left(lengths, seconds[out] - gap / 2)
        for index in (near - 1, near):
            if 0 <= index < len(there):
                budget.left -= 1
                into = there[index]
                high_after = packing.loads[high] + packing.swap_change(high, out, into)
                low_after = packing.loads[low] + packing.swap_change(low, into, out)
                yield (out,), (into,), max(high_after, low_after)


def _pair_trials(packing: Packing, high: int, low: int, budget: _Budget) -> Iterator[Trial]:
    """One item for two and two for one, on shards of few items where nothing has to be set up."""
    gap = packing.loads[high] - packing.loads[low]
    few = len(packing.members[high]) + len(packing.members[low]) <= _MOST_PAIRED
    if not few or packing.has_extras or gap <= 0:
        return
    for outs, intos, change in _pairs(packing.members[high], packing.members[low], gap / 2, packing.items.seconds):
        budget.left -= 1
        yield outs, intos, max(packing.loads[high] - change, packing.loads[low] + change)
    for intos, outs, change in _pairs(packing.members[low], packing.members[high], -gap / 2, packing.items.seconds):
        budget.left -= 1
        yield outs, intos, max(packing.loads[high] + change, packing.loads[low] - change)


def _pairs(
    ones: Iterable[int], others: Iterable[int], wanted: float, seconds: Sequence[float]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """One of the first against two of the second whose difference is nearest to what is wanted."""
    ordered = sorted(others, key=lambda item: (seconds[item], item))
    lengths = [seconds[item] for item in ordered]
    for one in ones:
        for index, first in enumerate(ordered):
            near = bisect_left(lengths, seconds[one] - wanted - seconds[first], index + 1)
            for place in (near - 1, near):
                if index < place < len(ordered):
                    second = ordered[place]
                    yield (one,), (first, second), seconds[one] - seconds[first] - seconds[second]
