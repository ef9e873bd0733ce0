"""A run held against a history in a real file: causes with evidence a reader can check, flags, mass events."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.flows.judge import judge, main_branch, with_judgement
from ci_itest.flows.record import record
from ci_itest.history.sql import SqlHistory
from ci_itest.history.store import HistoryStore
from ci_itest.model.cases import CaseResult, Outcome
from ci_itest.model.judged import CaseCause, CauseKind, FlakyStatus, Judged
from ci_itest.model.run import Run
from ci_itest.wire import decode_document, encode_document
from tests.helpers.history import INCOMPLETE, REPOSITORY, result, run

FAILED, PASSED = Outcome.FAILED, Outcome.PASSED
IS_MAIN = main_branch("main")
REFUSED = "redis.exceptions.ConnectionError: Error 111 connecting to 127.0.0.1:41733. Connection refused."


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """History of 60 runs: `test_race` recovers in every fourth, `test_old` is broken since the 58th."""
    path = tmp_path_factory.mktemp("learned") / "history.sqlite"
    with SqlHistory.open(path) as history:
        for number in range(60):
            race = (FAILED, PASSED) if number % 4 == 3 else (PASSED,)
            old = (FAILED, FAILED) if number >= 58 else (PASSED,)
            keep(history, one_run(number, result("test_race", *race), result("test_old", *old)))
    return path


@pytest.fixture
def store(learned: Path, tmp_path: Path) -> Iterator[HistoryStore]:
    """A copy of that history for one test."""
    with SqlHistory.open(shutil.copy(learned, tmp_path)) as history:
        yield history


def one_run(number: int, *special: CaseResult, branch: str = "main", minute: int = 0) -> Run:
    """A run of 40 cases beside the special ones, on two shards, one an hour."""
    names = {case.case.name for case in special}
    others = [
        result(f"test_{n}", file=f"tests/test_{n % 8}.py", shard=1 + n % 2)
        for n in range(40)
        if f"test_{n}" not in names
    ]
    started = f"2026-01-{1 + number // 20:02d}T{number % 20:02d}:{minute:02d}:00+00:00"
    made = run(str(number), *others, *special, branch=branch)
    return replace(made, commit=f"commit{number}", started_at=started)


def keep(store: HistoryStore, *runs: Run) -> None:
    for each in runs:
        words = record(each, store=store, repository=REPOSITORY, recorded_at=each.started_at, is_main=IS_MAIN)
        assert words.startswith("Recorded"), words


def judged(store: HistoryStore, of: Run) -> Judged:
    return judge(of, store=store, repository=REPOSITORY, is_main=IS_MAIN)


def cause(found: Judged, name: str) -> CaseCause:
    return next(each for each in found.causes if each.case.name == name)


def test_a_race_is_listed_as_flaky_with_true_evidence(store: HistoryStore) -> None:
    found = judged(store, one_run(61, result("test_race", FAILED, PASSED), branch="pull"))

    (flaky,) = found.flaky
    assert flaky.case.name == "test_race"
    assert flaky.status is FlakyStatus.FLAKY
    assert flaky.rate_low <= flaky.rate <= flaky.rate_high
    assert flaky.since == "2026-01-01T03:00:00+00:00"
    assert cause(found, "test_race").cause is CauseKind.FLAKY
    assert cause(found, "test_race").evidence == (
        "Failed in 15 of 60 runs on main, passed on retry here, last failed 6 hours ago on main."
    )


def test_a_case_broken_on_main_is_not_the_pull_requests_fault(store: HistoryStore) -> None:
    found = cause(judged(store, one_run(61, result("test_old", FAILED, FAILED), branch="pull")), "test_old")

    assert found.cause is CauseKind.KNOWN
    assert found.probability > 0.9
    assert found.evidence.startswith("Failed in 2 of 60 runs on main, last 6 hours ago on main")


def test_a_first_failure_of_a_healthy_case_is_the_change(store: HistoryStore) -> None:
    found = judged(store, one_run(61, result("test_3", FAILED, FAILED, file="tests/test_3.py", shard=2), branch="pull"))

    assert cause(found, "test_3").cause is CauseKind.CHANGE
    assert cause(found, "test_3").evidence == "Never failed in 60 runs on main, failed on all 2 attempts here."
    assert "test_3" not in [flaky.case.name for flaky in found.flaky]


def test_a_first_recovery_of_a_healthy_case_is_not_called_flaky(store: HistoryStore) -> None:
    recovered = result("test_3", FAILED, PASSED, file="tests/test_3.py", shard=2)

    found = judged(store, one_run(61, recovered, branch="pull"))

    assert cause(found, "test_3").cause is not CauseKind.FLAKY


def test_a_killed_redis_is_the_environment_and_named(store: HistoryStore) -> None:
    hit = [
        result(f"test_{n}", FAILED, FAILED, file=f"tests/test_{n % 8}.py", shard=2, message=REFUSED) for n in (1, 3, 5)
    ]
    made = one_run(61, *hit, branch="pull")
    note = "While the tests ran, redis exited with exit code 137 at 12:03:07 UTC."
    shards = [replace(shard, notes=(note,)) if shard.index == 2 else shard for shard in made.shards]

    found = judged(store, replace(made, shards=tuple(shards)))

    assert {cause(found, f"test_{n}").cause for n in (1, 3, 5)} == {CauseKind.ENVIRONMENT}
    (event,) = found.events
    assert event.words == "the 3 cases that met redis on shard 2; redis exited with exit code 137 at 12:03:07 UTC"
    assert event.words in cause(found, "test_1").evidence.replace("The 3", "the 3")


def test_a_shard_whose_connections_are_refused_is_the_environment(store: HistoryStore) -> None:
    hit = [
        result(f"test_{n}", FAILED, FAILED, file=f"tests/test_{n % 8}.py", shard=2, message=REFUSED)
        for n in range(1, 40, 2)
    ]

    found = judged(store, one_run(61, *hit, branch="pull"))

    assert {each.cause for each in found.causes} == {CauseKind.ENVIRONMENT}
    (event,) = found.events
    assert event.cause is CauseKind.ENVIRONMENT
    assert event.words == "20 of 20 cases on shard 2 failed together"


def test_many_assertions_that_fail_together_are_the_change(store: HistoryStore) -> None:
    hit = [
        result(f"test_{n}", FAILED, FAILED, file=f"tests/test_{n % 8}.py", shard=1 + n % 2, message="assert 500 == 201")
        for n in range(30)
    ]

    found = judged(store, one_run(61, *hit, branch="pull"))

    assert {each.cause for each in found.causes} == {CauseKind.CHANGE}


def test_without_a_history_every_failure_still_has_a_cause(tmp_path: Path) -> None:
    with SqlHistory.open(tmp_path / "empty.sqlite") as empty:
        found = judged(empty, one_run(1, result("test_3", FAILED)))

    assert not found.is_known
    assert cause(found, "test_3").cause is CauseKind.CHANGE
    assert cause(found, "test_3").evidence == "No run of it on main is known."


def test_no_store_judges_nothing() -> None:
    assert judge(one_run(1, result("test_3", FAILED)), store=None, repository=REPOSITORY, is_main=IS_MAIN) == Judged()


def test_a_run_of_an_untrusted_fork_is_judged_and_not_learned_from(store: HistoryStore) -> None:
    fork = replace(one_run(61, result("test_3", FAILED), branch="main"), is_trusted=False)
    before = store.flaky_state(repository=REPOSITORY)

    words = record(fork, store=store, repository=REPOSITORY, recorded_at=fork.started_at, is_main=IS_MAIN)

    assert words == "The history was not written: it learns from the default branch only."
    assert store.flaky_state(repository=REPOSITORY) == before
    assert cause(judged(store, fork), "test_3").cause is CauseKind.CHANGE


def test_a_slower_case_is_told_with_its_times(store: HistoryStore) -> None:
    for number in range(61, 75):
        slow = one_run(number, result("test_3", file="tests/test_3.py", shard=2, call=2.0))
        found = judged(store, slow).slowed
        if found:
            break
        keep(store, slow)

    (slowed,) = found
    assert slowed.case.name == "test_3"
    assert slowed.before_seconds == pytest.approx(1.0, rel=0.1)
    assert slowed.after_seconds == pytest.approx(2.0, rel=0.1)


def test_what_was_judged_travels_with_the_run(store: HistoryStore) -> None:
    made = one_run(61, result("test_race", FAILED, PASSED), branch="pull")
    whole = replace(made, judged=judged(store, made))

    assert decode_document(encode_document(whole), Run, source="run.json") == whole


def test_a_history_that_breaks_while_it_is_read_is_a_note(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqlHistory.open(path) as history:
        keep(history, one_run(1))
        with history._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE flaky_rest SET data = x'00'")

        found = judged(history, one_run(2, result("test_3", FAILED)))

    assert found.causes == ()
    assert "were not compared with earlier runs" in found.notes[0]


def test_the_default_branch_goes_by_its_usual_names_where_it_is_unknown() -> None:
    assert main_branch("")("master")
    assert not main_branch("trunk")("master")
    assert main_branch("trunk")("trunk")


def test_a_case_that_moved_to_another_file_keeps_its_history(store: HistoryStore) -> None:
    moved = result("TestCart::test_race", FAILED, PASSED, file="tests/test_basket.py")
    number = store.case_numbers(repository=REPOSITORY)[result("test_race").case]
    made = one_run(60, moved, result("test_old", FAILED, FAILED))
    judged = judge(made, store=store, repository=REPOSITORY, is_main=IS_MAIN)

    told = with_judgement(made, judged)
    keep(store, told)

    assert judged.renamed == ((result("test_race").case, moved.case),)
    assert any("TestCart::test_race was tests/test_cart.py::test_race" in note for note in told.notes)
    assert next(cause for cause in judged.causes if cause.case == moved.case).cause is CauseKind.FLAKY
    assert store.case_numbers(repository=REPOSITORY)[moved.case] == number


def test_a_case_of_a_run_that_is_not_whole_has_moved_nowhere(store: HistoryStore) -> None:
    moved = result("TestCart::test_race", file="tests/test_basket.py")
    made = replace(one_run(60, moved), findings=INCOMPLETE)

    assert judge(made, store=store, repository=REPOSITORY, is_main=IS_MAIN).renamed == ()
