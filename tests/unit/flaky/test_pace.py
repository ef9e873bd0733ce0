"""Cases that became slower, and what must not be taken for it."""

from __future__ import annotations

import random

import pytest

from ci_itest.flaky.pace import Pace, PaceChange, fold_seconds

CASES = range(40)


def changes_over(runs: int, *, factor: dict[int, float], start: int = 40, slow_run: int = -1) -> list[PaceChange]:
    """Runs of 40 cases of one second each that vary by a tenth; from `start` on some take longer."""
    noise = random.Random(1)
    known: dict[int, Pace] = {}
    found: list[PaceChange] = []
    for run in range(runs):
        machine = 3.0 if run == slow_run else 1.0
        seconds = [
            machine * noise.lognormvariate(0, 0.1) * (factor.get(case, 1.0) if run >= start else 1.0) for case in CASES
        ]
        known, changes = fold_seconds(known, list(CASES), seconds)
        found += changes
    return found


def test_a_case_that_takes_half_as_long_again_is_found_with_its_times() -> None:
    (change,) = changes_over(60, factor={7: 1.5})

    assert change.case == 7
    assert change.is_slower
    assert change.ratio == pytest.approx(1.5, rel=0.3)
    assert 1 <= change.runs <= 15


def test_a_case_that_became_faster_is_found() -> None:
    (change,) = changes_over(60, factor={7: 0.5})

    assert change.case == 7
    assert not change.is_slower


def test_nothing_is_found_where_nothing_changed() -> None:
    assert changes_over(120, factor={}) == []


def test_a_slow_machine_makes_no_case_slower() -> None:
    assert changes_over(80, factor={}, slow_run=50) == []


def test_a_case_known_for_few_runs_is_not_judged() -> None:
    assert changes_over(15, factor={7: 3.0}, start=10) == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_no_change(seconds: float) -> None:
    known: dict[int, Pace] = {}
    found: list[PaceChange] = []
    for run in range(60):
        known, changes = fold_seconds(known, [1, 2, 3], [1.0, 1.0, seconds if run == 40 else 1.0])
        found += changes

    assert found == []


def test_a_change_counts_though_the_run_that_shows_it_was_quick() -> None:
    usual = [1.0, 1.1, 0.9, 1.05, 0.95] * 8
    known: dict[int, Pace] = {}
    found: list[PaceChange] = []
    # Six runs take half as long again; the one in which the sum passes is quick by chance.
    for taken in [*usual, *[1.45] * 6, *[1.1] * 30]:
        known, changes = fold_seconds(known, list(CASES), [taken if case == 7 else 1.0 for case in CASES])
        found += changes

    assert [(change.case, change.is_slower) for change in found] == [(7, True)]
