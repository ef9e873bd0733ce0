"""The double as a program: what workflow runs and the demo talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ci_itest.errors import GitHubError
from ci_itest.github.api import GitHubApi

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
