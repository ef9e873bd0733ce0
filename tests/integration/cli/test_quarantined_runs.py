"""Runs of a real suite in which a case is in quarantine: what does not count, and what counts all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.suites import ci_itest, write_files

SETTINGS = 'shards = 1\nworkers = 1\nretries = 0\n[history]\nstore = "history.sqlite"\n'
SUITE = """
    import os, pathlib, signal

    def test_fine(): pass

    def test_races():
        pathlib.Path("ran").touch()
        if pathlib.Path("dies").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        assert not pathlib.Path("fails").exists()
"""
RACE = "tests/test_it.py::test_races"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A suite whose history knows its cases; from now on one of them fails."""
    write_files(tmp_path, {"tests/test_it.py": SUITE, "ci-itest.toml": SETTINGS})
    code, output = ci_itest("run", root=tmp_path)
    assert code == 0, output
    (tmp_path / "fails").touch()
    (tmp_path / "ran").unlink()
    return tmp_path


def quarantined(root: Path, *options: str) -> None:
    code, output = ci_itest("quarantine", "add", RACE, "--reason", "races", *options, root=root)
    assert code == 0, output


def verdicts(root: Path) -> dict[str, tuple[str, str]]:
    """Verdict and message of each case of the newest run."""
    document: dict[str, Any] = json.loads((root / ".ci-itest/latest/report/run.json").read_text())
    return {
        case["case"]["name"]: (case["verdict"], (case["attempts"] or [{}])[-1].get("message", ""))
        for case in document["cases"]
    }


def test_a_muted_case_runs_and_fails_neither_its_shard_nor_the_run(project: Path) -> None:
    quarantined(project)

    code, output = ci_itest("run", root=project)

    assert code == 0, output
    assert "1 failed in quarantine" in output
    assert (project / "ran").exists()
    assert verdicts(project)["test_races"][0] == "quarantined"


def test_without_quarantine_the_same_run_fails(project: Path) -> None:
    code, output = ci_itest("run", root=project)

    assert code == 1, output


def test_a_case_skipped_by_hand_does_not_run_and_says_why(project: Path) -> None:
    quarantined(project, "--skip", "--issue", "https://example.test/7")

    code, output = ci_itest("run", root=project)

    assert code == 0, output
    assert not (project / "ran").exists()
    verdict, message = verdicts(project)["test_races"]
    assert verdict == "skipped"
    assert "in quarantine until" in message
    assert "races (https://example.test/7)" in message


def test_a_run_in_which_a_worker_died_never_passes_by_quarantine(project: Path) -> None:
    quarantined(project)
    (project / "dies").touch()

    code, output = ci_itest("run", root=project)

    assert code == 1, output
    assert "failed: 1 of 2 cases" in output
    assert verdicts(project)["test_races"][0] == "failed"


def test_a_run_whose_tests_died_as_a_whole_never_passes_by_quarantine(project: Path) -> None:
    quarantined(project)
    (project / "dies").touch()

    code, output = ci_itest("run", "--set", "arguments=-p no:xdist", root=project)

    assert code == 5, output
    assert verdicts(project)["test_races"][0] == "missing"


def test_a_shard_whose_case_is_muted_ends_well_by_itself(project: Path) -> None:
    quarantined(project)
    code, output = ci_itest("plan", root=project)
    assert code == 0, output

    code, output = ci_itest("run-shard", "--shard", "1", root=project)

    assert code == 0, output
    assert "passed: 2 cases" in output


def test_quarantine_switched_off_mutes_nothing(project: Path) -> None:
    quarantined(project)

    code, output = ci_itest("run", "--set", "flaky.quarantine=off", root=project)

    assert code == 1, output
