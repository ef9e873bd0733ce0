"""`ci-itest init` and `ci-itest doctor` in repositories as people have them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.suites import ci_itest, write_files

PROJECT = Path(__file__).parents[3]
TESTS = {"tests/integration/test_a.py": "def test_one(): pass\ndef test_two(): pass\n"}
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
WORKFLOW = ".github/workflows/integration.yml"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = write_files(tmp_path / "shop", TESTS)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def test_what_init_writes_runs_green_without_an_edit(repository: Path) -> None:
    code, output = ci_itest("init", "--yes", root=repository)
    assert code == 0, output
    assert "+tests = " in output
    assert f"+++ {WORKFLOW}" in output
    assert f"Wrote {WORKFLOW}." in output

    code, output = ci_itest("run", "--set", "history.store=history.sqlite", root=repository)

    assert code == 0, output
    assert "2 tests passed" in output


def test_without_anybody_to_ask_nothing_is_written(repository: Path) -> None:
    code, output = ci_itest("init", root=repository)

    assert code == 2
    assert "--yes writes what is shown" in output
    assert sorted(path.name for path in repository.iterdir()) == [".git", "tests"]


@pytest.mark.parametrize(
    ("name", "text"), [("ci-itest.toml", "retries = 0\n"), ("pyproject.toml", "[tool.ci-itest]\nretries = 0\n")]
)
def test_settings_that_are_there_stay_as_they_are(repository: Path, name: str, text: str) -> None:
    (repository / name).write_text(text)

    code, output = ci_itest("init", "--yes", root=repository)

    assert code == 2
    assert "already" in output
    assert (repository / name).read_text() == text


def test_a_repository_without_tests_is_told_so(tmp_path: Path) -> None:
    code, output = ci_itest("init", "--yes", root=tmp_path)

    assert code == 4
    assert 'runner = "command"' in output


def test_the_workflow_stands_beside_one_of_the_same_name(repository: Path) -> None:
    write_files(repository, {WORKFLOW: "on: push\njobs: {}\n"})

    code, output = ci_itest("init", "--yes", root=repository)

    assert code == 0, output
    assert (repository / WORKFLOW).read_text() == "on: push\njobs: {}\n"
    assert (repository / ".github" / "workflows" / "ci-itest.yml").exists()


def test_the_workflow_passes_github_and_a_careful_reviewer(repository: Path) -> None:
    ci_itest("init", "--yes", root=repository)
    file = repository / WORKFLOW
    pinned = re.sub(r"(ci-itest/ci-itest)@\S+", rf"\1@{'0' * 40}", file.read_text())
    file.write_text(pinned)

    for program in (
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor", "--offline", "--no-config", "--persona", "auditor", "--min-severity", "medium"],
    ):
        command = [str(Path(sys.executable).parent / program[0]), *program[1:], str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_doctor_finds_nothing_in_the_way_of_a_suite_without_services(repository: Path) -> None:
    ci_itest("init", "--yes", root=repository)

    code, output = ci_itest("doctor", root=repository, **NO_ENGINE)

    assert code == 0, output
    assert "✓ 1 file for pytest, about 2 tests" in output
    assert "✓ integration.yml uses ci-itest" in output


def test_doctor_ends_as_the_run_would_and_names_what_is_in_the_way(repository: Path) -> None:
    settings = "tests = ['tests']\nservices = { postgres = 'postgres:15' }\nprepare = [{ run = 'no-such-tool up' }]\n"
    (repository / "ci-itest.toml").write_text(settings)

    code, output = ci_itest("doctor", "--json", root=repository, **NO_ENGINE)

    findings = json.loads(output)
    bad = [finding["words"] for finding in findings if finding["level"] == "bad"]
    assert code == 3
    assert len(bad) == 2
    assert "no-such-tool" in bad[0]
    assert "/nowhere/docker.sock" in bad[1]


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ("tests = ['nowhere']\n", 2, "does not exist"),
        ("tests = ['tests']\npython = 'no/python'\n", 2, "There is no Python"),
        ("runner = 'vitest'\ntests = ['tests']\n", 4, "No test file"),
    ],
)
def test_doctor_looks_at_tests_and_runner(repository: Path, settings: str, code: int, words: str) -> None:
    (repository / "ci-itest.toml").write_text(settings)

    ended, output = ci_itest("doctor", root=repository)

    assert ended == code, output
    assert words in output


@pytest.mark.parametrize(
    ("workflow", "words"),
    [
        ("on:\n  push:\n    paths: [src/**]\njobs:\n  a: {uses: ci-itest/ci-itest@x}\n", "filtered by paths"),
        ("on: [pull_request]\njobs:\n  a: {uses: ci-itest/ci-itest@x}\n", "learns nothing"),
        ("on: [push, pull_request_target]\njobs:\n  a: {uses: ci-itest/ci-itest@x}\n", "pull_request_target"),
        (
            "on: push\njobs:\n  a: {uses: ci-itest/ci-itest@x, with: {mode: report}}\n".replace(
                "{mode: report}", "\n      mode: report"
            ),
            "always()",
        ),
        ("on: push\njobs: {}\n", "no workflow uses"),
    ],
)
def test_doctor_knows_what_goes_wrong_in_workflows(repository: Path, workflow: str, words: str) -> None:
    write_files(repository, {"ci-itest.toml": "tests = ['tests']\n", ".github/workflows/ci.yml": workflow})

    code, output = ci_itest("doctor", root=repository)

    assert code == 0, output
    assert words in output


def test_the_page_that_goes_the_whole_way_shows_what_init_finds_in_the_example(tmp_path: Path) -> None:
    shop = PROJECT / "examples" / "shop"
    left_out = shutil.ignore_patterns(".venv", ".ci-itest*", "ci-itest*.toml", "__pycache__", ".pytest_cache", "*.db")
    shutil.copytree(shop, tmp_path / "shop", ignore=left_out)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "shop", check=True)
    page = (PROJECT / "docs" / "first-red.md").read_text()

    code, output = ci_itest("init", "--yes", root=tmp_path / "shop")

    assert code == 0, output
    block = page.partition("$ ci-itest init\n")[2].partition("```")[0]
    shown = [line for line in block.splitlines() if line.startswith(("+", "Wrote", "Next:"))]
    assert len(shown) > 6
    assert [line for line in shown if line not in output.splitlines()] == []
    code, output = ci_itest("config", root=tmp_path / "shop")
    assert code == 0, output
