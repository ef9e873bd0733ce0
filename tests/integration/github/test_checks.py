"""A check run and its annotations, against the double."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.github.checks import Check, Mark, publish_check
from tests.helpers.github import GitHub, running


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        yield double


def check(marks: int = 0, *, message: str = "409 == 201", title: str = "2 failed") -> Check:
    each = [Mark("tests/test_cart.py", number + 1, f"test_{number} failed", message) for number in range(marks)]
    return Check("Integration tests", "2" * 40, "failure", title, "words", each)


def published(github: GitHub, wanted: Check, *, token: str = "") -> str:
    api = GitHubApi(github.url, token or github.token, repository="acme/shop", pause=lambda _seconds: None)
    return publish_check(api, wanted)


@pytest.mark.parametrize(
    ("marks", "calls", "kept"), [(0, 1, 0), (50, 1, 50), (51, 2, 51), (100, 2, 100), (900, 2, 100)]
)
def test_annotations_come_in_batches_of_fifty(marks: int, calls: int, kept: int, github: GitHub) -> None:
    url = published(github, check(marks))

    (made,) = github.state["check_runs"]
    assert (made["conclusion"], made["name"]) == ("failure", "Integration tests")
    assert [annotation["start_line"] for annotation in made["annotations"]] == list(range(1, kept + 1))
    assert len(github.requests) == calls
    assert url.startswith("https://github.com/acme/shop/runs/")


def test_what_is_too_long_is_cut_to_githubs_limits(github: GitHub) -> None:
    published(github, check(1, message="ä" * 70_000, title="x" * 400))

    (made,) = github.state["check_runs"]
    assert len(made["output"]["title"]) == 255
    assert len(made["annotations"][0]["message"].encode()) <= 64 * 1024


def test_a_token_without_the_permission_is_told(github: GitHub) -> None:
    with pytest.raises(GitHubError, match="Resource not accessible") as caught:
        published(github, check(), token=github.read_only_token)

    assert caught.value.status == 403


@pytest.mark.parametrize("status", [500, 502])
def test_a_check_run_is_made_once_whatever_happens(status: int, github: GitHub) -> None:
    github.fail("/check-runs", status=status, times=9)

    with pytest.raises(GitHubError):
        published(github, check())

    assert len(github.requests) == 1
