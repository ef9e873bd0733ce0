"""What trouble with GitHub costs: deadlines, rate limits, cut-off answers, answers that are known already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.github.comments import Marker, upsert
from ci_itest.github.transport import Patience
from tests.helpers.github import GitHub, running

COMMENTS = "/issues/5/comments"
HASTY = Patience(attempt_seconds=0.2, trouble_seconds=0.5, download_seconds=0.2)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.pull_request()
        yield double


@pytest.fixture
def pauses() -> list[float]:
    return []


def api(github: GitHub, pauses: list[float], *, patience: Patience | None = None, prefix: str = "") -> GitHubApi:
    return GitHubApi(github.url + prefix, github.token, repository="acme/shop", patience=patience, pause=pauses.append)


@pytest.mark.parametrize("fault", [{"latency_seconds": 60}, {"drip_seconds": 0.05}], ids=["silence", "a drip"])
def test_an_answer_that_does_not_end_is_given_up_in_time(
    fault: dict[str, Any], github: GitHub, pauses: list[float]
) -> None:
    github.fail("/pulls/5", times=9, **fault)
    started = time.monotonic()

    with pytest.raises(GitHubError, match=r"no answer from 127.*TimeoutError|ReadTimeout|no answer") as caught:
        api(github, pauses, patience=HASTY).pull_request(5)

    assert caught.value.status == 0
    assert time.monotonic() - started < 5


def test_after_too_much_trouble_nothing_is_asked_any_more(github: GitHub, pauses: list[float]) -> None:
    github.fail("/pulls/5", latency_seconds=60, times=9)
    client = api(github, pauses, patience=Patience(attempt_seconds=0.2, trouble_seconds=0.2))
    with pytest.raises(GitHubError):
        client.pull_request(5)
    asked = len(github.requests)

    with pytest.raises(GitHubError, match="is not asked any more after 0 s of trouble"):
        client.comments(5)

    assert len(github.requests) == asked


def test_failures_of_all_calls_share_one_budget_of_pauses(github: GitHub, pauses: list[float]) -> None:
    github.fail("", status=502, times=99)
    client = api(github, pauses)

    for _ in range(20):
        with pytest.raises(GitHubError):
            client.comments(5)

    assert sum(pauses) < 10


@pytest.mark.parametrize(
    "fault", [{"truncates": True}, {"status": 200, "body": '{"cut of'}], ids=["cut off", "cut off without a length"]
)
def test_an_answer_that_is_cut_off_is_asked_for_again(
    fault: dict[str, Any], github: GitHub, pauses: list[float]
) -> None:
    github.fail("/pulls/5", **fault)

    assert api(github, pauses).pull_request(5).number == 5
    assert pauses == [0.5]


def test_a_cut_off_answer_to_a_new_comment_makes_no_second_one(github: GitHub, pauses: list[float]) -> None:
    github.fail(COMMENTS, method="POST", truncates=True)

    upsert(api(github, pauses), 5, "words", Marker("main", 10, 1))

    assert len(github.bodies()) == 1


def http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)
"""The server's clock, years ahead of ours."""


@pytest.mark.parametrize(
    ("status", "headers", "message", "waited"),
    [
        (429, {"Retry-After": "7"}, "slow down", [7]),
        (403, {"Retry-After": "30"}, "You have exceeded a secondary rate limit", [30]),
        (429, {"Retry-After": http_date(NOW + timedelta(seconds=9))}, "slow down", [9]),
        (403, {}, "You have exceeded a secondary rate limit. Please wait a few minutes.", [60]),
        (429, {}, "slow down", [60]),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 40)},
            "API rate limit exceeded for installation.",
            [41],
        ),
    ],
    ids=["429 named", "secondary named", "a date", "secondary unnamed", "429 unnamed", "primary"],
)
def test_a_rate_limit_is_waited_for_by_the_servers_clock(
    status: int, headers: dict[str, str], message: str, waited: list[float], github: GitHub, pauses: list[float]
) -> None:
    github.fail(COMMENTS, status=status, message=message, headers={"Date": http_date(NOW), **headers})

    made = api(github, pauses).create_comment(5, "words")

    assert pauses == waited
    assert [body for _, body in github.bodies()] == [made.body]


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "121"},
        {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 2400)},
    ],
    ids=["named", "primary, forty minutes ahead"],
)
def test_a_limit_beyond_the_budget_is_not_waited_for(
    headers: dict[str, str], github: GitHub, pauses: list[float]
) -> None:
    github.fail("", status=403, message="API rate limit exceeded", headers={"Date": http_date(NOW), **headers})

    with pytest.raises(GitHubError, match=r"403 a rate limit is reached for another \d+ s") as caught:
        api(github, pauses).pull_request(5)

    assert caught.value.status == 403
    assert pauses == []


def test_all_waits_for_limits_share_two_minutes(github: GitHub, pauses: list[float]) -> None:
    github.fail("", status=429, headers={"Retry-After": "50"}, times=99)
    client = api(github, pauses)

    for _ in range(3):
        with pytest.raises(GitHubError):
            client.pull_request(5)

    assert pauses == [50, 50]


def test_a_missing_permission_is_no_rate_limit(github: GitHub, pauses: list[float]) -> None:
    github.fail("", status=403, message="Resource not accessible by integration")

    with pytest.raises(GitHubError, match="403 Resource not accessible"):
        api(github, pauses).pull_request(5)

    assert pauses == []


def test_what_is_known_already_is_not_sent_again(github: GitHub, pauses: list[float]) -> None:
    github.comment("one")
    client = api(github, pauses)

    first, again = client.comments(5), client.comments(5)
    github.comment("two")
    later = client.comments(5)

    assert first == again
    assert [comment.body for comment in later] == ["one", "two"]
    assert [request["status"] for request in github.state["requests"]] == [200, 304, 200]


def test_a_server_of_ones_own_is_asked_below_its_path(github: GitHub, pauses: list[float]) -> None:
    for number in range(101):
        github.comment(f"comment {number}")
    client = api(github, pauses, prefix="/api/v3")

    assert client.pull_request(5).number == 5
    assert len(client.comments(5)) == 101
    assert [request["under"] for request in github.state["requests"]] == ["/api/v3"] * 3


def test_a_client_asks_no_more_often_than_it_may(github: GitHub, pauses: list[float]) -> None:
    client = api(github, pauses, patience=Patience(calls=2))
    client.pull_request(5)
    client.comments(5)

    with pytest.raises(GitHubError, match="more than 2 calls"):
        client.timeline(5)

    assert len(github.requests) == 2


def test_a_download_that_does_not_end_is_given_up_and_leaves_no_file(
    github: GitHub, pauses: list[float], tmp_path: Path
) -> None:
    archive = tmp_path / "there.zip"
    archive.write_bytes(b"x" * 10_000)
    github.run(77)
    github.artifact(77, "bundle", file=archive)
    (found,) = api(github, pauses).artifacts("77")
    github.fail("/_storage", drip_seconds=0.05, times=9)

    with pytest.raises(GitHubError, match="the storage server broke off"):
        api(github, pauses, patience=HASTY).download(found, tmp_path / "here.zip")

    assert not (tmp_path / "here.zip").exists()
