from __future__ import annotations

import pytest

from ci_itest.junit.numbers import count, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.25", 0.25),
        ("1,234.567", 1234.567),
        ("1.234,5", 1234.5),
        ("1,234", 1234.0),
        ("0,5", 0.5),
        ("1e-3", 0.001),
        ("PT1.5S", 1.5),
        ("PT1H2M3S", 3723.0),
        ("250 ms", 0.25),
        ("2s", 2.0),
        ("", 0.0),
        ("-0.01", 0.0),
        ("inf", 0.0),
        ("NaN", 0.0),
        ("1e300", 0.0),
        ("<<computed>>", 0.0),
    ],
)
def test_durations_are_read_however_they_are_written(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3), ("1,234", 1234), ("2.0", 2), ("", -1), (None, -1), ("NaN", -1), ("many", -1), ("9" * 5000, -1)],
)
def test_counts_are_read_or_are_none(text: str | None, expected: int) -> None:
    assert count(text) == expected
