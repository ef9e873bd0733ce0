from __future__ import annotations

import pytest

from ci_itest.reporting.wording import and_more, difference, duration, joined, moment, number, plural, times


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0 s"),
        (0.0, "0 s"),
        (0.0001, "1 ms"),
        (0.084, "84 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.10 s"),
        (0.84, "0.84 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (42.06, "42.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1m 0s"),
        (372.0, "6m 12s"),
        (3599.4, "59m 59s"),
        (3599.6, "1h 00m"),
        (3900.0, "1h 05m"),
        (90000.0, "25h 00m"),
    ],
)
def test_a_duration_has_the_precision_a_reader_uses(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 tests"), (1, "1 test"), (2, "2 tests"), (4812, "4,812 tests"), (1_000_000, "1,000,000 tests")],
)
def test_only_one_thing_is_singular(count: int, words: str) -> None:
    assert plural(count, "test") == words


def test_a_plural_that_is_no_s_is_given() -> None:
    assert plural(2, "entry", "entries") == "2 entries"


def test_thousands_are_separated() -> None:
    assert number(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("real", "planned", "words"),
    [
        (107.0, 100.0, "+7\u00a0%"),
        (88.0, 100.0, "−12\u00a0%"),
        (100.4, 100.0, "as planned"),
        (5.0, 0.0, ""),
        (3000.0, 100.0, "+2,900\u00a0%"),
    ],
)
def test_a_difference_is_signed_and_nothing_without_a_plan(real: float, planned: float, words: str) -> None:
    assert difference(real, planned) == words


@pytest.mark.parametrize(
    ("words", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_ends_with_and(words: list[str], sentence: str) -> None:
    assert joined(words) == sentence


@pytest.mark.parametrize(
    ("count", "noun", "words"),
    [(0, "", ""), (12, "", "…and 12 more"), (1, "file", "…and 1 more file"), (2000, "file", "…and 2,000 more files")],
)
def test_what_is_left_out_is_counted(count: int, noun: str, words: str) -> None:
    assert and_more(count, noun) == words


@pytest.mark.parametrize(
    ("iso", "words"),
    [
        ("2026-03-04T10:41:00+00:00", "4 Mar 2026, 10:41 UTC"),
        ("2026-03-04T01:05:00+02:00", "3 Mar 2026, 23:05 UTC"),
        ("2026-03-04T10:41:00Z", "4 Mar 2026, 10:41 UTC"),
        ("", ""),
        ("soon", "soon"),
    ],
)
def test_a_time_is_said_in_utc(iso: str, words: str) -> None:
    assert moment(iso) == words


def test_a_ratio_has_two_digits() -> None:
    assert times(1.0912) == "1.09×"
