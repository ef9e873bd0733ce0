"""One comment a pull request, against the double: twins, strangers, older runs, refusals, lost answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.github.comments import Marker, Posted, PostState, upsert
from tests.helpers.github import ACTIONS, GitHub, running

COMMENTS = "/issues/5/comments"
BODY = "<!-- ci-itest:report key=main -->\n## All fine\n\nThe rest."


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.pull_request()
        yield double


def marker(run_id: int = 10, *, attempt: int = 1, key: str = "main") -> Marker:
    return Marker(key, run_id=run_id, run_attempt=attempt)


def text(run_id: int, words: str = "before", *, attempt: int = 1, key: str = "main") -> str:
    return f"{marker(run_id, attempt=attempt, key=key).line}\n{words}"


def post(github: GitHub, by: Marker | None = None, *, token: str = "", body: str = BODY, create: bool = True) -> Posted:
    api = GitHubApi(github.url, token or github.token, repository="acme/shop", pause=lambda _seconds: None)
    return upsert(api, 5, body, by or marker(), create=create)


def written(github: GitHub) -> list[str]:
    """Methods of the calls that change something."""
    return [method for method, _ in github.requests if method != "GET"]


def test_the_first_report_makes_a_comment_with_the_whole_marker(github: GitHub) -> None:
    posted = post(github)

    assert github.bodies() == [
        (ACTIONS, "<!-- ci-itest:report key=main run=10 attempt=1 -->\n## All fine\n\nThe rest.")
    ]
    assert posted == Posted(PostState.CREATED, f"https://github.com/acme/shop/pull/5#issuecomment-{last_id(github)}")
    assert len(github.requests) == 3


def last_id(github: GitHub) -> int:
    return int(github.state["comments"][-1]["id"])


def test_a_body_without_a_marker_gets_one(github: GitHub) -> None:
    post(github, body="## All fine")

    assert github.bodies() == [(ACTIONS, f"{marker().line}\n## All fine")]


def test_the_next_report_changes_the_comment_in_place(github: GitHub) -> None:
    post(github, marker(10))

    posted = post(github, marker(11))

    assert posted.state is PostState.UPDATED
    assert [body.splitlines()[0] for _, body in github.bodies()] == [marker(11).line]
    assert written(github) == ["POST", "PATCH"]


def test_a_second_attempt_replaces_the_first_and_the_same_attempt_itself(github: GitHub) -> None:
    github.comment(text(10, attempt=1))

    assert post(github, marker(10, attempt=2)).state is PostState.UPDATED
    assert post(github, marker(10, attempt=2)).state is PostState.UPDATED


@pytest.mark.parametrize("shown", [(11, 1), (10, 3)], ids=["later run", "later attempt"])
def test_an_older_run_never_writes_over_a_newer_one(shown: tuple[int, int], github: GitHub) -> None:
    comment_id = github.comment(text(shown[0], attempt=shown[1]))

    posted = post(github, marker(10, attempt=2))

    assert posted == Posted(PostState.OUTDATED, f"https://github.com/acme/shop/pull/5#issuecomment-{comment_id}")
    assert written(github) == []


def test_run_ids_are_compared_as_numbers(github: GitHub) -> None:
    github.comment(text(9))

    assert post(github, marker(10)).state is PostState.UPDATED


def test_a_comment_of_another_key_is_left_alone(github: GitHub) -> None:
    github.comment(text(10, "theirs", key="nightly"))

    assert post(github).state is PostState.CREATED

    assert github.bodies()[0] == (ACTIONS, text(10, "theirs", key="nightly"))


@pytest.mark.parametrize("author", ["mallory", "acme-robot", "other-app[bot]", ""])
def test_a_strangers_comment_with_our_marker_is_never_changed(author: str, github: GitHub) -> None:
    github.comment(text(9, "mine!"), author=author)
    github.comment(text(999_999, "newer than anything"), author=author)

    assert post(github).state is PostState.CREATED
    assert post(github, marker(11)).state is PostState.UPDATED

    assert github.bodies()[:2] == [(author, text(9, "mine!")), (author, text(999_999, "newer than anything"))]
    assert len(github.bodies()) == 3


def test_a_personal_token_finds_its_own_comment(github: GitHub) -> None:
    github.comment(text(9, "of the bot"), author=ACTIONS)
    github.comment(text(9, "of the robot"), author="acme-robot")

    assert post(github, token=github.robot_token).state is PostState.UPDATED

    assert [author for author, body in github.bodies() if "All fine" in body] == ["acme-robot"]


def test_our_comment_is_found_on_the_third_page(github: GitHub) -> None:
    for number in range(230):
        github.comment(f"talk {number}", author="alice")
    github.comment(text(9))

    assert post(github).state is PostState.UPDATED

    assert len(github.bodies()) == 231


def test_twins_become_one(github: GitHub) -> None:
    first = github.comment(text(8))
    github.comment(text(9))
    github.comment("talk", author="alice")

    posted = post(github)

    assert posted.url.endswith(f"issuecomment-{first}")
    assert [author for author, _ in github.bodies()] == [ACTIONS, "alice"]


def test_a_newer_twin_keeps_an_older_run_away(github: GitHub) -> None:
    github.comment(text(8))
    github.comment(text(11))

    assert post(github, marker(10)).state is PostState.OUTDATED

    assert len(github.bodies()) == 2


def test_without_leave_to_make_one_only_a_comment_that_is_there_is_updated(github: GitHub) -> None:
    assert post(github, create=False) == Posted(PostState.ABSENT)
    assert github.bodies() == []

    post(github, create=True)

    assert post(github, marker(11), create=False).state is PostState.UPDATED


def test_a_comment_deleted_in_between_is_made_anew(github: GitHub) -> None:
    github.comment(text(9))
    github.fail("/issues/comments/", method="PATCH", status=404, message="Not Found")

    assert post(github).state is PostState.CREATED


def test_a_locked_conversation_is_told(github: GitHub) -> None:
    github.pull_request(locked=True)

    with pytest.raises(GitHubError, match="issue is locked") as caught:
        post(github)

    assert caught.value.status == 403
    assert written(github) == ["POST"]


def test_a_closed_pull_request_still_gets_its_report(github: GitHub) -> None:
    github.pull_request(state="closed")

    assert post(github).state is PostState.CREATED


def test_a_read_only_token_is_told_and_tries_once(github: GitHub) -> None:
    with pytest.raises(GitHubError, match="Resource not accessible by integration") as caught:
        post(github, token=github.read_only_token)

    assert caught.value.status == 403
    assert written(github) == ["POST"]


def test_a_body_that_is_too_long_is_told(github: GitHub) -> None:
    with pytest.raises(GitHubError, match="Body is too long") as caught:
        post(github, body="x" * 66_000)

    assert caught.value.status == 422


def test_a_lost_answer_makes_no_second_comment(github: GitHub) -> None:
    github.fail(COMMENTS, method="POST", loses_answer=True)

    posted = post(github)

    assert posted.state is PostState.CREATED
    assert len(github.bodies()) == 1
    assert written(github) == ["POST"]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failure_that_made_no_comment_is_tried_once_more(status: int, github: GitHub) -> None:
    github.fail(COMMENTS, method="POST", status=status)

    assert post(github).state is PostState.CREATED

    assert len(github.bodies()) == 1
    assert written(github) == ["POST", "POST"]


def test_two_failures_in_a_row_are_told(github: GitHub) -> None:
    github.fail(COMMENTS, method="POST", status=502, times=9)

    with pytest.raises(GitHubError, match="Cannot comment on #5: 502") as caught:
        post(github)

    assert caught.value.status == 502
    assert written(github) == ["POST", "POST"]


# Two runs at once --------------------------------------------------------------------------------------------------


def test_a_newer_run_that_writes_between_look_and_write_is_left_alone(github: GitHub) -> None:
    comment_id = github.comment(text(9))
    github.meanwhile.append(("GET", f"/issues/comments/{comment_id}", lambda: post(github, marker(11))))

    posted = post(github, marker(10))

    assert posted.state is PostState.OUTDATED
    assert marker(11).line in github.bodies()[0][1]


def test_a_newer_run_puts_back_what_an_older_one_wrote_over(github: GitHub) -> None:
    comment_id = github.comment(text(9))

    def older_run_writes() -> None:
        for fact in github.state["comments"]:
            fact["body"] = text(10, "older")

    def when_it_settles() -> None:
        github.meanwhile.append(("GET", f"/issues/comments/{comment_id}", older_run_writes))

    github.meanwhile.append(("PATCH", f"/issues/comments/{comment_id}", when_it_settles))

    post(github, marker(11))

    assert marker(11).line in github.bodies()[0][1]
    assert written(github) == ["PATCH", "PATCH"]


@pytest.mark.parametrize(("mine", "other"), [(10, 11), (11, 10)])
def test_of_two_first_comments_made_at_once_the_newer_stays(mine: int, other: int, github: GitHub) -> None:
    github.meanwhile.append(("POST", COMMENTS, lambda: github.comment(text(other))))

    posted = post(github, marker(mine))

    ((_, body),) = github.bodies()
    assert marker(11).line in body
    assert posted.state is (PostState.CREATED if mine == 11 else PostState.OUTDATED)


def test_an_outdated_attempt_that_ends_late_changes_nothing(github: GitHub) -> None:
    post(github, marker(10, attempt=2))

    assert post(github, marker(10, attempt=1)).state is PostState.OUTDATED
    assert marker(10, attempt=2).line in github.bodies()[0][1]


def test_a_conversation_beyond_seven_pages_keeps_its_report_in_the_summary(github: GitHub) -> None:
    for number in range(701):
        github.comment(f"talk {number}", author="alice")

    with pytest.raises(GitHubError, match="more than 7 pages"):
        post(github)

    assert len(github.requests) == 7
