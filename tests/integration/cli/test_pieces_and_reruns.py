"""A file divided between shards, and a later attempt of one shard: the commands on a small real suite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.suites import ci_itest, write_files

CASES = "".join(f"def test_{name}(): pass\n" for name in "abcdef")
BREAKABLE = """
import os
def test_breaks(): assert os.environ.get("BREAK") != "1"
def test_holds(): pass
"""
SETTINGS = "shards = 2\nworkers = 1\nretries = 0\n[history]\nstore = 'history.sqlite'\n"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": "c" * 40,
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "77",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
}


def run_document(root: Path) -> dict[str, dict[str, Any]]:
    run = json.loads((root / ".ci-itest" / "latest" / "report" / "run.json").read_text())
    return {case["case"]["name"]: case for case in run["cases"]}


@pytest.mark.parametrize("keep_together", ["case", "group"])
def test_a_divided_file_runs_whole_across_its_shards(tmp_path: Path, keep_together: str) -> None:
    files = {"tests/test_long.py": CASES, "ci-itest.toml": f"keep_together = '{keep_together}'\n{SETTINGS}"}
    root = write_files(tmp_path / "repo", files)
    times = {f"tests/test_long.py::test_{name}": 10 for name in "abcd"}
    (root / "times.json").write_text(json.dumps(times))
    assert ci_itest("history", "import", "times.json", root=root)[0] == 0

    code, output = ci_itest("run", root=root)

    assert code == 0, output
    cases = run_document(root)
    # Two cases that no plan has seen are on one shard each as well.
    assert sorted(cases) == [f"test_{name}" for name in "abcdef"]
    assert {case["shard"] for case in cases.values()} == {1, 2}


def test_a_file_that_cannot_be_imported_is_named_once_when_it_is_divided(tmp_path: Path) -> None:
    files = {"tests/test_long.py": CASES, "ci-itest.toml": f"keep_together = 'case'\n{SETTINGS}"}
    root = write_files(tmp_path / "repo", files)
    (root / "times.json").write_text(json.dumps({f"tests/test_long.py::test_{name}": 10 for name in "abcd"}))
    ci_itest("history", "import", "times.json", root=root)
    (root / "tests" / "test_long.py").write_text("import not_there\n")

    code, output = ci_itest("run", root=root)

    assert code == 1, output
    assert list(run_document(root)) == ["<collection>"]


def test_a_later_attempt_runs_exactly_what_failed(tmp_path: Path) -> None:
    files = {"tests/test_a.py": BREAKABLE, "tests/test_b.py": CASES, "ci-itest.toml": SETTINGS}
    root = write_files(tmp_path / "repo", files)
    plan = ("plan", "--out", ".ci-itest/plan.json")
    assert ci_itest(*plan, root=root, **GITHUB, GITHUB_RUN_ATTEMPT="1")[0] == 0
    broken = _shard_of(root, "tests/test_a.py")
    for index in (1, 2):
        _run_shard(root, index, attempt=1, BREAK="1")

    shutil.copytree(root / ".ci-itest" / "bundles", root / ".ci-itest" / "earlier")
    assert ci_itest(*plan, root=root, **GITHUB, GITHUB_RUN_ATTEMPT="2")[0] == 0
    output = _run_shard(root, broken, attempt=2)
    code, merged = ci_itest("merge", root=root, **GITHUB, GITHUB_RUN_ATTEMPT="2")

    assert "Attempt 2 runs the 1 of 2 cases that failed or never ran in attempt 1." in output
    journal = (root / ".ci-itest" / "bundles" / f"ci-itest-main-{broken}-a2" / "results").glob("*.jsonl")
    started = [line for file in journal for line in file.read_text().splitlines() if '"start"' in line]
    assert len(started) == 1
    assert "test_breaks" in started[0]
    assert code == 0, merged
    run = json.loads((root / ".ci-itest" / "report" / "run.json").read_text())
    verdicts = {case["case"]["name"]: case["verdict"] for case in run["cases"]}
    assert verdicts == {"test_breaks": "recovered", "test_holds": "passed"} | {
        f"test_{name}": "passed" for name in "abcdef"
    }


def test_without_the_earlier_bundle_a_later_attempt_runs_all(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", {"tests/test_a.py": BREAKABLE, "ci-itest.toml": SETTINGS})
    assert ci_itest("plan", root=root, **GITHUB, GITHUB_RUN_ATTEMPT="1")[0] == 0

    output = _run_shard(root, 1, attempt=2)

    assert "all of the shard runs" in output
    assert "2 cases" in output


def _shard_of(root: Path, file: str) -> int:
    plan = json.loads((root / ".ci-itest" / "plan.json").read_text())
    return next(
        int(shard["index"])
        for shard in plan["suites"][0]["shards"]
        if any(unit["file"] == file for unit in shard["units"])
    )


def _run_shard(root: Path, index: int, *, attempt: int, **variables: str) -> str:
    bundle = f".ci-itest/bundles/ci-itest-main-{index}-a{attempt}"
    arguments = ("run-shard", "--shard", str(index), "--bundle", bundle)
    return ci_itest(*arguments, root=root, **GITHUB, GITHUB_RUN_ATTEMPT=str(attempt), **variables)[1]


def test_a_shard_runs_without_the_services_that_only_others_need(tmp_path: Path) -> None:
    services = "[services.postgres]\nimage = 'postgres:16'\nonly_for = ['tests/test_b.py']\n"
    variables = "[environment]\nDATABASE_URL = '{postgres.url}'\nKIND = 'test'\n"
    alone = "import os\ndef test_it(): assert (os.environ.get('DATABASE_URL'), os.environ['KIND']) == (None, 'test')\n"
    files = {"tests/test_a.py": alone, "tests/test_b.py": CASES, "ci-itest.toml": SETTINGS + services + variables}
    root = write_files(tmp_path / "repo", files)
    assert ci_itest("plan", "--run-id", "7", root=root)[0] == 0

    index = str(_shard_of(root, "tests/test_a.py"))
    code, output = ci_itest("run-shard", "--shard", index, root=root, DOCKER_HOST=f"unix://{tmp_path}/no.sock")

    assert code == 0, output


def test_a_plan_of_another_commit_is_refused_by_name(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", {"tests/test_a.py": CASES, "ci-itest.toml": SETTINGS})
    assert ci_itest("plan", root=root, **GITHUB)[0] == 0

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **{**GITHUB, "GITHUB_SHA": "d" * 40})

    assert code == 2
    assert "The plan is of commit cccccccccccc, and this is dddddddddddd." in output
