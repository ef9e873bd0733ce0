"""The marker of a comment: what it carries, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ci_itest.github.comments import Marker, comment_key, marker_of


def test_a_marker_is_an_html_comment_that_is_read_back() -> None:
    marker = Marker("ci.yml/main", run_id=7001, run_attempt=2)

    assert marker.line == "<!-- ci-itest:report key=ci.yml/main run=7001 attempt=2 -->"
    assert marker_of(f"{marker.line}\n## Report") == marker
    assert marker_of(f"{marker.line}\r\n## Report") == marker


def test_a_marker_without_a_run_is_older_than_any() -> None:
    marker = marker_of("<!-- ci-itest:report key=main -->\n## Report")

    assert marker == Marker("main", run_id=0, run_attempt=0)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "## Report",
        "> <!-- ci-itest:report key=main run=1 attempt=1 -->",
        "Look:\n<!-- ci-itest:report key=main run=1 attempt=1 -->",
        "<!-- ci-itest:report key=main run=1 attempt=1 --> and more",
        "<!-- ci-itest:report key=a--b run=1 attempt=1 -->",
        "<!-- ci-itest:report key=main run=-1 attempt=1 -->",
        "<!-- another:report key=main run=1 attempt=1 -->",
    ],
)
def test_a_text_that_does_not_begin_with_a_marker_has_none(body: str) -> None:
    assert marker_of(body) is None


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=3))
@example(["a--b", "->", "-->"])
@example(["---"])
@example(["Integration tests (PR)", "ü"])
def test_any_parts_make_a_key_that_can_be_carried(parts: list[str]) -> None:
    marker = Marker(comment_key(*parts) or "x", run_id=1, run_attempt=1)

    assert marker_of(marker.line) == marker
    assert marker.line.count("--") == 2


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), min_size=2, max_size=2, unique=True))
def test_two_names_make_two_keys(names: list[str]) -> None:
    assert comment_key("ci.yml", names[0]) != comment_key("ci.yml", names[1])


@pytest.mark.parametrize("key", ["", "a b", "a--b", "a>b", "a\nb", "ä"])
def test_a_key_that_could_end_the_html_comment_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="comment_key"):
        Marker(key, run_id=1, run_attempt=1)
