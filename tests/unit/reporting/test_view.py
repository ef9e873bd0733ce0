from __future__ import annotations

from dataclasses import replace

import pytest

from ci_itest.model.cases import Outcome, Verdict
from ci_itest.model.run import Conclusion, Finding, FindingKind, Run, ShardState, StopReason
from ci_itest.reporting.view import Links, ReportView, ServiceLog, report_view
from tests.helpers.runs import (
    AT,
    EVERY_RUN,
    LINKS,
    failed,
    failing_run,
    green_run,
    killed_shard_run,
    missing_shard_run,
    recovered,
    recovered_run,
    result,
    run,
    shard,
    skipped,
)


def view(of: Run) -> ReportView:
    return report_view(of, at=AT, links=LINKS)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (run(passed=4815), "4,815 tests passed"),
        (run(passed=1), "1 test passed"),
        (run(passed=9, cases=[recovered("a")]), "All 10 tests passed, 1 only after a retry"),
        (run(passed=9, cases=[failed("a")]), "1 of 10 tests failed"),
        (run(cases=[failed("a")]), "1 test failed"),
        (run(passed=1, cases=[failed("a", "x"), failed("b", "y")]), "2 of 3 tests failed"),
        (
            run(passed=7, cases=[failed("a", "no more stock left"), failed("b", "no more stock left"), recovered("c")]),
            "2 of 10 tests failed, 1 cause · 1 passed only after a retry",
        ),
        (run(), "No test ran"),
        (run(cases=[skipped("a")]), "Nothing failed: 1 test skipped or quarantined"),
        (
            run(passed=3, cases=[result("q", [Outcome.FAILED], verdict=Verdict.QUARANTINED)]),
            "3 tests passed · 1 failed in quarantine",
        ),
        (missing_shard_run(), "Incomplete: shard 3/3 left no results"),
        (killed_shard_run(), "Incomplete: shard 2/2 was stopped · 1 of 41 tests failed"),
        (
            run(passed=3, findings=[Finding(FindingKind.WRONG_PLAN, "Shard 1/2 worked by another plan.")]),
            "Incomplete: Shard 1/2 worked by another plan",
        ),
    ],
)
def test_the_headline_says_the_worst_first(of: Run, words: str) -> None:
    assert view(of).headline == words


def test_four_lost_shards_are_counted_and_three_are_named() -> None:
    def lost(count: int) -> Run:
        findings = [Finding(FindingKind.MISSING_SHARD, "…", shard=f"{number}/9") for number in range(1, count + 1)]
        return run(passed=1, findings=findings)

    assert view(lost(3)).headline == "Incomplete: shards 1/9, 2/9 and 3/9 left no results"
    assert view(lost(4)).headline == "Incomplete: 4 shards left no results"


def test_a_bypassed_run_says_why() -> None:
    shown = report_view(run(shards=[shard()]), at=AT, bypass_reason="ana set the label skip-integration")

    assert shown.conclusion is Conclusion.BYPASSED
    assert shown.reason == "ana set the label skip-integration"
    assert shown.headline == "Bypassed: the tests were not run"


@pytest.mark.parametrize("kind", list(FindingKind))
def test_every_finding_has_advice(kind: FindingKind) -> None:
    shown = view(run(passed=1, findings=[Finding(kind, "Something is wrong.")]))

    assert len(shown.advice) == 1


def test_a_green_run_asks_for_nothing() -> None:
    assert view(green_run()).advice == ()
    assert view(green_run()).evidence == ()


def test_the_first_thing_to_do_for_a_failure_is_a_command_to_copy() -> None:
    (advice,) = view(failing_run()).advice

    assert advice.command == "ci-itest replay 123456789/1 --only 'tests/orders/test_api.py::test_creates_order[eu]'"


def test_a_laptop_replays_its_own_run_id() -> None:
    shown = report_view(failing_run(), at=AT, links=Links())

    assert shown.advice[0].command.startswith("ci-itest replay 123456789/1 --only")
    assert shown.causes[0].first.url == ""


def test_a_missing_shard_asks_for_the_failed_jobs_only() -> None:
    assert [advice.text for advice in view(missing_shard_run()).advice] == [
        "Re-run the failed jobs: only the shards without results run again."
    ]


def test_failures_on_one_shard_alone_point_at_its_services() -> None:
    failures = [failed(f"test_{number}", "connection to postgres refused", shard=2) for number in range(4)]
    of = run(passed=0, cases=[*failures, result("fine", shard=1)], shards=[shard(1, 2), shard(2, 2)])

    assert (
        "Every test of shard 2/2 failed and no other shard's: look at that shard's services first." in view(of).evidence
    )


def test_failures_that_were_not_retried_say_so() -> None:
    assert view(run(cases=[failed("a")])).evidence[0] == (
        "No failure was tried again, so a flaky test cannot be told from a broken one."
    )


def test_one_message_in_several_files_is_said() -> None:
    failures = [failed("test_a", "connection to postgres refused", file=f"tests/test_{name}.py") for name in "abc"]

    assert any("One message explains all 3 failures, in 3 files" in line for line in view(run(cases=failures)).evidence)


def test_a_failure_carries_what_it_takes_to_understand_it() -> None:
    of = failing_run()
    failure = next(one for one in of.cases if one.case.name == "test_creates_order[eu]")
    log = ServiceLog("postgres", "ERROR: duplicate key")

    shown = report_view(of, at=AT, links=LINKS, logs={failure.case: [log]}).causes[0].first

    assert shown.name == "tests/orders/test_api.py::test_creates_order[eu]"
    assert shown.short_name == "test_creates_order[eu]"
    assert shown.location == "test_api.py:84"
    assert shown.url.endswith("/tests/orders/test_api.py#L84")
    assert shown.shard == "1/2"
    assert shown.tries == "failed on 2 of 2 attempts"
    assert "assert 409 == 201" in shown.excerpt
    assert shown.output == "POST /orders 409\n"
    assert shown.logs == (log,)


def test_a_recovered_case_shows_what_each_attempt_said() -> None:
    (first, _) = view(recovered_run()).recovered

    assert [(one.number, one.outcome, one.message) for one in first.attempts] == [
        (1, "failed", "ConnectionResetError: peer"),
        (2, "passed", ""),
    ]


def test_skips_are_put_together_by_reason() -> None:
    of = run(cases=[skipped("a", "no key"), skipped("b", "no key"), skipped("c", "old kernel"), skipped("d", "")])

    assert [(one.name, one.words) for one in view(of).skipped] == [
        ("no key", "2 tests"),
        ("no reason given", "1 test"),
        ("old kernel", "1 test"),
    ]


def test_missing_cases_are_listed_by_file() -> None:
    finding = view(missing_shard_run()).findings[1]

    assert [(one.name, one.words) for one in finding.groups] == [
        ("tests/orders/test_payments.py", "7 tests"),
        ("tests/orders/test_refunds.py", "1 test"),
    ]


def test_the_slowest_twenty_are_in_order() -> None:
    of = run(cases=[result(f"t{number}", seconds=number) for number in range(1, 31)])

    names = [one.short_name for one in view(of).slowest]

    assert names == [f"t{number}" for number in range(30, 10, -1)]


def test_the_plan_is_held_against_the_time_each_shard_took() -> None:
    shards = [shard(1, 2, tests_seconds=90.0, planned_wall_seconds=100.0), shard(2, 2, planned_wall_seconds=82.0)]

    assert view(run(passed=1, shards=shards)).plan_words[0] == (
        "The plan held: 1m 40s planned for the slowest shard, 1m 50s taken (+10\u00a0%); "
        "furthest off is shard 1/2 (+10\u00a0%)."
    )


def test_a_plan_that_was_far_off_is_said_to_be() -> None:
    of = run(passed=1, shards=[shard(tests_seconds=180.0, planned_wall_seconds=100.0)])

    assert view(of).plan_words == (
        "The plan was off: 1m 40s planned for the slowest shard, 3m 20s taken (+100\u00a0%).",
    )


def test_a_plan_without_history_says_so() -> None:
    assert view(run(passed=1, shards=[shard(planned_wall_seconds=0)])).plan_words == (
        "The plan had no earlier durations to go by.",
    )


def test_the_balance_names_the_slowest_shard() -> None:
    of = run(passed=2, shards=[shard(1, 2, tests_seconds=60), shard(2, 2, tests_seconds=100)])

    assert view(of).plan_words[1] == "Balance: the slowest shard (2/2) took 2m 0s, the mean is 1m 40s (1.20×)."


def test_a_shards_bar_adds_up_to_its_time() -> None:
    of = run(passed=2, shards=[shard(1, 2, tests_seconds=80), shard(2, 2, tests_seconds=30)])

    longest, other = view(of).shards

    assert sum(phase.width for phase in longest.phases) == pytest.approx(1000, abs=2)
    assert sum(phase.width for phase in other.phases) == pytest.approx(500, abs=2)
    assert longest.picture.startswith("boot 2.00 s, images 6.00 s, services 4.50 s")


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (shard(), "passed"),
        (shard(stop_reason=StopReason.TIMEOUT), "stopped: too long"),
        (shard(stop_reason=StopReason.CANCELLED), "cancelled"),
        (shard(state=ShardState.STARTED), "died"),
    ],
)
def test_a_shards_state_is_in_words(one: object, state: str) -> None:
    assert isinstance(one, type(shard()))

    assert view(run(passed=1, shards=[one])).shards[0].state == state


def test_every_reason_to_stop_has_words() -> None:
    states = {view(run(passed=1, shards=[shard(stop_reason=reason)])).shards[0].state for reason in StopReason}

    assert len(states) == len(StopReason)


def test_a_planned_shard_without_results_has_its_row() -> None:
    last = view(missing_shard_run()).shards[-1]

    assert (last.label, last.state, last.is_good) == ("3/3", "no results", False)
    assert view(missing_shard_run()).shards_reported == "2 of 3 shards"


def test_a_service_of_two_shards_is_one_row() -> None:
    services = view(green_run()).services

    assert [(one.name, one.ready, one.shards) for one in services] == [
        ("postgres", "2.25 s on average, 2.30 s at most", "2 shards"),
        ("redis", "0.40 s on average, 0.40 s at most", "2 shards"),
    ]


@pytest.mark.parametrize("name", EVERY_RUN)
def test_the_counts_add_up_to_the_cases(name: str) -> None:
    of = EVERY_RUN[name]()

    assert view(of).counts.total == len(of.cases)


def test_a_view_stays_small_whatever_failed() -> None:
    failures = [
        failed(f"test_{letter}{number}", f"trouble of kind {letter * 4} here")
        for letter in "abcdef"
        for number in range(300)
    ]

    shown = view(run(cases=failures))

    assert shown.cause_count == 6
    assert all(len(cause.cases) == 50 and cause.case_count == 300 for cause in shown.causes)


def test_two_suites_keep_their_shards_apart() -> None:
    cases = [result("a", suite="main"), failed("b", suite="e2e")]
    of = replace(run(cases=cases, shards=[shard(1, 1), shard(1, 1, suite="e2e")]))

    assert [(one.label, one.state) for one in view(of).shards] == [("e2e 1/1", "1 failed"), ("1/1", "passed")]
