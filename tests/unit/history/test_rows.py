from __future__ import annotations

import pytest

from ci_itest.history.rows import MAX_TEXT, packed, storable, to_epoch, to_iso, unpacked


@pytest.mark.parametrize("text", ["", "test_adds[eu]", "test_é", "🙂"])
def test_a_plain_text_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == text


@pytest.mark.parametrize(
    ("text", "stored"), [("a\0b", "a\\x00b"), ("a\udc80b", "a\\udc80b"), ("é\0\ud800", "é\\x00\\ud800")]
)
def test_what_a_database_refuses_is_spelled_out(text: str, stored: str) -> None:
    assert storable(text) == stored


def test_of_a_text_that_is_too_long_beginning_and_end_are_kept() -> None:
    kept = unpacked(packed("first line " + "x" * 10 * MAX_TEXT + " assert 1 == 2"))

    assert kept.startswith("first line ")
    assert kept.endswith(" assert 1 == 2")
    assert len(kept) <= MAX_TEXT + 3


def test_a_text_of_the_greatest_length_is_kept_whole() -> None:
    text = "é" * MAX_TEXT

    assert unpacked(packed(text)) == text


@pytest.mark.parametrize("time", ["2026-01-01T08:00:00+00:00", "2026-01-01T08:00:00.000001+00:00"])
def test_a_time_comes_back_as_it_was(time: str) -> None:
    assert to_iso(to_epoch(time)) == time
