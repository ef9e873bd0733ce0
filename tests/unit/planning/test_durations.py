from __future__ import annotations

import pytest

from ci_itest.planning.durations import UNKNOWN_CASE_SECONDS, expected_seconds, file_units
from tests.helpers.plans import timings


def test_one_outlier_does_not_move_the_expectation() -> None:
    assert expected_seconds(timings("a.py", 9.0, 1.0, 1.1, 1.0, 0.9).runs) == pytest.approx(1.0)


def test_a_lasting_change_shows_after_three_runs() -> None:
    assert expected_seconds(timings("a.py", 5.0, 5.1, 5.2, 1.0, 1.0).runs) >= 5.0


def test_runs_older_than_the_newest_five_do_not_count() -> None:
    assert expected_seconds(timings("a.py", 1.0, 1.0, 1.0, 1.0, 1.0, 99.0, 99.0, 99.0).runs) == 1.0


def test_a_known_file_takes_the_sum_of_its_cases() -> None:
    history = [timings("a.py", 2.0, name="test_x"), timings("a.py", 3.0, name="test_y")]

    (unit,) = file_units(["a.py"], timings=history, case_counts={})

    assert (unit.expected_seconds, unit.case_count, unit.is_known) == (5.0, 2, True)


def test_a_new_file_takes_its_cases_times_the_mean_case() -> None:
    history = [timings("a.py", 2.0, name="test_x"), timings("a.py", 4.0, name="test_y")]

    units = file_units(["a.py", "new.py"], timings=history, case_counts={"new.py": 3})

    assert (units[1].expected_seconds, units[1].is_known) == (9.0, False)


def test_cases_of_files_that_are_gone_do_not_count() -> None:
    history = [timings("a.py", 2.0), timings("gone.py", 100.0)]

    units = file_units(["a.py", "new.py"], timings=history, case_counts={"new.py": 1})

    assert [unit.expected_seconds for unit in units] == [2.0, 2.0]


def test_without_any_history_files_weigh_by_their_cases() -> None:
    units = file_units(["b.py", "a.py"], timings=[], case_counts={"a.py": 5, "b.py": 0})

    assert [(unit.file, unit.expected_seconds) for unit in units] == [
        ("a.py", 5 * UNKNOWN_CASE_SECONDS),
        ("b.py", UNKNOWN_CASE_SECONDS),
    ]
