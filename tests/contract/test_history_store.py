"""What every `HistoryStore` does alike; a new store joins by a line in STORES."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.errors import HistoryError
from ci_itest.history.sql import SqlHistory
from ci_itest.history.store import HistoryStore
from ci_itest.model.bypass import Aftermath, BypassRecord
from ci_itest.model.cases import CaseId, Outcome, Verdict
from ci_itest.model.history import CaseTimings, RunSummary, RunTiming, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import Conclusion, PhaseTime, Run
from tests.helpers.history import (
    INCOMPLETE,
    RECORDED_AT,
    REPOSITORY,
    never_run,
    result,
    run,
    seconds_by_name,
    shard,
    started_at,
)
from tests.helpers.remote import served_history

STORES: dict[str, Callable[[pytest.FixtureRequest], HistoryStore]] = {
    "sqlite": lambda request: SqlHistory.open(request.getfixturevalue("tmp_path") / "history.sqlite"),
    "postgresql": lambda request: SqlHistory.open(request.getfixturevalue("postgres_url")),
    "service": lambda request: request.getfixturevalue("store_behind_a_service"),
}


@pytest.fixture
def store_behind_a_service(tmp_path: Path) -> Iterator[HistoryStore]:
    with served_history(tmp_path, at=RECORDED_AT) as store:
        yield store


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[HistoryStore]:
    with STORES[request.param](request) as opened:
        yield opened


def record(store: HistoryStore, *runs: Run) -> list[bool]:
    return [store.record(each, repository=REPOSITORY, recorded_at=RECORDED_AT) for each in runs]


def seconds(
    store: HistoryStore, suite: str = "main", *, branches: set[str] | None = None, last_runs: int = 10
) -> dict[str, list[float]]:
    return seconds_by_name(store.timings(suite, repository=REPOSITORY, branches=branches, last_runs=last_runs))


def test_an_empty_store_has_nothing_to_say(store: HistoryStore) -> None:
    assert store.timings("main", repository=REPOSITORY, branches=None) == ()
    assert store.accuracy(repository=REPOSITORY) == ()
    assert store.runs(repository=REPOSITORY) == ()


def test_a_run_is_recorded_once(store: HistoryStore) -> None:
    first = run("7", result("test_adds", call=2.0))

    answers = record(store, first, first)

    assert answers == [True, False]
    assert seconds(store) == {"test_adds": [2.0]}
    assert len(store.runs(repository=REPOSITORY)) == 1


def test_the_same_run_id_in_another_repository_is_another_run(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds", call=2.0)))

    answer = store.record(run("7", result("test_adds", call=5.0)), repository="acme/other", recorded_at=RECORDED_AT)

    assert answer
    assert seconds(store) == {"test_adds": [2.0]}
    assert seconds_by_name(store.timings("main", repository="acme/other", branches=None)) == {"test_adds": [5.0]}


def test_every_field_of_a_timing_comes_back(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds[eu]", setup=0.25, call=1.5, teardown=0.000125), day=3))

    timings = store.timings("main", repository=REPOSITORY, branches=None)

    case = CaseId("main", "tests/test_cart.py", "test_adds[eu]")
    assert timings == (CaseTimings(case, (RunTiming(started_at(3), 0.25, 1.5, 0.000125, shard=1),)),)


def test_timings_are_newest_first_whatever_the_order_of_recording(store: HistoryStore) -> None:
    record(store, *(run(str(day), result("test_adds", call=float(day)), day=day) for day in (2, 5, 1, 4, 3)))

    assert seconds(store) == {"test_adds": [5.0, 4.0, 3.0, 2.0, 1.0]}


def test_times_of_unlike_precision_and_offset_are_ordered_by_the_moment(store: HistoryStore) -> None:
    moments = {"1": "2026-01-01T09:00:00+02:00", "2": "2026-01-01T07:00:00.5Z", "3": "2026-01-01T07:00:01"}
    for run_id, moment in moments.items():
        shown = run(run_id, result("test_adds", call=float(run_id)))
        record(store, Run(run_id, "c0ffee", moment, branch="main", shards=shown.shards, cases=shown.cases))

    assert seconds(store) == {"test_adds": [3.0, 2.0, 1.0]}


def test_timings_look_back_on_the_last_runs_alone(store: HistoryStore) -> None:
    record(store, *(run(str(day), result("test_adds", call=float(day)), day=day) for day in range(1, 6)))
    record(store, run("other", result("test_login", suite="e2e"), day=9))

    assert seconds(store, last_runs=2) == {"test_adds": [5.0, 4.0]}


def test_a_case_that_the_last_runs_did_not_run_has_no_timings(store: HistoryStore) -> None:
    record(store, run("1", result("test_gone"), result("test_adds"), day=1), run("2", result("test_adds"), day=2))

    assert seconds(store, last_runs=1) == {"test_adds": [1.0]}


def test_timings_are_of_one_suite(store: HistoryStore) -> None:
    record(store, run("1", result("test_adds", call=2.0), result("test_adds", suite="e2e", call=9.0)))

    assert seconds(store, "main") == {"test_adds": [2.0]}
    assert seconds(store, "e2e") == {"test_adds": [9.0]}
    assert seconds(store, "smoke") == {}


def test_timings_are_ordered_by_file_and_name(store: HistoryStore) -> None:
    cases = [result(name, file=file) for file in ("b.py", "Z.py", "a.py") for name in ("test_2", "test_10", "test_é")]
    record(store, run("1", *cases))

    timings = store.timings("main", repository=REPOSITORY, branches=None)

    assert [case.case for case in timings] == sorted(case.case for case in cases)


@pytest.mark.parametrize(
    ("branches", "expected"),
    [
        (None, [3.0, 2.0, 1.0]),
        ({"main"}, [1.0]),
        ({"main", "feature"}, [3.0, 1.0]),
        ({"absent"}, None),
        (set(), None),
    ],
)
def test_timings_learn_from_the_branches_named(
    store: HistoryStore, branches: set[str] | None, expected: list[float] | None
) -> None:
    for day, branch in enumerate(["main", "release", "feature"], start=1):
        record(store, run(str(day), result("test_adds", call=float(day)), day=day, branch=branch))

    assert seconds(store, branches=branches) == ({} if expected is None else {"test_adds": expected})


def test_an_incomplete_or_untrusted_run_teaches_nothing(store: HistoryStore) -> None:
    record(
        store,
        run("1", result("test_adds", call=1.0), day=1),
        run("2", result("test_adds", call=2.0), day=2, findings=INCOMPLETE),
        run("3", result("test_adds", call=3.0), day=3, is_trusted=False),
    )

    assert seconds(store, last_runs=1) == {"test_adds": [1.0]}
    assert [accuracy.run_id for accuracy in store.accuracy(repository=REPOSITORY)] == ["1"]


@pytest.mark.parametrize(
    ("outcomes", "is_timed"),
    [
        ([Outcome.PASSED], True),
        ([Outcome.FAILED], True),
        ([Outcome.FAILED, Outcome.PASSED], True),
        ([Outcome.ERROR], False),
        ([Outcome.SKIPPED], False),
        ([Outcome.FAILED, Outcome.ERROR], False),
    ],
)
def test_only_a_last_attempt_that_passed_or_failed_is_a_timing(
    store: HistoryStore, outcomes: list[Outcome], is_timed: bool
) -> None:
    record(store, run("1", result("test_adds", *outcomes), never_run("test_lost")))

    assert seconds(store) == ({"test_adds": [1.0]} if is_timed else {})


def test_of_a_retried_case_the_last_attempt_is_timed(store: HistoryStore) -> None:
    slow = result("test_adds", Outcome.FAILED, call=30.0).attempts
    quick = result("test_adds", Outcome.PASSED, call=2.0)
    recovered = type(quick)(quick.case, slow + quick.attempts, Verdict.RECOVERED, shard=1)

    record(store, run("1", recovered))

    assert seconds(store) == {"test_adds": [2.0]}


def test_a_later_attempt_of_a_run_adds_only_the_shards_that_are_new(store: HistoryStore) -> None:
    kept, first, again = (
        result("test_adds", shard=1, call=1.0),
        result("test_pays", Outcome.FAILED, shard=2, call=4.0),
        result("test_pays", shard=2, call=6.0),
    )
    shards = [shard(1, count=2), shard(2, count=2), shard(2, count=2, attempt=2)]

    answers = record(
        store,
        run("1", kept, first, day=1, shards=shards[:2]),
        run("1", kept, again, day=2, attempt=2, shards=[shards[0], shards[2]]),
    )

    assert answers == [True, True]
    (adds, pays) = store.timings("main", repository=REPOSITORY, branches=None)
    assert [timing.started_at for timing in adds.runs] == [started_at(1)]
    assert [(timing.started_at, timing.seconds) for timing in pays.runs] == [(started_at(2), 6.0)]


def test_a_later_attempt_brings_along_what_was_never_recorded(store: HistoryStore) -> None:
    kept, again = result("test_adds", shard=1), result("test_pays", shard=2, call=6.0)

    record(store, run("1", kept, again, attempt=2, shards=[shard(1, count=2), shard(2, count=2, attempt=2)]))

    assert seconds(store) == {"test_adds": [1.0], "test_pays": [6.0]}


def test_an_attempt_that_completes_a_run_makes_its_earlier_attempts_count(store: HistoryStore) -> None:
    kept, again = result("test_adds", shard=1), result("test_pays", shard=2, call=6.0)
    first, second = shard(1, count=2), shard(2, count=2, attempt=2)
    record(store, run("1", kept, day=1, shards=[first], findings=INCOMPLETE))
    before = seconds(store)

    record(store, run("1", kept, again, day=2, attempt=2, shards=[first, second]))

    assert before == {}
    assert seconds(store) == {"test_adds": [1.0], "test_pays": [6.0]}


def test_an_attempt_cut_short_after_a_complete_one_teaches_nothing(store: HistoryStore) -> None:
    record(store, run("1", result("test_adds", call=1.0), day=1))
    record(store, run("1", result("test_adds", call=60.0), day=2, attempt=2, findings=INCOMPLETE))

    assert seconds(store) == {"test_adds": [1.0]}


def test_an_untrusted_attempt_of_a_trusted_run_teaches_nothing(store: HistoryStore) -> None:
    record(store, run("1", result("test_planted", call=60.0), day=1, is_trusted=False))
    record(store, run("1", result("test_adds", call=1.0), day=2, attempt=2))

    assert seconds(store) == {"test_adds": [1.0]}


def test_all_attempts_of_a_run_are_one_of_the_last_runs(store: HistoryStore) -> None:
    record(store, run("1", result("test_adds", call=1.0), day=1))
    record(store, *(run("2", result("test_adds", call=float(n)), day=n, attempt=n) for n in (2, 3)))

    assert seconds(store, last_runs=2) == {"test_adds": [3.0, 1.0]}


def test_accuracy_compares_each_shard_of_the_newest_run_with_its_plan(store: HistoryStore) -> None:
    phases = (PhaseTime("services", 2.5), PhaseTime("tests", 7.0))
    old = run("1", result("test_adds", call=1.0), day=1, shards=[shard(planned=99.0)])
    new = run(
        "2",
        result("test_adds", Outcome.FAILED, Outcome.PASSED, call=2.0, shard=1),
        result("test_pays", call=3.5, shard=2),
        result("test_ships", call=1.0, shard=2),
        result("test_login", call=8.0, suite="e2e"),
        day=2,
        shards=[
            shard(2, count=2, planned=5.0, wall=9.5, phases=phases),
            shard(1, count=2, planned=3.0, wall=6.0),
            shard(1, suite="e2e", planned=7.0, wall=11.0),
        ],
    )
    record(store, new, old)

    accuracy = store.accuracy(repository=REPOSITORY, branches={"main"})

    assert accuracy == (
        ShardAccuracy("e2e", 1, 1, 7.0, 8.0, 11.0, "2", started_at(2)),
        ShardAccuracy("main", 1, 2, 3.0, 4.0, 6.0, "2", started_at(2)),
        ShardAccuracy("main", 2, 2, 5.0, 4.5, 9.5, "2", started_at(2), phases),
    )


def test_accuracy_follows_a_shard_to_the_attempt_that_ran_it_last(store: HistoryStore) -> None:
    kept, again = result("test_adds", shard=1), result("test_pays", shard=2, call=6.0)
    first = [shard(1, count=2, planned=1.0), shard(2, count=2, planned=2.0)]
    second = [first[0], shard(2, count=2, attempt=2, planned=2.0)]
    record(store, run("1", kept, result("test_pays", Outcome.FAILED, shard=2, call=4.0), shards=first))
    record(store, run("1", kept, again, attempt=2, shards=second))

    accuracy = store.accuracy(repository=REPOSITORY)

    assert [(one.index, one.work_seconds) for one in accuracy] == [(1, 1.0), (2, 6.0)]


def test_runs_are_summed_up_newest_first(store: HistoryStore) -> None:
    mixed = run(
        "2",
        result("test_adds"),
        result("test_pays", Outcome.FAILED),
        result("test_ships", Outcome.FAILED, Outcome.PASSED),
        result("test_waits", Outcome.SKIPPED),
        result("test_shaky", Outcome.FAILED, verdict=Verdict.QUARANTINED),
        never_run("test_lost"),
        day=2,
        branch="feature",
        is_trusted=False,
        findings=INCOMPLETE,
    )
    record(store, run("1", result("test_adds"), day=1), mixed)

    runs = store.runs(repository=REPOSITORY)

    assert [one.run_id for one in runs] == ["2", "1"]
    assert [one.run_id for one in store.runs(1, repository=REPOSITORY)] == ["2"]
    assert runs[0] == RunSummary(
        run_id="2",
        run_attempt=1,
        commit="c0ffee",
        branch="feature",
        started_at=started_at(2),
        recorded_at=RECORDED_AT,
        conclusion=Conclusion.INCOMPLETE,
        is_trusted=False,
        passed=1,
        failed=1,
        recovered=1,
        skipped=1,
        quarantined=1,
        missing=1,
    )


def test_a_run_of_2000_cases_comes_back_whole(store: HistoryStore) -> None:
    cases = [
        result(f"test_{n}", file=f"tests/test_{n // 40:02d}.py", setup=n / 1000, call=n / 8, teardown=n / 1_000_000)
        for n in range(2000)
    ]
    record(store, run("1", *cases))

    timings = store.timings("main", repository=REPOSITORY, branches=None)

    expected = {case.case: (case.attempts[0].setup_seconds, case.attempts[0].seconds) for case in cases}
    assert {one.case: (one.runs[0].setup_seconds, one.runs[0].seconds) for one in timings} == expected


@pytest.mark.parametrize(
    "name", ["test_\udc80", "test_a\0b", "test_日本語🙂", "test_" + "x" * 20_000, "'; DROP TABLE runs; --", ""]
)
def test_a_case_of_any_name_is_kept_apart(store: HistoryStore, name: str) -> None:
    record(store, run("1", result(name, call=2.0), result("test_adds")))
    record(store, run("2", result(name, call=3.0), result("test_adds"), day=2))

    assert sorted(seconds(store).values()) == [[1.0, 1.0], [3.0, 2.0]]


def test_names_that_differ_in_how_they_spell_an_odd_byte_do_not_stop_a_recording(store: HistoryStore) -> None:
    answers = record(store, run("1", result("test_a\0b"), result("test_a\\x00b"), result("test_adds")))

    assert answers == [True]
    assert seconds(store)["test_adds"] == [1.0]


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_no_number_or_negative_is_kept_as_one(store: HistoryStore, odd: float) -> None:
    record(store, run("1", result("test_adds", call=odd), shards=[shard(planned=odd, wall=odd)]))

    ((kept,),) = seconds(store).values()
    (accuracy,) = store.accuracy(repository=REPOSITORY)
    assert 0.0 <= kept <= 1e9
    assert 0.0 <= accuracy.planned_seconds <= 1e9
    assert 0.0 <= accuracy.work_seconds <= 1e9


def test_of_a_case_that_a_run_names_twice_the_last_stands(store: HistoryStore) -> None:
    record(store, run("1", result("test_adds", call=1.0), result("test_adds", call=5.0)))

    assert seconds(store) == {"test_adds": [5.0]}


def test_a_run_without_a_start_started_when_it_was_recorded(store: HistoryStore) -> None:
    record(store, Run("1", "c0ffee", ""))

    assert store.runs(repository=REPOSITORY)[0].started_at == RECORDED_AT


def test_a_time_that_is_none_is_refused_and_nothing_is_kept(store: HistoryStore) -> None:
    # A service is told by name which value it is: what was sent is not repeated.
    with pytest.raises(HistoryError, match=r"'yesterday'|started_at"):
        record(store, Run("1", "c0ffee", "yesterday"))

    assert store.runs(repository=REPOSITORY) == ()


def test_a_number_too_large_for_the_store_is_a_history_error(store: HistoryStore) -> None:
    with pytest.raises(HistoryError):
        record(store, run("1", result("test_adds"), shards=[shard(index=2**80)]))

    assert store.runs(repository=REPOSITORY) == ()


def verdicts(store: HistoryStore, *, branch: str = "main", without: str = "") -> dict[str, Verdict] | None:
    found = store.newest_run(repository=REPOSITORY, branch=branch, without=without)
    return {case.name: verdict for case, verdict, _ in found.cases} if found is not None else None


def test_the_newest_run_of_a_branch_tells_each_cases_verdict_and_seconds(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds"), day=1))
    record(store, run("8", result("test_adds", Outcome.FAILED, setup=1, call=2, teardown=0.5), day=2))
    record(store, run("9", result("test_adds"), day=3, branch="cart"))

    found = store.newest_run(repository=REPOSITORY, branch="main")

    assert found is not None
    assert (found.commit, found.started_at, found.is_complete) == ("c0ffee", started_at(2), True)
    assert found.cases == ((CaseId("main", "tests/test_cart.py", "test_adds"), Verdict.FAILED, 3.5),)


def test_a_branch_without_a_run_has_no_newest_one(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds")), run("8", result("test_adds"), branch="cart", is_trusted=False))

    assert verdicts(store, branch="cart") is None
    assert store.newest_run(repository="acme/other", branch="main") is None


def test_a_run_is_left_out_of_the_search_for_its_own_base(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds", Outcome.FAILED), day=1), run("8", result("test_adds"), day=2))

    assert verdicts(store, without="8") == {"test_adds": Verdict.FAILED}
    assert verdicts(store) == {"test_adds": Verdict.PASSED}


def test_a_complete_run_is_the_base_before_a_newer_incomplete_one(store: HistoryStore) -> None:
    record(store, run("7", result("test_adds"), day=1))
    record(store, run("8", never_run("test_adds"), day=2, findings=INCOMPLETE))

    assert verdicts(store) == {"test_adds": Verdict.PASSED}


def test_an_incomplete_run_is_the_base_where_there_is_no_other(store: HistoryStore) -> None:
    record(store, run("8", result("test_adds"), findings=INCOMPLETE))

    found = store.newest_run(repository=REPOSITORY, branch="main")

    assert found is not None
    assert not found.is_complete


def test_the_attempts_of_the_newest_run_are_taken_together(store: HistoryStore) -> None:
    kept, again = result("test_kept"), result("test_again", Outcome.FAILED, shard=2)
    shards = (shard(1, count=2), shard(2, count=2))
    record(store, run("7", kept, again, shards=shards, findings=INCOMPLETE))
    passed = result("test_again", shard=2)
    record(store, run("7", kept, passed, attempt=2, shards=(shards[0], shard(2, count=2, attempt=2))))

    found = store.newest_run(repository=REPOSITORY, branch="main")

    assert found is not None
    assert found.is_complete
    assert verdicts(store) == {"test_kept": Verdict.PASSED, "test_again": Verdict.PASSED}


OLD, NEW = CaseId("main", "tests/test_cart.py", "test_race"), CaseId("main", "tests/test_basket.py", "test_race")


def with_a_renamed_case(store: HistoryStore) -> None:
    """Two runs under the old name, the second of which failed, and one under the new."""
    failed = result("test_race", Outcome.FAILED)
    record(store, run("1", result("test_race")), run("2", failed, day=2))
    assert store.rename([(OLD, NEW)], repository=REPOSITORY, at=RECORDED_AT) == 1
    record(store, run("3", result("test_race", file=NEW.file), day=3))


def test_a_renamed_case_keeps_its_results(store: HistoryStore) -> None:
    with_a_renamed_case(store)

    (timings,) = store.timings("main", repository=REPOSITORY, branches=None)
    numbers = store.case_numbers(repository=REPOSITORY)
    assert timings.case == NEW
    assert len(timings.runs) == 3
    assert list(numbers) == [NEW]
    assert len(store.failures([numbers[NEW]], repository=REPOSITORY)[numbers[NEW]]) == 1
    assert [(each.old, each.new) for each in store.renamed(repository=REPOSITORY)] == [(OLD, NEW)]


def test_renaming_is_undone_with_every_result_where_it_was(store: HistoryStore) -> None:
    with_a_renamed_case(store)

    assert store.undo_rename(NEW, repository=REPOSITORY)

    timings = {each.case: len(each.runs) for each in store.timings("main", repository=REPOSITORY, branches=None)}
    numbers = store.case_numbers(repository=REPOSITORY)
    failures = store.failures(list(numbers.values()), repository=REPOSITORY)
    assert timings == {OLD: 2, NEW: 1}
    assert [len(failures.get(numbers[case], ())) for case in (OLD, NEW)] == [1, 0]
    assert store.renamed(repository=REPOSITORY) == ()
    assert not store.undo_rename(NEW, repository=REPOSITORY)


def test_a_name_that_is_taken_is_given_to_nobody_else(store: HistoryStore) -> None:
    record(store, run("1", result("test_race"), result("test_race", file=NEW.file)))

    assert store.rename([(OLD, NEW)], repository=REPOSITORY, at=RECORDED_AT) == 0
    assert (
        store.rename(
            [(CaseId("main", "x.py", "y"), CaseId("main", "z.py", "y"))], repository=REPOSITORY, at=RECORDED_AT
        )
        == 0
    )


def test_a_renamed_case_stays_in_quarantine(store: HistoryStore) -> None:
    record(store, run("1", result("test_race")))
    entry = QuarantineEntry(OLD, "races", added_at=RECORDED_AT, expires_at=RECORDED_AT)
    store.quarantine(entry, repository=REPOSITORY)

    store.rename([(OLD, NEW)], repository=REPOSITORY, at=RECORDED_AT)

    assert [each.case for each in store.quarantined(repository=REPOSITORY)] == [NEW]


def bypass(run_id: str = "70", *, day: int = 2, merged_as: str = "") -> BypassRecord:
    return BypassRecord(
        run_id=run_id,
        run_attempt=1,
        pull_request=5,
        commit="c0ffee",
        branch="docs",
        actor="alice",
        rule="bypass.label",
        label="skip\0",
        reason="alice set the label",
        at=started_at(day),
        merged_as=merged_as,
    )


def test_a_bypass_is_kept_once_with_all_that_it_says(store: HistoryStore) -> None:
    answers = [store.record_bypass(bypass(), repository=REPOSITORY) for _ in range(2)]

    (found,) = store.bypasses(repository=REPOSITORY, main={"main"})
    assert answers == [True, False]
    assert found.record == replace(bypass(), label="skip\\x00")
    assert store.bypasses(repository="acme/other", main={"main"}) == ()


def test_the_newest_bypass_comes_first(store: HistoryStore) -> None:
    for run_id, day in (("70", 2), ("72", 4), ("71", 3)):
        store.record_bypass(bypass(run_id, day=day), repository=REPOSITORY)

    found = store.bypasses(2, repository=REPOSITORY, main={"main"})

    assert [each.record.run_id for each in found] == ["72", "71"]


def test_a_bypass_after_which_main_broke_says_so(store: HistoryStore) -> None:
    record(store, run("1", result("test_adds"), day=1))
    store.record_bypass(bypass(day=2), repository=REPOSITORY)
    record(store, run("3", result("test_adds", Outcome.FAILED), day=3), run("4", result("test_adds"), day=4))

    (found,) = store.bypasses(repository=REPOSITORY, main={"main"})

    assert (found.aftermath, found.next_run_id, found.is_certain) == (Aftermath.MAIN_BROKE, "3", False)


def test_of_a_run_of_main_the_last_attempt_counts(store: HistoryStore) -> None:
    store.record_bypass(bypass(day=2), repository=REPOSITORY)
    record(store, run("3", result("test_adds", Outcome.FAILED), day=3))
    record(store, run("3", result("test_adds"), day=4, attempt=2))

    (found,) = store.bypasses(repository=REPOSITORY, main={"main"})

    assert found.aftermath is Aftermath.MAIN_PASSED


def test_runs_of_other_branches_say_nothing_about_a_bypass(store: HistoryStore) -> None:
    store.record_bypass(bypass(day=2), repository=REPOSITORY)
    record(store, run("3", result("test_adds", Outcome.FAILED), day=3, branch="cart"))

    (found,) = store.bypasses(repository=REPOSITORY, main={"main"})

    assert found.aftermath is Aftermath.NO_RUN_YET


def test_a_known_bypass_learns_which_commit_it_became(store: HistoryStore) -> None:
    store.record_bypass(bypass(), repository=REPOSITORY)
    record(store, run("3", result("test_adds"), day=3))

    assert not store.record_bypass(bypass(merged_as="c0ffee"), repository=REPOSITORY)

    (found,) = store.bypasses(repository=REPOSITORY, main={"main"})
    assert (found.record.merged_as, found.next_run_id, found.is_certain) == ("c0ffee", "3", True)
