"""Start from the last division and move only what the imbalance asks for.

A case that stays on its shard keeps its neighbours, its caches and its place in the history; a division from scratch
moves seven to nine of ten cases for nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from ci_itest.model.history import CaseTimings
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import Division, Suite, as_division, divide
from ci_itest.planning.packing import Packing, improve, place_rest
from ci_itest.planning.work import FileWork, Piece, in_order

ALLOWED_IMBALANCE = 0.03
"""How much slower than from scratch the slowest shard may be for the sake of moving little."""

_FINENESS = (1.0, 0.25, 0.05, 0.01)
"""Pieces are at most so much of a shard's ideal load; the coarsest that balances is kept."""

Homes = Mapping[str, Sequence[tuple[str, int]]]
"""Where each file's cases were: name of the first case and shard (from 1) of each piece, by name."""


def divide_near(
    files: Iterable[FileWork],
    homes: Homes,
    *,
    shard_count: int,
    costs: Costs,
    allowed_imbalance: float = ALLOWED_IMBALANCE,
) -> Division:
    """Divide a suite, its slowest shard at most so much slower than from scratch, with few cases on another shard.

    Args:
        homes: The last division; files that are gone and shards past the count are left out.

    Raises:
        PlanError: As `divide`.
    """
    ordered = in_order(files)
    fresh = divide(ordered, shard_count=shard_count, costs=costs)
    suite = Suite(ordered, costs)
    count = len(fresh.shards)
    if not any(homes.get(work.file) for work in ordered) or count == 1:
        return fresh
    goal = fresh.longest_seconds * (1 + allowed_imbalance)
    best = _relabelled(fresh, homes, suite)
    least = _moved(best, homes)
    for fineness in _FINENESS:
        near = _near(suite, homes, count, fineness * max(fresh.bound, goal), goal, fresh.bound)
        moved = _moved(near, homes)
        if near.longest_seconds <= goal * (1 + 1e-9) and len(near.shards) == count and moved < least:
            best, least = near, moved
            break
    return best


def homes_of(division: Division) -> dict[str, list[tuple[str, int]]]:
    """Where a division has the cases, to start the next one from."""
    homes: dict[str, list[tuple[str, int]]] = {}
    for shard, pieces in enumerate(division.shards, start=1):
        for piece in pieces:
            work = division.files[piece.file]
            homes.setdefault(work.file, []).append((work.starts[piece.begin], shard))
    return {file: sorted(places) for file, places in homes.items()}


def homes_in(timings: Iterable[CaseTimings]) -> dict[str, list[tuple[str, int]]]:
    """Where the newest recorded run had the cases; {} when it does not tell."""
    timings = sorted((timing for timing in timings if timing.runs), key=lambda timing: timing.case)
    newest = max((timing.runs[0].started_at for timing in timings), default="")
    homes: dict[str, list[tuple[str, int]]] = {}
    for timing in timings:
        run = timing.runs[0]
        if run.started_at != newest or not run.shard:
            continue
        places = homes.setdefault(timing.case.file, [])
        if not places or places[-1][1] != run.shard:
            places.append((timing.case.name if places else "", run.shard))
    return homes


def home_of(places: Sequence[tuple[str, int]], name: str) -> int:
    """The shard (from 1) a case was on; 0 when none had its file."""
    if not places:
        return 0
    return places[max(0, bisect_right(places, name, key=lambda place: place[0]) - 1)][1]


def _near(suite: Suite, homes: Homes, count: int, longest_seconds: float, goal: float, bound: float) -> Division:
    """The last division with what is new put where it ends soonest, then improved down to the goal."""
    pieces: list[Piece] = []
    placed: list[int] = []
    for number, work in enumerate(suite.files):
        for piece, home in _homed(suite, number, homes.get(work.file, ()), longest_seconds):
            pieces.append(piece)
            placed.append(home if home <= count else 0)
    bundles = suite.bundles(pieces)
    home_by_piece = dict(zip(pieces, placed, strict=True))
    items = suite.items(bundles)
    packing = Packing(items, count)
    homeless = []
    for item, bundle in enumerate(bundles):
        home = home_by_piece[max(bundle, key=suite.seconds)]
        if home:
            packing.put(home - 1, item)
        else:
            homeless.append(item)
    place_rest(packing, homeless)
    improve(packing, goal=max(bound, goal / (1 + 2e-4)))
    return as_division(suite, [[bundles[item] for item in members] for members in packing.members], bound)


def _homed(
    suite: Suite, number: int, places: Sequence[tuple[str, int]], longest_seconds: float
) -> Iterable[tuple[Piece, int]]:
    """A file's pieces as they were, each cut where it is longer than asked for."""
    starts = suite.files[number].starts
    begin = 0
    while begin < len(starts):
        home, end = home_of(places, starts[begin]), begin + 1
        while end < len(starts) and home_of(places, starts[end]) == home:
            end += 1
        for piece in suite.cut_piece(Piece(number, begin, end), longest_seconds):
            yield piece, home
        begin = end


def _relabelled(fresh: Division, homes: Homes, suite: Suite) -> Division:
    """The same division with its shards numbered so that most work keeps its number."""
    count = len(fresh.shards)
    kept: dict[tuple[int, int], float] = {}
    for shard, pieces in enumerate(fresh.shards):
        for piece in pieces:
            work = suite.files[piece.file]
            places = homes.get(work.file, ())
            for part in range(piece.begin, piece.end):
                home = home_of(places, work.starts[part])
                if 0 < home <= count:
                    kept[shard, home - 1] = kept.get((shard, home - 1), 0.0) + work.counts[part]
    numbers: dict[int, int] = {}
    for (shard, home), _ in sorted(kept.items(), key=lambda entry: (-entry[1], entry[0])):
        if shard not in numbers and home not in numbers.values():
            numbers[shard] = home
    free = iter(sorted(set(range(count)) - set(numbers.values())))
    order = sorted(range(count), key=lambda shard: numbers[shard] if shard in numbers else next(free))
    return Division(
        fresh.files,
        tuple(fresh.shards[shard] for shard in order),
        tuple(fresh.seconds[shard] for shard in order),
        fresh.bound,
    )


def _moved(division: Division, homes: Homes) -> int:
    """Cases that had a home and are on another shard now."""
    moved = 0
    for shard, pieces in enumerate(division.shards, start=1):
        for piece in pieces:
            work = division.files[piece.file]
            places = homes.get(work.file, ())
            for part in range(piece.begin, piece.end):
                moved += work.counts[part] if home_of(places, work.starts[part]) not in (0, shard) else 0
    return moved
