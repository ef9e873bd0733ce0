"""Times, shares and addresses in words."""

from __future__ import annotations

import pytest

from ci_itest.service.pages import words
from ci_itest.service.pages.addresses import Addresses, safe_url

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("hours", "said"),
    [(0, "just now"), (1, "1 hour ago"), (23, "23 hours ago"), (24, "1 day ago"), (500, "20 days ago")],
)
def test_how_long_ago_something_was(hours: int, said: str) -> None:
    assert words.ago(1_000_000 * HOUR - hours * HOUR, 1_000_000 * HOUR) == said


def test_how_long_something_lasts_still() -> None:
    assert words.left(10 * HOUR, 10 * HOUR) == "over"
    assert words.left(58 * HOUR, 10 * HOUR) == "2 days left"
    assert words.ago(0, HOUR) == "never"


@pytest.mark.parametrize(("share", "said"), [(0.07, "+7\u00a0%"), (-0.12, "−12\u00a0%"), (0.004, "as planned")])
def test_how_far_something_is_from_its_plan(share: float, said: str) -> None:
    assert words.off_plan(share) == said


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0 %"),
        (0.004, "0.4 %"),
        (0.03, "3 %"),
        (0.096, "10 %"),
        (0.5, "50 %"),
        (0.997, "99.7 %"),
        (0.9999, "> 99.9 %"),
        (1, "100 %"),
    ],
)
def test_a_share_is_never_rounded_up_to_all(share: float, said: str) -> None:
    assert words.percent(share) == said


@pytest.mark.parametrize(("seconds", "said"), [(4, "4 s"), (125, "2 min"), (7200, "2.0 h"), (360_000, "100 h")])
def test_ci_time_has_the_digits_that_matter(seconds: float, said: str) -> None:
    assert words.hours(seconds) == said


def test_addresses_hold_what_they_are_given_and_nothing_else_of_it() -> None:
    to = Addresses("/ci", "acme/shop")

    assert to.page("flaky", owner="@a/b&c", state="", page=2) == "/ci/r/acme/shop/flaky?owner=%40a%2Fb%26c&page=2"
    assert to.run('1/"><script>', 2) == "/ci/r/acme/shop/runs/2/1%2F%22%3E%3Cscript%3E"
    assert Addresses("", "a\ud800/b").overview == "/r/a%3F/b"


def test_only_what_can_be_on_github_is_linked_there() -> None:
    to = Addresses("", "acme/shop")

    assert to.ci_run("17", 2) == "https://github.com/acme/shop/actions/runs/17/attempts/2"
    assert to.commit("c0ffee1") == "https://github.com/acme/shop/commit/c0ffee1"
    assert (to.ci_run("local-17"), to.commit("../../evil"), to.pull(0)) == ("", "", "")
    assert Addresses("", "<script>/x").ci_run("17") == ""


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "data:text/html,x", "", "https://a\nb"])
def test_an_address_that_could_do_harm_is_no_link(url: str) -> None:
    assert safe_url(url) == ""
