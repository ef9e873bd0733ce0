"""How many shards: what each count takes and costs, and the fewest that meet the target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ci_itest.planning.costs import Costs
from ci_itest.planning.division import Division, Suite, as_division, divide
from ci_itest.planning.packing import fill
from ci_itest.planning.work import FileWork, Piece, in_order

FILL_MARGIN = 0.03
"""Share of a filled minute left free, so that a slower run does not begin the next one."""

_NICE_COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
_MANY_PARTS = 20_000


@dataclass(frozen=True, slots=True)
class Option:
    """One number of shards.

    Attributes:
        wall_seconds: From the first job's start to the last one's end, when all start at once.
        billed_minutes: Of all jobs, each rounded up as GitHub bills.
        cost: Price of those minutes.
    """

    shards: int
    wall_seconds: float
    billed_minutes: int
    cost: float


def option_of(division: Division, costs: Costs, *, price_per_minute: float) -> Option:
    seconds = wall_seconds(division, costs)
    minutes = sum(billed_minutes(shard) for shard in seconds)
    return Option(len(seconds), max(seconds), minutes, minutes * price_per_minute)


def wall_seconds(division: Division, costs: Costs) -> list[float]:
    """What each shard's job takes from its start to its end."""
    same = costs.overhead_seconds + Suite(division.files, costs).common_start_up
    return [same + seconds for seconds in division.seconds]


def billed_minutes(seconds: float) -> int:
    # A millionth of a second more than a minute is rounding, not time.
    return max(1, math.ceil(round(seconds / 60, 9)))


def most_useful(files: Iterable[FileWork], costs: Costs) -> int:
    """More shards than this end no sooner, since the longest part alone takes as long as the slowest shard."""
    suite = Suite(in_order(files), costs)
    longest = suite.longest_alone
    if longest <= 0:
        return max(1, suite.part_count)
    return max(1, min(suite.part_count, math.ceil(suite.total / longest - 1e-9)))


def fewest(files: Iterable[FileWork], *, costs: Costs, target_seconds: float, most: int) -> int:
    """The smallest number of shards whose slowest job is expected to end within the target.

    Where none does, the most that are useful and allowed.
    """
    ordered = in_order(files)
    suite = Suite(ordered, costs)
    ceiling = max(1, min(most, most_useful(ordered, costs)))
    room = target_seconds - costs.overhead_seconds - suite.common_start_up
    for count in range(1, ceiling):
        # The bound is quick and never too high: only counts that may do are divided.
        if suite.bound(count) <= room and divide(ordered, shard_count=count, costs=costs).longest_seconds <= room:
            return count
    return ceiling


def frontier(files: Iterable[FileWork], *, costs: Costs, most: int, price_per_minute: float = 0.0) -> list[Option]:
    """What each number of shards takes, up to where more are of no use; of a huge suite round numbers only."""
    ordered = in_order(files)
    ceiling = max(1, min(most, most_useful(ordered, costs)))
    counts: Iterable[int] = range(1, ceiling + 1)
    if sum(len(work.starts) for work in ordered) > _MANY_PARTS or ceiling > 64:
        counts = sorted({count for count in _NICE_COUNTS if count < ceiling} | {ceiling})
    divisions = (divide(ordered, shard_count=count, costs=costs) for count in counts)
    options = {
        option.shards: option
        for option in (option_of(division, costs, price_per_minute=price_per_minute) for division in divisions)
    }
    return [options[count] for count in sorted(options)]


def fill_minutes(division: Division, costs: Costs) -> Division:
    """The same suite in fewer billed minutes at the same wall clock in minutes; the division itself if there is none.

    Each job is billed to the next full minute, so shards are filled up to the minute that the slowest needs anyway
    instead of evened out, and fewer of them may do.
    """
    suite = Suite(division.files, costs)
    same = costs.overhead_seconds + suite.common_start_up
    minutes = billed_minutes(same + division.longest_seconds)
    height = minutes * 60 * (1 - FILL_MARGIN) - same
    if height <= division.longest_seconds:
        return division
    balanced = sum(billed_minutes(seconds) for seconds in wall_seconds(division, costs))
    pieces = [piece for shard in division.shards for piece in shard]
    best = division
    for fineness in (1.0, 0.5, 0.25):
        finer = [cut for piece in sorted(pieces, key=_place) for cut in suite.cut_piece(piece, fineness * height)]
        bundles = suite.bundles(finer)
        packing = fill(suite.items(bundles), len(division.shards), height)
        if packing is None:
            continue
        members = [[bundles[item] for item in shard] for shard in packing.members]
        filled = as_division(suite, members, division.bound)
        cost = sum(billed_minutes(seconds) for seconds in wall_seconds(filled, costs))
        if cost < balanced:
            best, balanced = filled, cost
    return best


def _place(piece: Piece) -> tuple[int, int]:
    return piece.file, piece.begin


def bounding_part(files: Sequence[FileWork], costs: Costs) -> tuple[str, str, float]:
    """The part that no division can end sooner than: its file, its first case, and the load of a shard of its own."""
    suite = Suite(in_order(files), costs)
    number = max(range(len(suite.files)), key=lambda number: (suite.alone(number), -number))
    work = suite.files[number]
    part = max(range(len(work.starts)), key=lambda part: (work.seconds[part], -part))
    return work.file, work.starts[part], suite.alone(number)
