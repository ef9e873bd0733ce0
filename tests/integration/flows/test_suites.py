"""Several suites in one settings file: one plan, one matrix, one report; a suite that cannot be built stops there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ci_itest.model.run import Conclusion, Run
from ci_itest.wire import read_document
from tests.helpers.suites import ci_itest, write_files

SUITES = """
    workers = 1
    retries = 0

    [suite.api]
    tests = ["api"]
    shards = 1
    environment = { PLACE = "api" }

    [suite.e2e]
    tests = ["e2e"]
    shards = 2
    build = { run = "echo built >> builds; mkdir -p dist" }
"""
FILES = {
    "api/test_prices.py": "import os\n\ndef test_place(): assert os.environ['PLACE'] == 'api'\n",
    "e2e/test_cart.py": "import pathlib\n\ndef test_it(): assert pathlib.Path('dist').is_dir()\n",
    "e2e/test_login.py": "import pathlib\n\ndef test_it(): assert pathlib.Path('dist').is_dir()\n",
}
IN_A_PUSH = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REPOSITORY_ID": "1",
    "GITHUB_RUN_ID": "7",
    "GITHUB_SHA": "1" * 40,
    "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/heads/main",
}


def run_of(root: Path) -> Run:
    return read_document(root / ".ci-itest/latest/report/run.json", Run)


def outputs(path: Path) -> dict[str, Any]:
    """`name=value` and heredoc pairs of an output file."""
    found: dict[str, Any] = {}
    lines = iter(path.read_text().splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        found[name] = "\n".join(iter(lines.__next__, delimiter))
    return found


def test_suites_share_plan_and_report_and_each_has_its_own_settings(tmp_path: Path) -> None:
    root = write_files(tmp_path, {**FILES, "ci-itest.toml": SUITES})

    code, output = ci_itest("run", root=root)

    assert code == 0, output
    run = run_of(root)
    assert run.conclusion is Conclusion.SUCCESS
    assert sorted(shard.label for shard in run.shards) == ["api 1/1", "e2e 1/2", "e2e 2/2"]
    assert {case.case.suite for case in run.cases} == {"api", "e2e"}
    assert (root / "builds").read_text() == "built\n", "the shards of one machine build once"


def test_the_matrix_of_a_workflow_has_the_shards_of_all_suites(tmp_path: Path) -> None:
    root = write_files(tmp_path, {**FILES, "ci-itest.toml": SUITES})
    file = tmp_path / "outputs"

    code, output = ci_itest("plan", root=root, **IN_A_PUSH, GITHUB_OUTPUT=str(file))

    assert code == 0, output
    assert json.loads(outputs(file)["shards"]) == [
        {"suite": "api", "index": 1, "count": 1},
        {"suite": "e2e", "index": 1, "count": 2},
        {"suite": "e2e", "index": 2, "count": 2},
    ]


def test_a_build_that_fails_stops_its_suite_and_no_other(tmp_path: Path) -> None:
    broken = SUITES.replace("mkdir -p dist", "echo cannot find module; exit 3")
    root = write_files(tmp_path, {**FILES, "ci-itest.toml": broken})

    code, output = ci_itest("run", root=root)

    assert code == 5, output
    run = run_of(root)
    (finding,) = run.findings
    assert finding.message.startswith("The build of suite e2e failed, so none of it was tested:")
    assert "ended with code 3" in finding.message
    assert "cannot find module" in finding.message
    assert [case.case.suite for case in run.cases] == ["api"]
    assert (root / "builds").read_text() == "built\n"


def test_a_build_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    slow = SUITES.replace('run = "echo built >> builds; mkdir -p dist"', 'run = "sleep 600", timeout = "0.5s"')
    root = write_files(tmp_path, {**FILES, "ci-itest.toml": slow})
    ci_itest("plan", root=root)

    code, output = ci_itest("run-shard", "--suite", "e2e", "--shard", "1", root=root)

    assert code == 3, output
    assert "`sleep 600` took longer than 0.5 s" in output
