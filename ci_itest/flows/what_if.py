"""What every number of shards would take and cost, and what stands in the way of a shorter run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_itest.flows.plan import SuiteWork
from ci_itest.planning.division import divide
from ci_itest.planning.shard_count import Option, bounding_part, fewest, frontier, most_useful, option_of
from ci_itest.planning.suite import unknown_share
from ci_itest.planning.work import FileWork

WORTH_CUTTING = 0.02
"""A gain of a smaller share is not worth a word."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What dividing files would gain at the last count of the frontier.

    Attributes:
        shards: How many shards are of use then.
        wall_seconds: Of the slowest job with as many.
    """

    shards: int
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The frontier of one suite.

    Attributes:
        chosen: The count that the settings ask for, or that meets their target.
        is_auto: Whether the target chose it.
        bounding: File and first case of the part that no division ends sooner than, and the seconds of its shard.
        cut: None where cutting would gain nothing.
        unknown: Cases that history does not know, of how many.
    """

    suite: str
    options: tuple[Option, ...]
    chosen: int
    is_auto: bool
    target_seconds: float
    bounding: tuple[str, str, float]
    unknown: tuple[int, int]
    cut: Cut | None = None
    has_price: bool = False


def what_if(work: SuiteWork, *, price_per_minute: float) -> WhatIf:
    """The frontier of a suite, up to `max_shards`."""
    settings = work.settings
    options = frontier(work.files, costs=work.costs, most=settings.max_shards, price_per_minute=price_per_minute)
    is_auto = settings.shards == "auto"
    chosen = (
        fewest(work.files, costs=work.costs, target_seconds=settings.target, most=settings.max_shards)
        if settings.shards == "auto"
        else settings.shards
    )
    unknown, total, _ = unknown_share(work.files)
    return WhatIf(
        work.name,
        tuple(options),
        chosen,
        is_auto,
        settings.target,
        _bounding(work),
        (unknown, total),
        cut=_cut(work, options[-1], work.finest),
        has_price=price_per_minute > 0,
    )


def _bounding(work: SuiteWork) -> tuple[str, str, float]:
    file, first, seconds = bounding_part(work.files, work.costs)
    return file, first, seconds + work.costs.overhead_seconds


def _cut(work: SuiteWork, last: Option, finest: Sequence[FileWork]) -> Cut | None:
    """What as many shards as are of use would take if any case could be on any shard."""
    count = min(work.settings.max_shards, most_useful(finest, work.costs))
    option = option_of(divide(finest, shard_count=count, costs=work.costs), work.costs, price_per_minute=0.0)
    if option.wall_seconds > last.wall_seconds * (1 - WORTH_CUTTING):
        return None
    return Cut(option.shards, option.wall_seconds)
