"""The API client against the double: pages, faults, redirects, and where the token goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from ci_itest.model.github import ChangedFile, Job
from tests.helpers.github import GitHub, at, running

ISSUE_COMMENTS = "/repos/acme/shop/issues/5/comments"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.pull_request()
        yield double


def api(
    github: GitHub, *, token: str = "", pauses: list[float] | None = None, repository: str = "acme/shop"
) -> GitHubApi:
    waited = pauses if pauses is not None else []
    return GitHubApi(github.url, token or github.token, repository=repository, pause=waited.append)


def test_a_pull_request_is_read(github: GitHub) -> None:
    github.label("bug")

    found = api(github).pull_request(5)

    assert (found.number, found.head_sha, found.labels) == (5, "2" * 40, ("bug",))
    assert (found.changed_file_count, found.created_at) == (1, at(0))
    assert api(github).labels(5) == ("bug",)


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_a_list_has_the_items_of_all_pages_in_order(count: int, github: GitHub) -> None:
    for number in range(count):
        github.comment(f"comment {number}")

    found = api(github).comments(5)

    assert [comment.body for comment in found] == [f"comment {number}" for number in range(count)]
    assert len(github.requests) == max(1, -(-count // 100))


def test_a_renamed_file_tells_where_it_was_and_a_copied_one_does_not(github: GitHub) -> None:
    github.pull_request(
        files=[
            {"filename": "docs/a.md", "status": "renamed", "previous_filename": "src/a.py"},
            {"filename": "docs/b.md", "status": "copied", "previous_filename": "src/b.py"},
        ]
    )

    assert api(github).changed_files(5) == (ChangedFile("docs/a.md", "src/a.py"), ChangedFile("docs/b.md"))


def test_the_timeline_tells_who_and_when(github: GitHub) -> None:
    github.label("bug", actor="labeler[bot]", when=at(5))
    github.force_push("3" * 40, when=at(7))

    committed, labeled, pushed = api(github).timeline(5)

    assert (committed.kind, committed.at, committed.actor) == ("committed", at(0), "")
    assert (labeled.kind, labeled.at, labeled.actor, labeled.is_bot, labeled.label) == (
        "labeled",
        at(5),
        "labeler[bot]",
        True,
        "bug",
    )
    assert (pushed.kind, pushed.at, pushed.actor, pushed.is_bot) == ("head_ref_force_pushed", at(7), "alice", False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("admin", "admin"), ("maintain", "write"), ("triage", "read"), ("none", "none"), ("unknown", "none")],
)
def test_a_permission_is_one_of_four(given: str, expected: str, github: GitHub) -> None:
    github.state["permissions"]["labeler[bot]"] = given

    assert api(github).permission("labeler[bot]") == expected


def test_runs_of_a_commit_are_read_with_their_jobs(github: GitHub) -> None:
    github.run(70, head_sha="9" * 40)
    github.run(71, conclusion="failure", created_at=at(1), started_at=at(9), run_attempt=2)
    github.run(72, conclusion="", created_at=at(2), path=".github/workflows/ci.yml@refs/heads/main")

    going_on, failed = api(github).runs(head_sha="2" * 40)

    assert (going_on.id, going_on.status, going_on.conclusion) == ("72", "in_progress", "")
    assert going_on.path == ".github/workflows/ci.yml"
    assert (failed.id, failed.attempt, failed.created_at, failed.started_at) == ("71", 2, at(1), at(9))
    assert (failed.head_repository_id, failed.pull_requests) == (1296269, (5,))
    assert api(github).jobs("71") == (
        Job("plan", "completed", "success"),
        Job("shard (1)", "completed", "failure"),
        Job("report", "completed", "failure"),
    )


def test_a_workflows_own_token_acts_as_the_actions_bot(github: GitHub) -> None:
    assert api(github).login() == "github-actions[bot]"
    assert api(github, token=github.robot_token).login() == "acme-robot"


def test_a_comment_is_made_changed_and_taken_away(github: GitHub) -> None:
    made = api(github).create_comment(5, "one")
    changed = api(github).update_comment(made.id, "two")

    assert (made.author, made.body, changed.body) == ("github-actions[bot]", "one", "two")
    assert made.url == f"https://github.com/acme/shop/pull/5#issuecomment-{made.id}"

    api(github).delete_comment(made.id)
    api(github).delete_comment(made.id)

    assert github.bodies() == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_tried_again_when_github_fails(status: int, github: GitHub) -> None:
    pauses: list[float] = []
    github.fail("/pulls/5", status=status, times=2)

    assert api(github, pauses=pauses).pull_request(5).number == 5

    assert pauses == [0.5, 2.0]


def test_a_read_is_tried_again_when_the_answer_is_lost(github: GitHub) -> None:
    github.fail("/pulls/5", loses_answer=True)

    assert api(github).pull_request(5).number == 5


def test_a_read_is_given_up_after_three_tries(github: GitHub) -> None:
    github.fail("/pulls/5", status=502, times=99)

    with pytest.raises(GitHubError, match=r"Cannot read pull request 5: 502 Server Error\.") as caught:
        api(github).pull_request(5)

    assert caught.value.status == 502
    assert len(github.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_told_and_not_tried_again(status: int, github: GitHub) -> None:
    github.fail("/pulls/5", status=status, message="No\r\n  way", times=99)

    with pytest.raises(GitHubError, match=rf"^Cannot read pull request 5: {status} No way\.") as caught:
        api(github).pull_request(5)

    assert caught.value.status == status
    assert len(github.requests) == 1


def test_a_comment_is_posted_once_whatever_happens(github: GitHub) -> None:
    github.fail(ISSUE_COMMENTS, method="POST", loses_answer=True)

    with pytest.raises(GitHubError, match="no answer from 127") as caught:
        api(github).create_comment(5, "x")

    assert caught.value.status == 0
    assert len(github.bodies()) == 1


def test_what_github_says_about_a_long_comment_is_passed_on(github: GitHub) -> None:
    with pytest.raises(GitHubError, match="422 Validation Failed Body is too long") as caught:
        api(github).create_comment(5, "x" * 65_537)

    assert caught.value.status == 422


def test_nobody_listening_is_told_by_host() -> None:
    with running() as github:
        address = github.url
    pauses: list[float] = []

    with pytest.raises(GitHubError, match=re.escape(f"no answer from {address.removeprefix('http://')}")) as caught:
        GitHubApi(address, "x", repository="acme/shop", pause=pauses.append).pull_request(5)

    assert caught.value.status == 0
    assert pauses == [0.5, 2.0]


def test_a_renamed_repository_is_followed_for_reads_and_writes(github: GitHub) -> None:
    github.state["renamed_from"] = ["acme/store"]
    store = api(github, repository="acme/store")

    assert store.pull_request(5).number == 5
    made = store.create_comment(5, "x")
    assert store.update_comment(made.id, "y").body == "y"


def test_a_write_that_is_redirected_to_a_read_is_refused(github: GitHub) -> None:
    github.fail(ISSUE_COMMENTS, method="POST", status=302, headers={"Location": ISSUE_COMMENTS})

    with pytest.raises(GitHubError, match="redirected a write"):
        api(github).create_comment(5, "x")

    assert github.requests == [("POST", ISSUE_COMMENTS)]


def test_a_circle_of_redirects_ends(github: GitHub) -> None:
    github.fail("/pulls/5", status=301, headers={"Location": "/repos/acme/shop/pulls/5"}, times=99)

    with pytest.raises(GitHubError, match="more than 3 redirects"):
        api(github).pull_request(5)

    assert len(github.requests) == 4


@pytest.mark.parametrize("way", ["redirect", "link"])
def test_the_token_goes_to_no_other_host(way: str, github: GitHub) -> None:
    with running() as other:
        elsewhere = f"{other.url}{ISSUE_COMMENTS}"
        if way == "redirect":
            github.fail(ISSUE_COMMENTS, status=307, headers={"Location": elsewhere}, times=9)
        else:
            github.fail(ISSUE_COMMENTS, headers={"Link": f'<{elsewhere}>; rel="next"'}, times=9)

        with pytest.raises(GitHubError, match="pointed to another host"):
            api(github).comments(5)

        assert other.requests == []


def test_every_call_carries_the_token_and_none_carries_one_that_is_not_there(github: GitHub) -> None:
    api(github).pull_request(5)
    GitHubApi(github.url, "", repository="acme/shop").pull_request(5)

    assert [request["authorization"] for request in github.state["requests"]] == [True, False]


def test_a_token_in_netrc_does_not_take_the_tokens_place(
    github: GitHub, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    assert api(github).pull_request(5).number == 5


@pytest.mark.parametrize("path", ["/pulls/5", "/issues/5/comments", "/actions/runs"])
def test_an_answer_of_another_shape_is_refused(path: str, github: GitHub) -> None:
    github.fail(path, status=200, message="not what was asked for", times=9)
    calls: dict[str, Callable[[], object]] = {
        "/pulls/5": lambda: api(github).pull_request(5),
        "/issues/5/comments": lambda: api(github).comments(5),
        "/actions/runs": lambda: api(github).runs(head_sha="2" * 40),
    }

    with pytest.raises(GitHubError, match="not of the documented shape"):
        calls[path]()
