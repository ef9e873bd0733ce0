"""Small pictures: places and colours that follow from values alone."""

from __future__ import annotations

import random

import pytest

from ci_itest.service.pages.pictures import change_point, heat, quantile, spark, strip


def around(seconds: float, count: int, *, seed: int) -> list[float]:
    draw = random.Random(seed)
    return [seconds * draw.lognormvariate(0, 0.18) for _ in range(count)]


@pytest.mark.parametrize("ratio", [1.5, 2.0, 0.5])
def test_a_lasting_step_is_found_where_it_is(ratio: float) -> None:
    step = change_point([*around(2.0, 60, seed=1), *around(2.0 * ratio, 40, seed=2)])

    assert step is not None
    assert abs(step.place - 60) <= 2
    assert step.ratio == pytest.approx(ratio, rel=0.15)


@pytest.mark.parametrize("seed", range(40))
def test_durations_that_only_vary_have_no_step(seed: int) -> None:
    assert change_point(around(2.0, 100, seed=seed)) is None


def test_a_single_slow_run_is_no_step() -> None:
    values = around(2.0, 60, seed=3)
    values[30] = 40.0

    assert change_point(values) is None


def test_too_few_durations_have_no_step() -> None:
    assert change_point([1.0, 1.0, 9.0, 9.0]) is None
    assert change_point([]) is None


@pytest.mark.parametrize(("count", "most", "kind"), [(0, 9, "h0"), (1, 40, "h1"), (40, 40, "h4"), (1, 1, "h2")])
def test_a_day_is_as_hot_as_its_share_of_the_hottest(count: int, most: int, kind: str) -> None:
    assert heat(count, most=most) == kind


def test_a_strip_places_its_fields_side_by_side() -> None:
    picture = strip([("passed", "a", ""), ("failed", "b", "/x")], label="two", step=7, gap=1)

    assert [(cell.x, cell.width) for cell in picture.cells] == [(0, 6), (7, 6)]
    assert picture.width == 13


def test_a_line_stays_inside_its_picture_whatever_it_is_given() -> None:
    line = spark([0.0, float("nan"), float("inf"), 5.0], label="odd", width=100, height=20)

    places = [tuple(map(float, place.split(","))) for place in line.points.split()]
    assert all(0 <= x <= 100 and 0 <= y <= 20 for x, y in places)
    assert spark([], label="none").last is None


def test_the_middle_and_the_most_of_values() -> None:
    assert (quantile([3, 1, 2], 0.5), quantile([], 0.5), quantile([1], 0.95)) == (2, 0.0, 1)


def test_a_single_value_is_drawn_as_a_level() -> None:
    line = spark([4.0], label="")

    (left, height), (right, same) = (place.split(",") for place in line.points.split())
    assert height == same
    assert float(left) < float(right)
