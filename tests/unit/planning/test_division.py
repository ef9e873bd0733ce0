from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.errors import PlanError
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import Division, divide
from ci_itest.planning.work import FileWork
from tests.helpers.works import by_case, files_on, parts_of, placed, suites, whole

FREE = Costs()
SETUP = Costs(default_file_setup=2.0)

costs = st.builds(
    lambda setup, service, workers: Costs(
        default_file_setup=setup,
        service_seconds={"postgres": service, "redis": 1.0} if service else {},
        needs={"tests/test_0.py": frozenset({"postgres"}), "tests/test_1.py": frozenset()},
        workers=workers,
    ),
    st.sampled_from([0.0, 0.5, 30.0]),
    st.sampled_from([0.0, 5.0]),
    st.integers(1, 4),
)


def test_longest_files_go_to_the_emptiest_shards() -> None:
    division = divide(whole(cart=9, login=2, orders=5, search=4), shard_count=2, costs=FREE)

    assert sorted(files_on(division)) == [["tests/cart.py", "tests/login.py"], ["tests/orders.py", "tests/search.py"]]


def test_moves_and_swaps_mend_what_longest_first_leaves() -> None:
    division = divide(whole(a=3, b=3, c=2, d=2, e=2), shard_count=2, costs=FREE)

    assert division.longest_seconds == 6


def test_more_shards_than_files_leaves_no_shard_empty() -> None:
    assert len(divide(whole(cart=9, login=2), shard_count=5, costs=FREE).shards) == 2


def test_an_empty_suite_is_one_empty_shard() -> None:
    assert divide([], shard_count=3, costs=FREE).shards == ((),)


def test_files_of_no_length_are_dealt_out_evenly() -> None:
    division = divide([by_case(f"tests/test_{number}.py", 0.0) for number in range(8)], shard_count=4, costs=FREE)

    assert [len(pieces) for pieces in division.shards] == [2, 2, 2, 2]


@pytest.mark.parametrize("shard_count", [0, -1])
def test_no_shard_at_all_is_refused(shard_count: int) -> None:
    with pytest.raises(PlanError, match="Cannot divide"):
        divide(whole(cart=1), shard_count=shard_count, costs=FREE)


def test_a_file_given_twice_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match=r"tests/cart\.py"):
        divide([*whole(cart=1), *whole(cart=2)], shard_count=2, costs=FREE)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_seconds_that_are_none_are_refused_by_name(seconds: float) -> None:
    with pytest.raises(PlanError, match=r"tests/cart\.py"):
        divide(whole(cart=seconds), shard_count=2, costs=FREE)


def test_a_file_too_long_for_a_shard_is_cut_into_runs_of_its_cases() -> None:
    files = [by_case("tests/long.py", *[1.0] * 12), *whole(a=2, b=2)]

    division = divide(files, shard_count=4, costs=SETUP)

    long_pieces = [piece for pieces in division.shards for piece in pieces if piece.file == 2]
    assert division.files[2].file == "tests/long.py"
    assert len(long_pieces) > 1
    assert division.longest_seconds < 12


def test_files_stay_whole_where_their_setup_costs_more_than_an_even_division_gains() -> None:
    files = [by_case(f"tests/test_{number}.py", 1.0, 1.0, 1.0) for number in range(6)]

    division = divide(files, shard_count=3, costs=Costs(default_file_setup=10.0))

    assert [len(pieces) for pieces in division.shards] == [2, 2, 2]
    assert all(piece.end - piece.begin == 3 for pieces in division.shards for piece in pieces)


def test_without_setup_cases_even_out_what_whole_files_cannot() -> None:
    files = [by_case("tests/a.py", 5.0, 5.0), by_case("tests/b.py", 5.0, 5.0), by_case("tests/c.py", 5.0, 5.0)]

    assert divide(files, shard_count=2, costs=FREE).longest_seconds == 15


def test_services_are_started_in_few_shards() -> None:
    files = whole(a1=10, a2=10, b1=10, b2=10)
    needs = {work.file: frozenset({work.file[len("tests/")]}) for work in files}

    division = divide(files, shard_count=2, costs=Costs(service_seconds={"a": 60.0, "b": 60.0}, needs=needs))

    assert sorted(files_on(division)) == [["tests/a1.py", "tests/a2.py"], ["tests/b1.py", "tests/b2.py"]]


def test_services_of_single_cases_gather_them_across_a_file() -> None:
    file = replace(
        by_case("tests/a.py", *[10.0] * 6),
        needs=tuple(frozenset({"postgres"} if number % 2 else {"redis"}) for number in range(6)),
    )

    division = divide([file], shard_count=2, costs=Costs(service_seconds={"postgres": 50.0, "redis": 50.0}))

    assert division.longest_seconds == 80


def test_cases_of_one_group_are_never_divided() -> None:
    files = [
        by_case("tests/a.py", 5.0, 5.0, 5.0, groups=("", "db", "db")),
        by_case("tests/b.py", 5.0, 5.0, groups=("db", "")),
    ]

    division = divide(files, shard_count=4, costs=FREE)

    homes = {
        shard
        for shard, pieces in enumerate(division.shards)
        for piece in pieces
        for part in range(piece.begin, piece.end)
        if division.files[piece.file].groups[part] == "db"
    }
    assert len(homes) == 1
    assert division.longest_seconds == 15


def test_workers_share_work_and_setup_and_not_services() -> None:
    costs = Costs(
        default_file_setup=2.0,
        service_seconds={"postgres": 5.0},
        needs={"tests/a.py": frozenset({"postgres"}), "tests/b.py": frozenset()},
        workers=2,
    )

    division = divide(whole(a=10, b=10), shard_count=2, costs=costs)

    assert sorted(division.seconds) == [6, 11]


@given(suite=suites, shard_count=st.integers(1, 12), costs=costs)
def test_every_part_lands_on_exactly_one_shard(suite: list[FileWork], shard_count: int, costs: Costs) -> None:
    division = divide(suite, shard_count=shard_count, costs=costs)

    assert placed(division) == parts_of(suite)


@given(suite=suites, shard_count=st.integers(1, 12), costs=costs, seed=st.integers())
def test_the_order_of_the_suite_never_matters(suite: list[FileWork], shard_count: int, costs: Costs, seed: int) -> None:
    shuffled = random.Random(seed).sample(suite, len(suite))

    assert divide(shuffled, shard_count=shard_count, costs=costs) == divide(suite, shard_count=shard_count, costs=costs)


@given(suite=suites.filter(bool), shard_count=st.integers(1, 12))
def test_without_setup_the_slowest_shard_keeps_the_greedy_bound(suite: list[FileWork], shard_count: int) -> None:
    division = divide(suite, shard_count=shard_count, costs=FREE)

    total = sum(sum(work.seconds) for work in suite)
    longest = max(max(work.seconds) for work in suite)
    count = min(shard_count, sum(len(work.starts) for work in suite))
    assert division.longest_seconds <= (total / count + (1 - 1 / count) * longest) * (1 + 1e-9)


@given(suite=suites.filter(bool), shard_count=st.integers(1, 8), costs=costs)
def test_one_more_shard_is_never_slower(suite: list[FileWork], shard_count: int, costs: Costs) -> None:
    fewer = divide(suite, shard_count=shard_count, costs=costs)
    more = divide(suite, shard_count=shard_count + 1, costs=costs)

    assert more.longest_seconds <= fewer.longest_seconds * (1 + 1e-6)


@given(suite=suites.filter(bool), shard_count=st.integers(1, 8), costs=costs)
def test_no_division_is_shorter_than_its_bound(suite: list[FileWork], shard_count: int, costs: Costs) -> None:
    division = divide(suite, shard_count=shard_count, costs=costs)

    assert division.longest_seconds >= division.bound * (1 - 1e-6)
    loads = [_load(division, shard, costs) for shard in range(len(division.shards))]
    assert division.seconds == pytest.approx(loads, rel=1e-6, abs=1e-6)


def _load(division: Division, shard: int, costs: Costs) -> float:
    """What the shard costs, counted anew."""
    pieces = division.shards[shard]
    files = sorted({piece.file for piece in pieces})
    work = sum(sum(division.files[piece.file].seconds[piece.begin : piece.end]) for piece in pieces) / costs.workers
    setup = sum(costs.setup_of(division.files[number].file) for number in files) / costs.workers
    kinds = {costs.needs_of(file.file) for file in division.files}
    needs = frozenset[str]().union(*(costs.needs_of(division.files[number].file) for number in files))
    services = costs.start_up(needs) if len(kinds) > 1 else 0.0
    return work + setup + services
