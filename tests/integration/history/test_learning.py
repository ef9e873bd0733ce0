"""The flaky model in the history's file: kept between runs, made again from results, and older files are opened."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.flaky.state import State
from ci_itest.history.sql import SqlHistory
from ci_itest.history.store import DamagedHistoryError
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.run import Run
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run, started_at

FAILED, PASSED, SKIPPED = Outcome.FAILED, Outcome.PASSED, Outcome.SKIPPED
RACE = CaseId("main", "tests/test_cart.py", "test_race")


def one_run(number: int, *race: Outcome, commit: str = "", **fields: object) -> Run:
    """A run of 30 cases on a commit of its own."""
    cases = [result(f"test_{other}", file=f"tests/test_{other % 5}.py") for other in range(29)]
    made = run(str(number), *cases, result("test_race", *race), **fields)  # type: ignore[arg-type]
    return replace(made, commit=commit or f"commit{number}")


def record(path: Path, *runs: Run, learns: bool = True) -> State:
    with SqlHistory.open(path) as history:
        for each in runs:
            history.record(each, repository=REPOSITORY, recorded_at=RECORDED_AT)
            if learns:
                history.learn(repository=REPOSITORY, is_main=is_main)
        return history.flaky_state(repository=REPOSITORY)


def is_main(branch: str) -> bool:
    return branch == "main"


def racing(count: int) -> list[Run]:
    """Runs in every third of which the race fails once and passes on retry."""
    return [one_run(n, *((FAILED, PASSED) if n % 3 == 0 else (PASSED,))) for n in range(1, count + 1)]


def number_of(path: Path, case: CaseId = RACE) -> int:
    with SqlHistory.open(path) as history:
        return history.case_numbers(repository=REPOSITORY)[case]


def test_a_run_recorded_while_the_model_learns_is_neither_held_up_nor_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, *racing(17), learns=False)
    with SqlHistory.open(path) as learning, SqlHistory.open(path) as other:
        (late,) = racing(18)[17:]

        def is_main_while_another_learns(branch: str) -> bool:
            if other.record(late, repository=REPOSITORY, recorded_at=RECORDED_AT):
                other.learn(repository=REPOSITORY, is_main=is_main)
            return is_main(branch)

        counts = [learning.learn(repository=REPOSITORY, is_main=is_main_while_another_learns) for _ in range(2)]
        state = learning.flaky_state(repository=REPOSITORY)

    assert counts == [0, 0]
    assert state.tallies[number_of(path)] == (18, 6)


def test_a_race_is_flaky_after_some_runs(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    state = record(path, *racing(18))

    assert state.memory.suspects() == (number_of(path),)
    assert state.tallies[number_of(path)] == (18, 6)


def test_the_state_read_back_is_the_state_learned(tmp_path: Path) -> None:
    runs = [*racing(6), one_run(90, FAILED), one_run(91, FAILED, branch="pull")]

    step_by_step = record(tmp_path / "a.sqlite", *runs)
    at_once = record(tmp_path / "b.sqlite", *runs, learns=False)
    with SqlHistory.open(tmp_path / "b.sqlite") as history:
        assert history.learn(repository=REPOSITORY, is_main=is_main) == len(runs)
        at_once = history.flaky_state(repository=REPOSITORY)

    assert at_once == step_by_step


def test_rebuilding_from_the_results_gives_the_same_state(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    kept = record(path, *racing(9))

    with SqlHistory.open(path) as history:
        assert history.rebuild(repository=REPOSITORY, is_main=is_main) == 9
        assert history.flaky_state(repository=REPOSITORY) == kept


def test_a_run_recorded_twice_is_learned_once(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    once = record(path, *racing(3))

    assert record(path, *racing(3)) == once


def test_untrusted_runs_teach_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    known = record(path, *racing(3))

    after = record(path, *[one_run(50 + n, FAILED, is_trusted=False) for n in range(5)])

    assert after == known


def test_a_clock_that_jumps_changes_nothing(tmp_path: Path) -> None:
    days = (9, 2, 28, 1, 15, 3)
    ordered = record(tmp_path / "a.sqlite", *racing(6))

    jumping = record(
        tmp_path / "b.sqlite",
        *[replace(each, started_at=started_at(d)) for d, each in zip(days, racing(6), strict=True)],
    )

    assert jumping == ordered


def test_skips_are_no_flips(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    state = record(path, *[one_run(n, SKIPPED if n % 2 else PASSED) for n in range(12)])

    assert not state.memory.evidence
    assert state.tallies[number_of(path)] == (6, 0)


def test_a_case_that_stands_twice_in_a_run_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    doubled = one_run(1, FAILED)

    state = record(path, replace(doubled, cases=(*doubled.cases, result("test_race"))))

    assert state.tallies[number_of(path)] == (1, 0)


def test_runs_of_one_commit_on_a_laptop_are_not_taken_for_repeats(tmp_path: Path) -> None:
    edited = [replace(one_run(n, FAILED if n % 2 else PASSED, commit="same"), run_id=f"local-{n}") for n in range(2, 6)]
    repeated = [one_run(n, FAILED if n % 2 else PASSED, commit="same") for n in range(2, 6)]

    laptop = record(tmp_path / "a.sqlite", *racing(1), *edited).memory
    ci = record(tmp_path / "b.sqlite", *racing(1), *repeated).memory

    race = number_of(tmp_path / "a.sqlite")
    assert laptop.weights[race] != ci.weights[race]
    assert all(line.code == "" for line in laptop.lines.values())


def test_state_that_is_damaged_is_named_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, *racing(3))
    with sqlite3.connect(path) as file:
        file.execute("UPDATE flaky_pages SET data = x'00ff'")

    with pytest.raises(DamagedHistoryError), SqlHistory.open(path) as history:
        history.flaky_state(repository=REPOSITORY)


def test_forgotten_cases_leave_nothing_to_those_that_get_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, *[replace(each, started_at=started_at(1)) for each in racing(9)])

    with SqlHistory.open(path) as history:
        history.prune(started_at(2))
        state = history.flaky_state(repository=REPOSITORY)

    assert not state.memory.weights
    assert not state.tallies


def test_past_failures_are_told_with_their_branch(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, *racing(3), one_run(7, FAILED, branch="pull", day=5))
    race = number_of(path)

    with SqlHistory.open(path) as history:
        failures = history.failures([race], repository=REPOSITORY)[race]

    assert [(failure.branch, failure.is_recovered) for failure in failures] == [("main", True), ("pull", False)]
