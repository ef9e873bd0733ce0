"""`ci-itest flaky hunt` on a small real suite whose case fails every other time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.flaky.weights import not_healthy
from ci_itest.history.sql import SqlHistory
from ci_itest.process import output_of
from tests.helpers.suites import ci_itest, suite_environment, write_files

SUITE = """
    import pathlib

    def test_before():
        pathlib.Path("order").write_text("before")

    def test_alternates():
        mark = pathlib.Path("failed")
        if mark.exists():
            mark.unlink()
        else:
            mark.touch()
            assert False, "every other time"

    def test_needs_the_one_before():
        order = pathlib.Path("order")
        was_there = order.exists()
        order.unlink(missing_ok=True)
        assert was_there
"""
SETTINGS = 'shards = 1\nworkers = 1\nretries = 1\n[history]\nstore = "history.sqlite"\n'
ALTERNATES = "tests/test_it.py::test_alternates"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A suite that ran once, so that its cases are known by name."""
    write_files(tmp_path, {"tests/test_it.py": SUITE, "ci-itest.toml": SETTINGS})
    code, output = ci_itest("run", root=tmp_path)
    assert code == 0, output
    return tmp_path


def git(root: Path, *words: str) -> None:
    code, output = output_of(["git", *words], directory=root, environment=suite_environment())
    assert code == 0, output


def test_a_suspect_is_run_in_every_way_and_the_model_learns_from_it(project: Path) -> None:
    code, output = ci_itest("flaky", "hunt", ALTERNATES, "--rounds", "2", root=project)

    assert code == 1, output
    assert f"{ALTERNATES}: failed 2 of 2 alone, 0 of 2 in order, 2 of 2 in reversed order" in output
    with SqlHistory.open(project / "history.sqlite") as store:
        memory = store.flaky_state(repository=project.name).memory
        numbers = {case.node_id: number for case, number in store.case_numbers(repository=project.name).items()}
    assert memory.run_count == 9
    assert not_healthy(memory.weights[numbers[ALTERNATES]]) > 0.9


def test_what_a_commit_tries_to_fix_is_hunted(project: Path) -> None:
    (project / "tests/test_it.py").write_text("def test_alternates(): pass\n")
    for words in (["init", "-q"], ["add", "tests"]):
        git(project, *words)
    identity = ["-c", "user.name=Mara", "-c", "user.email=mara@example.test"]
    message = "Alternate no more\n\nAttempt-To-Fix: tests/test_it.py::test_alternates\n"
    git(project, *identity, "commit", "-q", "-m", message)

    code, output = ci_itest("flaky", "hunt", "--from-commit", "--rounds", "1", root=project)

    assert code == 0, output
    assert f"{ALTERNATES}: passed 4 times" in output


def test_without_a_suspect_there_is_nothing_to_hunt(project: Path) -> None:
    code, output = ci_itest("flaky", "hunt", root=project)

    assert code == 0, output
    assert "There is no suspect to hunt." in output
