"""The double as a program: what workflow runs and the demo talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi
from tests.helpers.github import new_state, running
from tests.helpers.github_judge import Exchange, Judge
from tests.helpers.github_shapes import Shapes

COMMENTS = "/repos/acme/shop/issues/5/comments"
COMMENT_FACT = {
    "id": 7,
    "issue": 5,
    "author": "alice",
    "body": "x",
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-02T09:00:00Z",
}
ROOT = Path(__file__).parents[3]


@contextmanager
def program(state: Path) -> Iterator[str]:
    """Its address."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.github", "--port", "0", "--state", str(state)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.communicate(timeout=10)


def api(url: str) -> GitHubApi:
    return GitHubApi(url, "workflow-token", repository="acme/shop", pause=lambda _seconds: None)


def pull_request() -> dict[str, object]:
    return {
        "number": 5,
        "title": "A change",
        "author": "alice",
        "state": "open",
        "locked": False,
        "head_ref": "faster-cart",
        "head_sha": "2" * 40,
        "head_repository": "acme/shop",
        "head_repository_id": 1296269,
        "labels": ["bug"],
        "files": [{"filename": "docs/a.md"}],
        "timeline": [],
        "created_at": "2026-03-02T09:00:00Z",
    }


def test_the_state_is_read_kept_and_read_again(tmp_path: Path) -> None:
    state = tmp_path / "github.json"
    state.write_text(json.dumps({"pulls": {"5": pull_request()}}))

    with program(state) as url:
        assert api(url).pull_request(5).labels == ("bug",)
        api(url).create_comment(5, "hello")
        kept = json.loads(state.read_text())
    with program(state) as url:
        found = api(url).comments(5)

    assert [comment["body"] for comment in kept["comments"]] == ["hello"]
    assert [request["method"] for request in kept["requests"]] == ["GET", "POST"]
    assert [comment.body for comment in found] == ["hello"]


def test_a_fault_can_be_planned_from_outside(tmp_path: Path) -> None:
    state = tmp_path / "github.json"
    state.write_text(json.dumps({"pulls": {"5": pull_request()}}))

    with program(state) as url:
        requests.post(f"{url}/_double/faults", json={"path": "/comments", "status": 403, "times": 1}, timeout=5)
        with pytest.raises(GitHubError, match="403"):
            api(url).comments(5)

        assert api(url).comments(5) == ()


def test_the_state_can_be_changed_from_outside(tmp_path: Path) -> None:
    with program(tmp_path / "github.json") as url:
        requests.post(f"{url}/_double/state", json={"pulls": {"5": pull_request()}}, timeout=5)
        state = requests.get(f"{url}/_double/state", timeout=5).json()

        assert api(url).pull_request(5).labels == ("bug",)

    assert list(state["pulls"]) == ["5"]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda answer: answer.pop("created_at"), "created_at"),
        (lambda answer: answer.update(id="7"), "'7' is not of type 'integer'"),
    ],
    ids=["a field is missing", "a field has another type"],
)
def test_an_answer_that_githubs_description_does_not_know_is_seen(
    break_it: Callable[[dict[str, Any]], object], words: str
) -> None:
    answer = Shapes("https://api.github.com", new_state()["repository"]).comment(COMMENT_FACT)
    break_it(answer)

    violations = judged("POST", COMMENTS, {"body": "x"}, status=201, answer=answer)

    assert len(violations) == 1
    assert words in violations[0]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (COMMENTS, {"text": "x"}),
        ("/repos/acme/shop/check-runs", {"name": "x"}),
        (
            "/repos/acme/shop/check-runs",
            {
                "name": "x",
                "head_sha": "2" * 40,
                "output": {
                    "title": "x",
                    "summary": "x",
                    "annotations": [
                        {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "x"}
                    ]
                    * 51,
                },
            },
        ),
    ],
    ids=["no body", "no commit", "51 annotations"],
)
def test_a_request_that_githubs_description_does_not_know_is_seen(path: str, sent: dict[str, object]) -> None:
    assert len(judged("POST", path, sent, status=500, answer={})) == 1


def test_an_operation_that_github_does_not_have_is_seen() -> None:
    assert judged("GET", "/repos/acme/shop/comments-of-everybody", {}, status=200, answer={}) == [
        "GET /repos/acme/shop/comments-of-everybody: GitHub has no such operation"
    ]


def test_a_double_that_strays_from_the_description_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="GitHub has no such operation"), running() as github:
        requests.get(f"{github.url}/nowhere", timeout=5)


def judged(method: str, path: str, sent: dict[str, object], *, status: int, answer: dict[str, Any]) -> list[str]:
    judge = Judge("acme/shop")
    judge.waiting.append(
        Exchange(method, path, "", json.dumps(sent).encode(), status, json.dumps(answer).encode(), headers={})
    )
    judge.finish()
    return judge.violations
