from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from ci_itest.model.run import Conclusion
from ci_itest.reporting.badge import badge
from ci_itest.reporting.headline import Counts
from tests.helpers.hostile import HOSTILE

COUNTS = Counts(passed=4_812, failed=3)


@pytest.mark.parametrize(
    ("conclusion", "words"),
    [
        (Conclusion.SUCCESS, "4,812 passed"),
        (Conclusion.FAILURE, "3 of 4,815 failed"),
        (Conclusion.INCOMPLETE, "incomplete"),
        (Conclusion.NOTHING, "nothing ran"),
        (Conclusion.BYPASSED, "bypassed"),
    ],
)
def test_the_picture_says_what_the_run_came_to(conclusion: Conclusion, words: str) -> None:
    picture = ElementTree.fromstring(badge("Integration tests", conclusion, COUNTS))

    assert picture.get("aria-label") == f"Integration tests: {words}"
    assert [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")] == ["Integration tests", words]


@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_adds_an_element(title: str) -> None:
    def tags(text: str) -> list[str]:
        return [one.tag for one in ElementTree.fromstring(badge(text, Conclusion.SUCCESS, COUNTS)).iter()]

    assert tags(title) == tags("plain")
