"""The run's context out of variables and event files, made-up, hostile and missing ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_itest.errors import GitHubError
from ci_itest.github.context import context
from ci_itest.model.github import Context

MERGE_SHA = "1" * 40
HEAD_SHA = "2" * 40
REPOSITORY = {"id": 1296269, "full_name": "acme/shop", "default_branch": "main"}
KEYS = (
    *("action", "pull_request", "head", "base", "repo", "id", "number", "sha", "ref", "label", "name"),
    *("repository", "merge_group", "head_sha", "head_ref", "base_ref", "default_branch"),
)
FORK = {"id": 999, "full_name": "mallory/shop", "default_branch": "main"}


def environment(event_name: str = "pull_request", **variables: str) -> dict[str, str]:
    """What the runner sets for a pull request's run, changed where the test says so; "" takes a variable away."""
    values = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REPOSITORY_ID": "1296269",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_EVENT_NAME": event_name,
        "GITHUB_EVENT_PATH": "/event.json",
        "GITHUB_REF": "refs/pull/5/merge",
        "GITHUB_SHA": MERGE_SHA,
        "GITHUB_RUN_ID": "7001",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_RUN_NUMBER": "31",
        "GITHUB_WORKFLOW": "Integration",
        "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/pull/5/merge",
        "GITHUB_JOB": "plan",
        "GITHUB_ACTOR": "alice",
        "GITHUB_TOKEN": "not-a-real-token",
    } | variables
    return {name: value for name, value in values.items() if value}


def pull_request_event(action: str = "opened", *, head: dict[str, Any] | None = REPOSITORY, label: str = "") -> Any:
    event: dict[str, Any] = {
        "action": action,
        "number": 5,
        "pull_request": {
            "number": 5,
            "head": {"ref": "faster-cart", "sha": HEAD_SHA, "repo": head},
            "base": {"ref": "main", "sha": "3" * 40, "repo": REPOSITORY},
        },
        "repository": REPOSITORY,
    }
    return event | ({"label": {"id": 1, "name": label}} if label else {})


def from_event(event: object) -> Callable[[str], bytes]:
    return lambda _path: json.dumps(event).encode()


def no_file(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory")


def read(event: object, event_name: str = "pull_request", **variables: str) -> Context:
    found = context(environment(event_name, **variables), read=from_event(event))
    assert found is not None
    return found


def test_outside_of_actions_there_is_no_context() -> None:
    assert context({}, read=no_file) is None
    assert context({"GITHUB_ACTIONS": "false", "GITHUB_REPOSITORY": "acme/shop"}, read=no_file) is None


def test_a_pull_request_is_told_in_full() -> None:
    assert read(pull_request_event("synchronize")) == Context(
        repository="acme/shop",
        repository_id=1296269,
        run_id="7001",
        run_attempt=2,
        run_number=31,
        event_name="pull_request",
        action="synchronize",
        ref="refs/pull/5/merge",
        sha=MERGE_SHA,
        head_sha=HEAD_SHA,
        head_repository_id=1296269,
        base_ref="main",
        base_sha="3" * 40,
        default_branch="main",
        branch="faster-cart",
        pull_request=5,
        workflow="Integration",
        workflow_path=".github/workflows/ci.yml",
        job="plan",
        actor="alice",
        token="not-a-real-token",
    )


@pytest.mark.parametrize(
    ("head", "repository_id"),
    [(REPOSITORY, REPOSITORY["id"]), (FORK, FORK["id"]), (None, 0), ({"full_name": "acme/shop"}, 0)],
    ids=["same repository", "fork", "deleted fork", "no id"],
)
def test_a_heads_repository_is_known_by_its_id_and_else_by_none(
    head: dict[str, Any] | None, repository_id: int
) -> None:
    assert read(pull_request_event(head=head)).head_repository_id == repository_id


@pytest.mark.parametrize(
    ("action", "label", "expected"),
    [
        ("labeled", "bug", "bug"),
        ("unlabeled", "skip-integration", "skip-integration"),
        ("opened", "bug", ""),
        ("labeled", "", ""),
    ],
)
def test_only_an_event_about_a_label_has_one(action: str, label: str, expected: str) -> None:
    found = read(pull_request_event(action, label=label))

    assert (found.action, found.label) == (action, expected)


def test_a_push_to_the_default_branch_is_one() -> None:
    found = read({"repository": REPOSITORY}, "push", GITHUB_REF="refs/heads/main")

    assert found.is_default_branch
    assert (found.branch, found.head_sha, found.pull_request) == ("main", MERGE_SHA, 0)
    assert found.head_repository_id == found.repository_id


@pytest.mark.parametrize(
    ("event_name", "ref", "branch"),
    [
        ("push", "refs/heads/release/1.x", "release/1.x"),
        ("push", "refs/tags/main", ""),
        ("schedule", "refs/heads/main", "main"),
        ("workflow_dispatch", "refs/heads/main", "main"),
    ],
)
def test_nothing_else_counts_as_a_push_to_the_default_branch(event_name: str, ref: str, branch: str) -> None:
    found = read({"repository": REPOSITORY}, event_name, GITHUB_REF=ref)

    assert not found.is_default_branch
    assert (found.branch, found.base_ref, found.action) == (branch, "", "")


def test_a_merge_group_tells_its_head_and_base() -> None:
    queue = "refs/heads/gh-readonly-queue/main/pr-5-" + "3" * 40
    group = {"head_sha": HEAD_SHA, "head_ref": queue, "base_ref": "refs/heads/main", "base_sha": "3" * 40}

    found = read(
        {"action": "checks_requested", "merge_group": group, "repository": REPOSITORY}, "merge_group", GITHUB_REF=queue
    )

    assert (found.head_sha, found.base_ref, found.branch) == (HEAD_SHA, "main", queue.removeprefix("refs/heads/"))
    assert (found.pull_request, found.is_default_branch) == (0, False)


@pytest.mark.parametrize("path", ["/event.json", ""], ids=["no file", "no path"])
def test_without_an_event_file_a_pull_request_is_known_by_its_ref_and_not_trusted(path: str) -> None:
    found = context(
        environment(GITHUB_EVENT_PATH=path, GITHUB_HEAD_REF="faster-cart", GITHUB_BASE_REF="main"), read=no_file
    )

    assert found is not None
    assert (found.pull_request, found.branch, found.base_ref, found.head_sha) == (5, "faster-cart", "main", MERGE_SHA)
    assert found.head_repository_id == 0


def test_an_event_without_its_pull_request_is_not_trusted() -> None:
    assert read({"repository": REPOSITORY}).head_repository_id == 0


def test_a_server_of_ones_own_is_used() -> None:
    found = read({}, GITHUB_API_URL="https://git.acme.test/api/v3/", GITHUB_SERVER_URL="https://git.acme.test")

    assert found.api_url == "https://git.acme.test/api/v3"
    assert found.run_url == "https://git.acme.test/acme/shop/actions/runs/7001"


def test_the_token_is_not_shown() -> None:
    assert "not-a-real-token" not in repr(read({}))


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "list", "string", "not text", "deep", "long number"],
)
def test_an_event_file_that_is_no_object_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(GitHubError, match=r"event file /event\.json"):
        context(environment(), read=lambda _path: content)


def test_an_event_file_that_cannot_be_read_is_refused_by_name() -> None:
    def refuse(path: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(GitHubError, match=r"/event\.json: Permission denied"):
        context(environment(), read=refuse)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_REPOSITORY", "acme"),
        ("GITHUB_REPOSITORY", "acme/shop/../other"),
        ("GITHUB_REPOSITORY", ""),
        ("GITHUB_SHA", "main"),
        ("GITHUB_RUN_ID", "7/../8"),
        ("GITHUB_API_URL", "file:///etc/passwd"),
        ("GITHUB_API_URL", "https://user@evil.test"),
    ],
)
def test_a_malformed_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(GitHubError, match=name):
        context(environment(**{name: value}), read=no_file)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "5"},
        {"number": True},
        {"number": -5},
        {"number": 5.0},
        {"head": "x"},
        {"head": {"sha": "main; rm -rf /", "ref": ["x"], "repo": {"id": "1296269"}}},
    ],
)
def test_a_value_of_another_type_counts_as_not_there(change: dict[str, Any]) -> None:
    event = pull_request_event()
    event["pull_request"] |= change

    found = read(event)

    assert found.pull_request == 5
    assert found.head_sha in (HEAD_SHA, MERGE_SHA)
    assert found.head_repository_id == (0 if "head" in change else REPOSITORY["id"])


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
                max_size=6,
            )
        ),
        max_leaves=25,
    ).filter(lambda event: isinstance(event, dict))
)
def test_no_event_breaks_the_reading(event: object) -> None:
    found = read(event)

    assert found.repository == "acme/shop"
    assert len(found.head_sha) == 40
    assert found.pull_request > 0
