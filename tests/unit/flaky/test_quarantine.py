"""Who goes into quarantine, who leaves it, and what a quarantined failure does to a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_itest.flaky.fold import Memory, fold
from ci_itest.flaky.owners import owner_of
from ci_itest.flaky.quarantine import (
    is_over,
    later,
    proposed,
    released,
    renewed,
    skipped_cases,
    was_failing,
    with_quarantine,
)
from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.history import PastFailure, RunSummary
from ci_itest.model.judged import CaseCause, CauseKind, Judged
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.model.run import Conclusion, Finding, FindingKind
from tests.helpers.flaky import CASES, folded, green, results
from tests.helpers.runs import case_id, failed, run

NOW = "2026-03-04T10:34:12+00:00"
NAMES = {number: case_id(f"test_{number}") for number in CASES}
NUMBERS = {case: number for number, case in NAMES.items()}
DAY = 86400.0


def entry(case: CaseId, *, days: float = 14, **fields: object) -> QuarantineEntry:
    made = QuarantineEntry(case, reason="races", added_at=NOW, expires_at=later(NOW, seconds=days * DAY), evidence="x")
    return replace(made, **fields)  # type: ignore[arg-type]


def flaky_memory(builds: int = 6) -> Memory:
    """One recovery in four runs."""
    return folded(green(), *[results(f"a{n}", {7: (1, 2)} if n % 4 == 0 else ()) for n in range(4 * builds)]).memory


def test_a_flaky_case_is_proposed_once() -> None:
    memory = flaky_memory()

    assert proposed(memory, names=NAMES, inside=()) == (NAMES[7],)
    assert proposed(memory, names=NAMES, inside=(NAMES[7],)) == ()


def test_a_case_that_main_broke_is_not_proposed_and_leaves_at_once() -> None:
    memory = flaky_memory()
    for number in range(6):
        memory = fold(memory, results(f"b{number}", {7: (2, 2)})).memory
    assert memory.broken_on_main(7) > 0.9

    assert proposed(memory, names=NAMES, inside=()) == ()
    (release,) = released([entry(NAMES[7])], memory, numbers=NUMBERS, at=NOW)
    assert release.because == "it is broken on the default branch, which is no flake"


def test_a_healed_case_leaves_and_a_flaky_one_stays() -> None:
    healed = entry(NAMES[8])

    found = released([entry(NAMES[7]), healed], flaky_memory(), numbers=NUMBERS, at=NOW)

    assert [release.entry for release in found] == [healed]


def test_what_was_put_there_by_hand_stays_its_time() -> None:
    by_hand = entry(NAMES[8], evidence="")

    assert released([by_hand], flaky_memory(), numbers=NUMBERS, at=NOW) == ()
    (release,) = released([by_hand], flaky_memory(), numbers=NUMBERS, at=later(NOW, seconds=14 * DAY))
    assert release.because == "its time is up"


def test_time_is_renewed_twice_at_most() -> None:
    first = renewed(entry(NAMES[7]), at=NOW, seconds=DAY)
    assert first is not None
    second = renewed(first, at=NOW, seconds=DAY)

    assert second is not None
    assert second.renewals == 2
    assert second.expires_at == later(NOW, seconds=DAY)
    assert renewed(second, at=NOW, seconds=DAY) is None


def test_a_time_that_is_none_is_over() -> None:
    assert is_over(entry(NAMES[7], expires_at="soon"), at=NOW)


def test_a_failure_in_quarantine_does_not_fail_the_run() -> None:
    made = run(passed=3, cases=[failed("test_7")])

    judged = with_quarantine(made, [entry(NAMES[7])], at=NOW)

    assert judged.count(Verdict.QUARANTINED) == 1
    assert judged.conclusion is Conclusion.SUCCESS


@pytest.mark.parametrize(
    "kept",
    [
        entry(NAMES[7], days=0),
        entry(NAMES[8]),
        entry(NAMES[7], mode=QuarantineMode.SKIPPED),
        entry(CaseId("e2e", "tests/test_shop.py", "test_7")),
    ],
    ids=["over", "another case", "skipped cases do not run", "another suite"],
)
def test_a_failure_outside_quarantine_counts(kept: QuarantineEntry) -> None:
    made = run(passed=3, cases=[failed("test_7")])

    assert with_quarantine(made, [kept], at=NOW) == made


def test_an_incomplete_run_never_passes_by_quarantine() -> None:
    made = run(passed=3, cases=[failed("test_7")], findings=[Finding(FindingKind.STOPPED_SHARD, "Shard 1/1 died.")])

    judged = with_quarantine(made, [entry(NAMES[7])], at=NOW)

    assert judged.cases == made.cases
    assert judged.notes == ("No failure is muted by the quarantine here: the run is incomplete.",)


def test_a_run_in_which_a_worker_died_never_passes_by_quarantine() -> None:
    made = run(passed=3, cases=[failed("test_7")])
    (shard,) = made.shards
    died = replace(made, shards=(replace(shard, deaths=("worker gw0 died (signal 9)",)),))

    judged = with_quarantine(died, [entry(NAMES[7])], at=NOW)

    assert judged.conclusion is Conclusion.FAILURE
    assert judged.notes == ("No failure is muted by the quarantine here: worker gw0 died (signal 9).",)


def test_cases_skipped_by_hand_say_why_until_their_time_is_up() -> None:
    kept = entry(NAMES[7], mode=QuarantineMode.SKIPPED, issue_url="https://example.test/7")

    assert skipped_cases([kept, entry(NAMES[8])], at=NOW) == {
        NAMES[7]: "in quarantine until 2026-03-18: races (https://example.test/7)"
    }
    assert skipped_cases([kept], at=later(NOW, seconds=15 * DAY)) == {}


def test_a_case_broken_on_main_is_heard_in_quarantine() -> None:
    known = Judged(causes=(CaseCause(NAMES[7], CauseKind.KNOWN, 0.95),))
    made = replace(run(passed=3, cases=[failed("test_7")]), judged=known)

    assert with_quarantine(made, [entry(NAMES[7])], at=NOW) == made


def test_a_case_that_a_person_muted_for_being_broken_stays_muted() -> None:
    known = Judged(causes=(CaseCause(NAMES[7], CauseKind.KNOWN, 0.95),))
    made = replace(run(passed=3, cases=[failed("test_7")]), judged=known)
    memory = fold(flaky_memory(), results("b", {7: (2, 2)})).memory
    for number in range(6):
        memory = fold(memory, results(f"b{number}", {7: (2, 2)})).memory

    judged = with_quarantine(made, [entry(NAMES[7])], at=NOW, knowingly=[NAMES[7]])

    assert judged.count(Verdict.QUARANTINED) == 1
    assert released([entry(NAMES[7])], memory, numbers=NUMBERS, at=NOW, knowingly=[NAMES[7]]) == ()


@pytest.mark.parametrize(
    ("history", "was"),
    [
        pytest.param("FMF", True, id="failed before and since"),
        pytest.param("PFM", True, id="failed last"),
        pytest.param("FPM", False, id="passed before it was muted"),
        pytest.param("FMPF", False, id="passed in between"),
        pytest.param("PMF", False, id="main broke it later"),
        pytest.param("RM", False, id="a retry passed"),
        pytest.param("M", False, id="no run yet"),
        pytest.param("FFMFF", True, id="for as long as is known"),
    ],
)
def test_muted_knowingly_is_what_main_failed_then_and_ever_since(history: str, was: bool) -> None:
    """F failed on main, P passed, R recovered; M when it was muted."""
    days = [later(NOW, seconds=day * DAY) for day in range(len(history))]
    main_runs = [summary(str(number), at) for number, at in enumerate(days) if history[number] != "M"]
    failures = [
        PastFailure(at, "main", "c0ffee", is_recovered=what == "R")
        for at, what in zip(days, history, strict=True)
        if what in "FR"
    ]
    muted = entry(NAMES[7], added_at=days[history.index("M")])

    assert was_failing(muted, main_runs=main_runs[::-1], failures=failures, main="main") is was


def test_attempts_of_one_run_are_one_run() -> None:
    first, second = (later(NOW, seconds=minutes * 60) for minutes in (1, 2))
    main_runs = [summary("7", second), summary("7", first), summary("6", NOW)]
    muted = entry(NAMES[7], added_at=later(NOW, seconds=DAY))

    # The second attempt did not run what was muted meanwhile.
    assert was_failing(muted, main_runs=main_runs, failures=[PastFailure(first, "main", "c", False)], main="main")


def summary(run_id: str, at: str) -> RunSummary:
    return RunSummary(run_id, 1, "c0ffee", "main", at, at, Conclusion.FAILURE, is_trusted=True)


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        ("tests/cart/test_add.py", "@acme/cart @mara"),
        ("tests/cart/deep/test_add.py", "@acme/cart @mara"),
        ("tests/test_login.py", "@acme/quality"),
        ("docs/guide.md", "@acme/docs"),
        ("docs/deep/guide.md", "@acme/all"),
        ("tests/test_free.py", ""),
        ("build/logs/a.log", "@acme/logs"),
    ],
)
def test_the_last_pattern_that_matches_names_the_owner(file: str, owner: str) -> None:
    codeowners = """
    # whom to ask
    *               @acme/all
    /tests/         @acme/quality
    tests/cart/     @acme/cart @mara   # both
    docs/*          @acme/docs
    tests/test_free.py
    **/logs         @acme/logs
    """

    assert owner_of(file, codeowners) == owner
