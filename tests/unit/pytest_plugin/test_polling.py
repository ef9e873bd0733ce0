"""`eventually`: what it returns, and what it says when it is never so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ci_itest.pytest_plugin.polling import eventually


def test_it_returns_the_first_thing_that_is_true() -> None:
    seen: Iterator[object] = iter([0, None, [], "here"])

    assert eventually(lambda: next(seen), within=5, every=0) == "here"


def test_until_says_what_counts() -> None:
    seen = iter([3, 2, 0])

    assert eventually(lambda: next(seen), until=lambda count: count == 0, within="5s", every=0) == 0


def test_an_assertion_is_made_again() -> None:
    seen = iter([1, 2, 3])

    def check() -> bool:
        assert next(seen) == 3
        return True

    assert eventually(check, every=0)


def test_it_says_what_was_last_seen() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"Not so within 0 s; last seen: \['pending'\]"):
        eventually(lambda: ["pending"], until=lambda seen: not seen, within=0)


def test_it_says_which_assertion_failed_last() -> None:
    def check() -> None:
        raise AssertionError("2 orders")

    with pytest.raises(pytest.fail.Exception, match="last seen: 2 orders"):
        eventually(check, within=0)


def test_a_check_that_is_broken_is_not_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 // 0, within=60)


def test_a_deadline_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="soon"):
        eventually(lambda: True, within="soon")
