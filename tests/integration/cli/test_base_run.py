"""A branch held against the base branch's last run, as a workflow's commands do it on a small real suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.suites import ci_itest, write_files

TESTS = """
import os
def test_old(): assert "old" not in os.environ.get("BREAK", "")
def test_new(): assert "new" not in os.environ.get("BREAK", "")
"""
SETTINGS = """
shards = 1
workers = 1
retries = 0
environment = { BREAK = "" }
[history]
store = "history.sqlite"
[report]
fail_on = "new-failures"
"""
NO_RUN = "Nothing was compared with main: the history has no run of it."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repo", {"tests/test_a.py": TESTS, "ci-itest.toml": SETTINGS})


def exit_code_of(root: Path, branch: str, run_id: str, *, broken: str = "", arguments: tuple[str, ...] = ()) -> int:
    """Exit code of the report job of one push."""
    (root / "ci-itest.toml").write_text(SETTINGS.replace('BREAK = ""', f'BREAK = "{broken}"'))
    (root / "event.json").write_text(json.dumps({"repository": {"id": 1, "default_branch": "main"}}))
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SHA": run_id * 40,
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": run_id,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(root / "event.json"),
        "GITHUB_REF": f"refs/heads/{branch}",
    }
    assert ci_itest("plan", "--out", ".ci-itest/plan.json", root=root, **github)[0] == 0
    bundles = f".ci-itest/bundles-{run_id}"
    ci_itest("run-shard", "--shard", "1", "--bundle", f"{bundles}/ci-itest-main-1-a1", root=root, **github)
    code, _ = ci_itest("merge", "--bundles", bundles, *arguments, root=root, **github)
    return code


def report(root: Path) -> str:
    return (root / ".ci-itest" / "report" / "summary.md").read_text()


def test_what_fails_on_main_too_lets_a_branch_pass(root: Path) -> None:
    assert exit_code_of(root, "main", "1", broken="old") == 1

    code = exit_code_of(root, "cart", "2", broken="old")

    assert code == 0
    assert "No new failure: 1 test failed as on the base branch" in report(root)
    assert "1 still failing" in report(root)


def test_a_new_failure_fails_a_branch(root: Path) -> None:
    exit_code_of(root, "main", "1", broken="old")

    code = exit_code_of(root, "cart", "2", broken="old new")

    assert code == 1
    assert "1 new failure" in report(root)


def test_the_command_line_can_count_every_failure(root: Path) -> None:
    exit_code_of(root, "main", "1", broken="old")

    assert exit_code_of(root, "cart", "2", broken="old", arguments=("--fail-on", "failures")) == 1


def test_without_a_run_of_main_every_failure_counts_and_the_report_says_why(root: Path) -> None:
    code = exit_code_of(root, "cart", "2", broken="old")

    assert code == 1
    assert NO_RUN in report(root)


def test_a_run_of_main_is_not_its_own_base(root: Path) -> None:
    assert exit_code_of(root, "main", "1", broken="old") == 1
    assert NO_RUN in report(root)


def test_a_template_of_the_repository_travels_in_the_plan_and_shapes_the_summary(root: Path) -> None:
    write_files(root, {"own/summary.md.j2": "{{ view.counts.passed }} passed, say we"})
    (root / "ci-itest.toml").write_text(SETTINGS + 'templates = "own"\n')
    assert ci_itest("plan", "--out", ".ci-itest/plan.json", root=root)[0] == 0
    ci_itest("run-shard", "--shard", "1", "--bundle", ".ci-itest/bundles/ci-itest-main-1-a1", root=root)
    write_files(root, {"own/summary.md.j2": "changed since"})

    code, output = ci_itest("merge", root=root)

    assert code == 0, output
    assert report(root) == "2 passed, say we\n"
