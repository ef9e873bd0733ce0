from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_itest.planning.costs import Costs
from ci_itest.planning.division import divide
from ci_itest.planning.shard_count import (
    billed_minutes,
    bounding_part,
    fewest,
    fill_minutes,
    frontier,
    most_useful,
    option_of,
)
from ci_itest.planning.work import FileWork
from tests.helpers.works import by_case, parts_of, placed, suites, whole

TEN_MINUTES = [by_case(f"tests/test_{number}.py", 60.0) for number in range(10)]


@pytest.mark.parametrize(
    ("costs", "count"),
    [
        (Costs(), 5),
        (Costs(workers=2), 3),
        (Costs(boot_seconds=60.0), 10),
        (Costs(service_seconds={"postgres": 3.0}), 5),
        (Costs(service_seconds={"postgres": 6.0}), 10),
    ],
    ids=["alone", "workers share", "boot counts", "services fit", "services count"],
)
def test_the_fewest_shards_that_meet_the_target_are_chosen(costs: Costs, count: int) -> None:
    assert fewest(TEN_MINUTES, costs=costs, target_seconds=125.0, most=16) == count


def test_no_more_shards_are_chosen_than_the_longest_file_makes_useful() -> None:
    files = whole(giant=100, a=10, b=10, c=10, d=10, e=10)

    assert fewest(files, costs=Costs(), target_seconds=1.0, most=16) == 2
    assert most_useful(files, Costs()) == 2


def test_the_ceiling_holds_whatever_the_target() -> None:
    files = [by_case(f"tests/test_{number}.py", 60.0) for number in range(100)]

    assert fewest(files, costs=Costs(), target_seconds=1.0, most=4) == 4


def test_the_frontier_ends_where_more_shards_end_no_sooner() -> None:
    options = frontier(whole(giant=100, a=50, b=50), costs=Costs(), most=16, price_per_minute=0.5)

    assert [(option.shards, option.wall_seconds, option.billed_minutes, option.cost) for option in options] == [
        (1, 200.0, 4, 2.0),
        (2, 100.0, 4, 2.0),
    ]


@pytest.mark.parametrize(("seconds", "minutes"), [(0.0, 1), (1.0, 1), (60.0, 1), (60.5, 2), (120.0, 2)])
def test_each_job_is_billed_to_the_next_minute(seconds: float, minutes: int) -> None:
    assert billed_minutes(seconds) == minutes


def test_minutes_are_filled_where_evening_out_would_begin_more() -> None:
    files = [by_case(f"tests/test_{number}.py", 10.0) for number in range(13)]
    costs = Costs()
    even = divide(files, shard_count=4, costs=costs)

    filled = fill_minutes(even, costs)

    assert [len(even.shards), len(filled.shards)] == [4, 3]
    assert max(filled.seconds) <= 60


def test_the_part_that_bounds_the_wall_clock_is_named() -> None:
    assert bounding_part(whole(a=3, giant=100), Costs()) == ("tests/giant.py", "", 100.0)


@settings(max_examples=50)
@given(suite=suites.filter(bool), shard_count=st.integers(1, 6), boot=st.sampled_from([0.0, 20.0, 59.0]))
def test_filling_never_costs_more_nor_takes_another_minute(
    suite: list[FileWork], shard_count: int, boot: float
) -> None:
    costs = Costs(boot_seconds=boot, default_file_setup=0.5)
    even = divide(suite, shard_count=shard_count, costs=costs)

    filled = fill_minutes(even, costs)

    before, after = (option_of(division, costs, price_per_minute=0.0) for division in (even, filled))
    assert after.billed_minutes <= before.billed_minutes
    assert billed_minutes(after.wall_seconds) <= billed_minutes(before.wall_seconds)
    assert placed(filled) == parts_of(suite)
