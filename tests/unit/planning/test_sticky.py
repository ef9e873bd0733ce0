from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ci_itest.planning.costs import Costs
from ci_itest.planning.division import divide
from ci_itest.planning.sticky import divide_near, home_of, homes_of
from ci_itest.planning.work import FileWork
from tests.helpers.works import by_case, files_on, parts_of, placed, suites, whole

FREE = Costs()


def test_an_even_division_stays_as_it_is() -> None:
    files = whole(a=5, b=5, c=5, d=5)
    homes = {"tests/a.py": [("", 2)], "tests/b.py": [("", 1)], "tests/c.py": [("", 2)], "tests/d.py": [("", 1)]}

    division = divide_near(files, homes, shard_count=2, costs=FREE)

    assert files_on(division) == [["tests/b.py", "tests/d.py"], ["tests/a.py", "tests/c.py"]]


def test_only_what_the_imbalance_asks_for_moves() -> None:
    files = [by_case(f"tests/test_{number}.py", 10.0) for number in range(20)]
    homes = homes_of(divide(files, shard_count=4, costs=FREE))
    slower = [replace(work, seconds=(14.0,)) if work.file == "tests/test_3.py" else work for work in files]

    before, after = homes, homes_of(divide_near(slower, homes, shard_count=4, costs=FREE))

    assert sum(before[work.file] != after[work.file] for work in files) <= 1


def test_a_new_file_goes_where_there_is_room() -> None:
    homes = {"tests/a.py": [("", 1)], "tests/b.py": [("", 2)]}

    division = divide_near(whole(a=9, b=2, new=6), homes, shard_count=2, costs=FREE)

    assert files_on(division) == [["tests/a.py"], ["tests/b.py", "tests/new.py"]]


def test_shards_that_are_no_more_give_up_their_files() -> None:
    files = whole(a=5, b=5, c=5, d=5)
    homes = {work.file: [("", number)] for number, work in enumerate(files, start=1)}

    division = divide_near(files, homes, shard_count=2, costs=FREE)

    assert [len(pieces) for pieces in division.shards] == [2, 2]


def test_a_file_in_pieces_stays_in_the_same_pieces() -> None:
    file = by_case("tests/a.py", *[1.0] * 10)
    homes = {"tests/a.py": [("", 2), ("test_004", 1)]}

    division = divide_near([file], homes, shard_count=2, costs=Costs(default_file_setup=10.0))

    assert homes_of(division) == {"tests/a.py": [("", 2), ("test_004", 1)]} or division.longest_seconds <= 15.0


def test_a_name_lies_in_the_piece_that_starts_before_it() -> None:
    places = [("", 3), ("test_m", 1)]

    assert [home_of(places, name) for name in ("", "test_a", "test_m", "test_z")] == [3, 3, 1, 1]


@settings(max_examples=60)
@given(
    suite=suites.filter(bool),
    shard_count=st.integers(1, 6),
    setup=st.sampled_from([0.0, 5.0]),
    allowed=st.sampled_from([0.0, 0.03, 0.5]),
    seed=st.integers(),
)
def test_it_is_never_slower_than_its_allowance(
    suite: list[FileWork], shard_count: int, setup: float, allowed: float, seed: int
) -> None:
    chance = random.Random(seed)
    costs = Costs(default_file_setup=setup)
    homes = {
        work.file: sorted({("", chance.randint(1, 7)), (chance.choice(work.starts) or "test_0", chance.randint(1, 7))})
        for work in suite
        if chance.random() < 0.8
    }

    near = divide_near(suite, homes, shard_count=shard_count, costs=costs, allowed_imbalance=allowed)

    fresh = divide(suite, shard_count=shard_count, costs=costs)
    assert near.longest_seconds <= fresh.longest_seconds * (1 + allowed) * (1 + 1e-6)
    assert placed(near) == parts_of(suite)
