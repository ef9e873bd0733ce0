from __future__ import annotations

import pytest

from ci_itest.reporting.causes import failure_message, group_by_cause, masked
from tests.helpers.runs import failed, missing


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("row 17 is locked", "row # is locked"),
        ("took 1,234.56 s", "took # s"),
        ("order 7f9c24e8-3b12-4fef-91d8-0a3d1c2b4e5f is gone", "order # is gone"),
        ("<Cart object at 0x7f3c9a1b2c40>", "<Cart object at #>"),
        ("commit 3f9c2ab41d is unknown", "commit # is unknown"),
        ("refused by 127.0.0.1:5432", "refused by #"),
        ("two\n  lines", "two lines"),
        ("no digits here", "no digits here"),
    ],
)
def test_what_changes_from_run_to_run_is_masked(message: str, key: str) -> None:
    assert masked(message) == key


def test_failures_with_one_message_are_one_cause_over_files() -> None:
    failures = [
        failed("test_a", "OperationalError: connection to 127.0.0.1:5432 refused", file="tests/a.py"),
        failed("test_b", "OperationalError: connection to 127.0.0.1:5433 refused", file="tests/b.py"),
        failed("test_c", "KeyError: missing region code", file="tests/c.py"),
    ]

    causes = group_by_cause(failures)

    assert [len(cause.cases) for cause in causes] == [2, 1]
    assert causes[0].message == "OperationalError: connection to 127.0.0.1:5432 refused"


def test_bare_assertions_of_two_files_are_two_causes() -> None:
    failures = [
        failed("test_a", "assert 3 == 4", file="tests/a.py"),
        failed("test_b", "assert 5 == 6", file="tests/b.py"),
    ]

    assert len(group_by_cause(failures)) == 2


def test_the_same_bare_assertion_in_one_file_is_one_cause() -> None:
    failures = [
        failed("test_a[1]", "AssertionError: assert 3 == 4"),
        failed("test_a[2]", "AssertionError: assert 3 == 4"),
    ]

    assert len(group_by_cause(failures)) == 1


def test_failures_without_any_text_are_never_put_together() -> None:
    assert len(group_by_cause([failed("test_a", ""), failed("test_b", "")])) == 2


def test_the_cause_with_most_cases_comes_first() -> None:
    failures = [
        failed("a", "one kind of trouble"),
        failed("b", "another sort of thing"),
        failed("c", "another sort of thing"),
    ]

    assert [len(cause.cases) for cause in group_by_cause(failures)] == [2, 1]


def test_the_last_line_of_the_details_stands_for_a_missing_message() -> None:
    assert failure_message(failed("test_a", "", details="Traceback\nKeyError: 'sku'\n")) == "KeyError: 'sku'"


def test_a_case_without_a_result_says_its_note() -> None:
    assert failure_message(missing("test_a", "was running when the shard was stopped")) == (
        "was running when the shard was stopped"
    )


def test_numbers_as_long_as_a_novel_do_not_slow_the_grouping_down() -> None:
    assert masked("1" * 5_000_000) == "#"
