from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.errors import PlanError
from ci_itest.planning.partition import claiming_shard, fewest_shards, partition
from tests.helpers.plans import unit, units

suites = st.lists(st.floats(0, 1000, allow_nan=False), max_size=40).map(
    lambda seconds: [unit(f"tests/test_{number}.py", value) for number, value in enumerate(seconds)]
)


def test_longest_units_go_to_the_emptiest_shards() -> None:
    shards = partition(units(cart=9, login=2, orders=5, search=4), shard_count=2)

    assert [shard.files for shard in shards] == [
        ("tests/cart.py", "tests/login.py"),
        ("tests/orders.py", "tests/search.py"),
    ]


def test_more_shards_than_units_makes_no_empty_shard() -> None:
    shards = partition(units(cart=9, login=2), shard_count=5)

    assert [len(shard.units) for shard in shards] == [1, 1]


def test_an_empty_suite_is_one_empty_shard() -> None:
    assert [shard.units for shard in partition([], shard_count=3)] == [()]


def test_units_of_no_length_are_dealt_out_evenly() -> None:
    shards = partition([unit(f"tests/test_{number}.py", 0.0) for number in range(8)], shard_count=4)

    assert [len(shard.units) for shard in shards] == [2, 2, 2, 2]


@pytest.mark.parametrize("shard_count", [0, -1])
def test_no_shard_at_all_is_refused(shard_count: int) -> None:
    with pytest.raises(PlanError, match="Cannot divide"):
        partition(units(cart=1), shard_count=shard_count)


def test_a_file_given_twice_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match=r"tests/cart\.py"):
        partition([*units(cart=1), *units(cart=2)], shard_count=2)


@given(suite=suites, shard_count=st.integers(1, 12))
def test_every_unit_lands_on_exactly_one_shard(suite: list, shard_count: int) -> None:  # type: ignore[type-arg]
    shards = partition(suite, shard_count=shard_count)

    assert sorted(file for shard in shards for file in shard.files) == sorted(unit.file for unit in suite)


@given(suite=suites, shard_count=st.integers(1, 12), seed=st.integers())
def test_the_order_of_the_suite_never_matters(suite: list, shard_count: int, seed: int) -> None:  # type: ignore[type-arg]
    shuffled = random.Random(seed).sample(suite, len(suite))

    assert partition(shuffled, shard_count=shard_count) == partition(suite, shard_count=shard_count)


@given(suite=suites.filter(bool), shard_count=st.integers(1, 12))
def test_the_slowest_shard_keeps_the_greedy_bound(suite: list, shard_count: int) -> None:  # type: ignore[type-arg]
    shards = partition(suite, shard_count=shard_count)

    total = sum(unit.expected_seconds for unit in suite)
    longest = max(unit.expected_seconds for unit in suite)
    count = len(shards)
    assert max(shard.expected_seconds for shard in shards) <= total / count + (1 - 1 / count) * longest + 1e-6


def test_the_fewest_shards_that_meet_the_target_are_chosen() -> None:
    suite = [unit(f"tests/test_{number}.py", 60.0) for number in range(10)]

    assert fewest_shards(suite, target_seconds=125.0, workers=1, most=16) == 5


def test_workers_share_the_work_of_a_shard() -> None:
    suite = [unit(f"tests/test_{number}.py", 60.0) for number in range(10)]

    assert fewest_shards(suite, target_seconds=125.0, workers=2, most=16) == 3


def test_no_more_shards_are_chosen_than_the_longest_unit_makes_useful() -> None:
    suite = units(giant=100, a=10, b=10, c=10, d=10, e=10)

    assert fewest_shards(suite, target_seconds=1.0, workers=1, most=16) == 1


def test_the_ceiling_holds_whatever_the_target() -> None:
    suite = [unit(f"tests/test_{number}.py", 60.0) for number in range(100)]

    assert fewest_shards(suite, target_seconds=1.0, workers=1, most=4) == 4


@given(file=st.text(min_size=1), shard_count=st.integers(1, 256))
def test_a_file_the_plan_does_not_know_is_claimed_by_one_of_the_shards(file: str, shard_count: int) -> None:
    assert 1 <= claiming_shard(file, shard_count=shard_count) <= shard_count
