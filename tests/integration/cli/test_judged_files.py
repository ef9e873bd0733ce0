"""`ci-itest merge FILES` with a history: JUnit files of any runner are judged by what earlier ones said."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Run
from ci_itest.wire import read_document
from tests.helpers.junit_files import FAILURE, case, document, suite
from tests.helpers.repositories import commit, repository
from tests.helpers.suites import ci_itest

HISTORY = ("--set", "history.store=history.sqlite")
IN_CART, IN_STOCK = ' file="tests/cart.js" line="4"', ' file="tests/stock.js" line="4"'
GREEN_CASES = "".join(case(f"steady {n}", more=IN_STOCK) for n in range(12))


def merged(folder: Path, number: int, *, failing: str = "", retried: bool = False) -> tuple[int, str, Run]:
    """Exit code, output and document of the merge of one CI run's file."""
    flaky = case("race", FAILURE, more=IN_CART) if failing == "race" else ""
    passed = "" if failing == "race" and not retried else case("race", more=IN_CART)
    broken = case("sum", FAILURE if failing == "sum" else "", more=IN_CART)
    commit(folder)
    (folder / "junit.xml").write_text(document(suite(flaky + passed + broken + GREEN_CASES, name=f"run {number}")))
    code, output = ci_itest("merge", "junit.xml", *HISTORY, root=folder, CI="true")
    return code, output, read_document(folder / ".ci-itest" / "report" / "run.json", Run)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo", {".gitignore": "*"})


def test_a_case_that_fails_now_and_then_is_told_from_one_that_this_change_broke(folder: Path) -> None:
    for number, failing in enumerate(["", "race", "", "race", "race", ""]):
        merged(folder, number, failing=failing, retried=True)

    _, _, run = merged(folder, 7, failing="race", retried=True)
    code, _, broken = merged(folder, 8, failing="sum")

    (cause,) = run.judged.causes
    assert (cause.case.name, cause.cause) == ("pkg.T::race", CauseKind.FLAKY)
    assert "Failed in 3 of 6 runs" in cause.evidence
    (cause,) = broken.judged.causes
    assert (cause.case.name, cause.cause) == ("pkg.T::sum", CauseKind.CHANGE)
    assert "Never failed in 7 runs" in cause.evidence
    assert [case.case.name for case in broken.judged.flaky] == ["pkg.T::race"]
    assert code == 1


def test_the_same_files_are_one_run(folder: Path) -> None:
    _, first, _ = merged(folder, 1)
    _, second, _ = merged(folder, 1)

    assert "Recorded 14 cases in the history." in first
    assert "The history has this run already." in second
    with closing(sqlite3.connect(folder / "history.sqlite")) as file:
        assert file.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_without_a_history_named_nothing_is_remembered(folder: Path) -> None:
    (folder / "junit.xml").write_text(document(suite(case("a"))))

    code, output = ci_itest("merge", "junit.xml", root=folder, XDG_CACHE_HOME=str(folder / "cache"))

    assert code == 0, output
    assert "history" not in output
    assert not (folder / "cache").exists()
