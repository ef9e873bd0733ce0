"""`ci-itest flaky` and `ci-itest quarantine` on a history in a real file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ci_itest.cli.main import group
from ci_itest.flows.record import record
from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import Outcome
from tests.helpers.history import RECORDED_AT, result, run

FAILED, PASSED = Outcome.FAILED, Outcome.PASSED
RACE = "tests/test_cart.py::test_race"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose history knows a race."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "ci-itest.toml").write_text('tests = ["tests"]\n[history]\nstore = "history.sqlite"\n')
    (root / "CODEOWNERS").write_text("* @acme/shop\n")
    with SqlHistory.open(root / "history.sqlite") as store:
        for number in range(24):
            race = (FAILED, PASSED) if number % 4 == 3 else (PASSED,)
            others = [result(f"test_{other}") for other in range(30)]
            made = replace(run(f"{number}", *others, result("test_race", *race)), commit=f"{number}")
            record(made, store=store, repository="shop", recorded_at=RECORDED_AT)
    return root


def invoke(project: Path, *words: str) -> Result:
    return CliRunner().invoke(group, [*words, "--root", str(project)], catch_exceptions=False)


def test_flaky_cases_are_listed_with_their_evidence(project: Path) -> None:
    shown = invoke(project, "flaky", "list")

    assert shown.exit_code == 0
    assert RACE in shown.stdout
    assert "Failed in 6 of 24 runs on main" in shown.stdout


def test_rebuilding_says_what_it_learned(project: Path) -> None:
    before = invoke(project, "flaky", "list").stdout

    rebuilt = invoke(project, "flaky", "rebuild")

    assert "Learned from 24 runs: 1 cases are suspected or flaky." in rebuilt.output
    assert invoke(project, "flaky", "list").stdout == before


def test_a_case_is_added_listed_and_released(project: Path) -> None:
    added = invoke(project, "quarantine", "add", RACE, "--reason", "races", "--for", "7d")
    listed = invoke(project, "quarantine", "list")
    released = invoke(project, "quarantine", "release", RACE)

    assert "is in quarantine until" in added.output
    assert f"muted {RACE} @acme/shop: races" in listed.stdout
    assert "left quarantine" in released.output
    assert invoke(project, "quarantine", "list").stdout == ""


def test_releasing_what_is_not_there_is_said(project: Path) -> None:
    released = CliRunner().invoke(
        group, ["quarantine", "release", "test_x", "--root", str(project)], standalone_mode=False
    )

    assert released.return_value == 2
    assert "test_x is not in quarantine." in released.output


def test_a_renaming_is_shown_and_undone(project: Path) -> None:
    race, moved = result("test_race").case, result("test_race", file="tests/test_basket.py").case
    with SqlHistory.open(project / "history.sqlite") as store:
        store.rename([(race, moved)], repository="shop", at=RECORDED_AT)
    shown = invoke(project, "flaky", "renames")

    undone = invoke(project, "flaky", "renames", "--undo", moved.node_id)

    assert f"{moved} was {race}" in shown.stdout
    assert "has a history of its own" in undone.output
    assert str(race) in invoke(project, "flaky", "list").stdout
    assert invoke(project, "flaky", "renames").stdout == ""
