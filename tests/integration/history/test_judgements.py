"""What was said of cases, in columns: written with a run and with the flaky model, in new files and older ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.judged import CaseCause, CauseKind, Judged, SlowedCase
from ci_itest.model.run import Run
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run

FAILED, PASSED = Outcome.FAILED, Outcome.PASSED
RACE, OTHER = CaseId("main", "tests/test_cart.py", "test_race"), CaseId("main", "tests/test_cart.py", "test_gone")
JUDGED = Judged(
    causes=(CaseCause(RACE, CauseKind.FLAKY, 0.93), CaseCause(OTHER, CauseKind.CHANGE, 0.9)),
    slowed=(SlowedCase(RACE, 1.0, 2.5, runs=6),),
)


def one_run(number: int, *race: Outcome) -> Run:
    return replace(run(str(number), result("test_race", *race), result("test_calm")), commit=f"commit{number}")


def rows(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as file:
        return file.execute(statement).fetchall()


def record(path: Path, *runs: Run) -> None:
    with SqlHistory.open(path) as history:
        for each in runs:
            history.record(each, repository=REPOSITORY, recorded_at=RECORDED_AT)
            history.learn(repository=REPOSITORY, is_main=lambda branch: branch == "main")


def test_what_a_report_said_of_the_runs_own_cases_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    record(path, replace(one_run(1, FAILED, PASSED), judged=JUDGED))

    assert rows(path, "SELECT cause, probability FROM causes") == [(1, 0.93)]
    assert rows(path, "SELECT before_seconds, after_seconds, runs FROM pace_changes") == [(1.0, 2.5, 6)]


def test_suspects_stand_in_a_table_as_long_as_they_are_suspected(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    racing = [one_run(n, *((FAILED, PASSED) if n % 3 == 0 else (PASSED,))) for n in range(1, 19)]

    record(path, *racing)
    suspected = rows(path, "SELECT is_flaky, rate > .03, main_runs, main_failures FROM flaky_cases")
    record(path, *(one_run(n, PASSED) for n in range(100, 180)))

    assert suspected == [(1, 1, 18, 6)]
    assert rows(path, "SELECT count(*) FROM flaky_cases") == [(0,)]
    assert rows(path, "SELECT default_branch FROM repository_facts") == [("main",)]
