"""The proof of the union: whatever is missing, doubled or foreign makes the run red and is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.flows.bundles import BrokenBundle, Bundles
from ci_itest.flows.merge import merge
from ci_itest.model.cases import Verdict
from ci_itest.model.plan import Plan
from ci_itest.model.run import (
    Conclusion,
    Finding,
    FindingKind,
    ListedFile,
    Run,
    RunFacts,
    ShardResult,
    ShardState,
    StopReason,
)
from tests.helpers.plans import attempt, case, done, plan, without_attempts

PLAN = plan(["tests/a.py", "tests/b.py"], ["tests/c.py"], ["tests/d.py"])
FACTS = RunFacts(run_id=PLAN.run_id, commit=PLAN.commit, started_at=PLAN.created_at)


def merged(*shards: ShardResult, of: Plan = PLAN, broken: tuple[BrokenBundle, ...] = ()) -> Run:
    return merge(of, Bundles(shards, broken), FACTS)


def all_done() -> list[ShardResult]:
    return [done(PLAN, index) for index in (1, 2, 3)]


def only_finding(run: Run) -> Finding:
    assert run.conclusion is Conclusion.INCOMPLETE
    (finding,) = run.findings
    return finding


def test_a_whole_run_is_a_success() -> None:
    run = merged(*all_done())

    assert run.conclusion is Conclusion.SUCCESS
    assert run.findings == ()
    assert [(result.case.file, result.shard) for result in run.cases] == [
        ("tests/a.py", 1),
        ("tests/b.py", 1),
        ("tests/c.py", 2),
        ("tests/d.py", 3),
    ]


def test_a_failing_case_makes_the_run_a_failure() -> None:
    run = merged(done(PLAN, 1), done(PLAN, 2, outcomes=["failed", "failed"]), done(PLAN, 3))

    assert run.conclusion is Conclusion.FAILURE
    assert [result.case.file for result in run.with_verdict(Verdict.FAILED)] == ["tests/c.py"]


def test_a_case_that_passes_on_its_retry_has_recovered() -> None:
    run = merged(done(PLAN, 1), done(PLAN, 2, outcomes=["failed", "passed"]), done(PLAN, 3))

    assert run.conclusion is Conclusion.SUCCESS
    assert [len(result.attempts) for result in run.with_verdict(Verdict.RECOVERED)] == [2]


def test_a_dropped_shard_is_named_with_the_files_it_was_to_run() -> None:
    finding = only_finding(merged(*all_done()[1:]))

    assert finding.kind is FindingKind.MISSING_SHARD
    assert finding.shard == "1/3"
    assert finding.items == ("tests/a.py", "tests/b.py")


def test_a_failing_run_with_a_dropped_shard_is_incomplete() -> None:
    run = merged(done(PLAN, 1, outcomes=["failed"]), done(PLAN, 2))

    assert run.conclusion is Conclusion.INCOMPLETE
    assert run.count(Verdict.FAILED) == 2


def test_a_bundle_that_cannot_be_read_is_named() -> None:
    broken = BrokenBundle(Path("ci-itest-main-3-a1"), "shard.json is cut off")

    run = merged(*all_done()[:2], broken=(broken,))

    assert [finding.kind for finding in run.findings] == [FindingKind.UNREADABLE_BUNDLE, FindingKind.MISSING_SHARD]
    assert "ci-itest-main-3-a1" in run.findings[0].message


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"plan_digest": "0" * 64}, FindingKind.WRONG_PLAN),
        ({"run_id": "999"}, FindingKind.WRONG_PLAN),
        ({"index": 7}, FindingKind.UNKNOWN_SHARD),
        ({"count": 4}, FindingKind.UNKNOWN_SHARD),
        ({"suite": "e2e"}, FindingKind.UNKNOWN_SHARD),
    ],
)
def test_a_bundle_of_another_plan_or_run_is_refused(change: dict[str, object], kind: FindingKind) -> None:
    foreign = replace(done(PLAN, 3), **change)  # type: ignore[arg-type]

    run = merged(done(PLAN, 1), done(PLAN, 2), foreign)

    assert [finding.kind for finding in run.findings] == [kind, FindingKind.MISSING_SHARD]


def test_two_bundles_of_one_attempt_are_a_finding() -> None:
    finding = only_finding(merged(*all_done(), done(PLAN, 2)))

    assert (finding.kind, finding.shard) == (FindingKind.DOUBLED_SHARD, "2/3")


def test_the_newest_attempt_of_a_shard_counts() -> None:
    first = done(PLAN, 2, outcomes=["failed"])
    second = replace(done(PLAN, 2), run_attempt=2)

    run = merged(done(PLAN, 1), second, first, done(PLAN, 3))

    assert run.conclusion is Conclusion.SUCCESS


def test_a_collected_case_without_an_attempt_is_missing() -> None:
    lost = case("tests/c.py")

    run = merged(done(PLAN, 1), without_attempts(done(PLAN, 2), lost), done(PLAN, 3))

    assert only_finding(run).items == (lost.node_id,)
    assert [(result.case, result.note) for result in run.with_verdict(Verdict.MISSING)] == [(lost, "never ran")]


def test_a_case_on_two_shards_is_doubled() -> None:
    twice = case("tests/a.py")
    second = done(PLAN, 2)
    second = replace(second, collected=(*second.collected, twice), attempts=(*second.attempts, attempt(twice)))

    finding = only_finding(merged(done(PLAN, 1), second, done(PLAN, 3)))

    assert (finding.kind, finding.items) == (FindingKind.DOUBLED_CASE, (twice.node_id,))


def test_a_file_that_two_shards_took_is_doubled() -> None:
    second = replace(
        done(PLAN, 2), listed=(*done(PLAN, 2).listed, ListedFile("tests/a.py", is_mine=True, case_count=0))
    )

    finding = only_finding(merged(done(PLAN, 1), second, done(PLAN, 3)))

    assert (finding.kind, finding.items) == (FindingKind.DOUBLED_FILE, ("tests/a.py",))


def test_a_file_that_shards_saw_and_none_took_is_named() -> None:
    stray = ListedFile("tests/new.py", is_mine=False)
    shards = [replace(shard, listed=(*shard.listed, stray)) for shard in all_done()]

    finding = only_finding(merged(*shards))

    assert (finding.kind, finding.items) == (FindingKind.UNCLAIMED_FILE, ("tests/new.py",))


def test_a_planned_file_that_no_shard_saw_is_named() -> None:
    shards = [
        replace(
            shard,
            listed=tuple(listed for listed in shard.listed if listed.file != "tests/b.py"),
            collected=tuple(id_ for id_ in shard.collected if id_.file != "tests/b.py"),
            attempts=tuple(made for made in shard.attempts if made.case.file != "tests/b.py"),
        )
        for shard in all_done()
    ]

    finding = only_finding(merged(*shards))

    assert (finding.kind, finding.items) == (FindingKind.UNLISTED_FILE, ("tests/b.py",))


def test_a_file_that_was_taken_and_never_run_is_named() -> None:
    first = done(PLAN, 1)
    first = replace(
        first,
        listed=tuple(
            replace(listed, case_count=-1) if listed.file == "tests/b.py" else listed for listed in first.listed
        ),
        collected=first.collected[:1],
        attempts=first.attempts[:1],
    )

    finding = only_finding(merged(first, done(PLAN, 2), done(PLAN, 3)))

    assert (finding.kind, finding.shard, finding.items) == (FindingKind.FILE_NEVER_RUN, "1/3", ("tests/b.py",))


def test_a_build_that_failed_is_said_once_for_all_shards_of_its_suite() -> None:
    words = "The build of suite main failed, so none of it was tested: `make` ended with code 2."
    shards = [
        replace(done(PLAN, index), stop_reason=StopReason.BUILD, message=words, listed=(), collected=(), attempts=())
        for index in (1, 2, 3)
    ]

    finding = only_finding(merged(*shards))

    assert finding.message == f"{words} (3 shards stopped: 1/3, 2/3, 3/3)"


def test_a_shard_that_died_is_named_with_what_it_was_running() -> None:
    hung = case("tests/c.py")
    died = replace(without_attempts(done(PLAN, 2), hung), state=ShardState.STARTED, running=(hung,))

    run = merged(done(PLAN, 1), died, done(PLAN, 3))

    stopped, missing = run.findings
    assert (stopped.kind, stopped.items) == (FindingKind.STOPPED_SHARD, (hung.node_id,))
    assert missing.kind is FindingKind.MISSING_CASE
    assert run.with_verdict(Verdict.MISSING)[0].note == "was running when the shard ended"


@pytest.mark.parametrize("reason", [reason for reason in StopReason if reason is not StopReason.NONE])
def test_every_reason_to_stop_a_shard_makes_the_run_incomplete(reason: StopReason) -> None:
    stopped = replace(done(PLAN, 2), stop_reason=reason, message="what the error said")

    finding = only_finding(merged(done(PLAN, 1), stopped, done(PLAN, 3)))

    assert finding.kind is FindingKind.STOPPED_SHARD
    assert "what the error said" in finding.message


def test_a_run_without_any_case_is_no_success() -> None:
    empty = plan([])

    run = merge(empty, Bundles((done(empty, 1),), ()), FACTS)

    assert run.conclusion is Conclusion.NOTHING
