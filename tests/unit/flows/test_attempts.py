from __future__ import annotations

from dataclasses import replace

from ci_itest.flows.bundles import Bundles
from ci_itest.flows.merge import merge
from ci_itest.flows.rerun import cases_to_run, earlier_attempt
from ci_itest.model.cases import COLLECTION_NAME, CaseId, Verdict
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from ci_itest.model.run import FindingKind, ListedFile, Run, RunFacts, ShardResult, ShardState, StopReason
from ci_itest.wire import with_digest
from tests.helpers.plans import RUN_ID, attempt, case, done, plan, without_attempts

A, B, C = case("tests/a.py"), case("tests/b.py"), case("tests/c.py")
TWO = plan(["tests/a.py", "tests/b.py"], ["tests/c.py"])


def merged(of: Plan, *shards: ShardResult) -> Run:
    return merge(of, Bundles(shards, ()), RunFacts(RUN_ID, of.commit, "2026-01-01T00:00:00+00:00"))


def failed(shard: ShardResult, *cases: CaseId) -> ShardResult:
    attempts = tuple(attempt(one.case, "failed") if one.case in cases else one for one in shard.attempts)
    return replace(shard, attempts=attempts)


def again(shard: ShardResult, *cases: CaseId, outcome: str = "passed", number: int = 2) -> ShardResult:
    """The next attempt of a shard, which ran only these cases."""
    return replace(
        shard,
        run_attempt=number,
        rerun_of=number - 1,
        collected=cases,
        attempts=tuple(attempt(one, outcome) for one in cases),
        listed=tuple(
            replace(listed, case_count=sum(one.file == listed.file for one in cases)) if listed.is_mine else listed
            for listed in shard.listed
        ),
    )


def verdicts(run: Run) -> dict[str, str]:
    return {result.case.file: str(result.verdict) for result in run.cases}


def test_what_failed_or_never_ran_runs_again() -> None:
    shard = without_attempts(failed(done(TWO, 1), A), B)

    assert cases_to_run(shard) == (str(A), str(B))


def test_all_runs_again_when_nothing_failed_or_nothing_is_known() -> None:
    shard = failed(done(TWO, 1), A)

    assert cases_to_run(done(TWO, 1)) == ()
    assert cases_to_run(replace(shard, state=ShardState.STARTED)) == ()
    assert cases_to_run(replace(shard, stop_reason=StopReason.SERVICES)) == ()


def test_the_newest_earlier_attempt_of_the_same_plan_counts() -> None:
    first = failed(done(TWO, 1), A, B)
    second = again(first, A, B, outcome="failed")
    other = replace(second, run_attempt=3, plan_digest="other")

    found = earlier_attempt([first, second, other], suite="main", index=1, plan_digest=TWO.digest, before=4)

    assert found is not None
    assert found.run_attempt == 2
    assert earlier_attempt([first], suite="main", index=2, plan_digest=TWO.digest, before=4) is None


def test_a_case_that_passes_again_has_recovered_and_the_others_keep_their_results() -> None:
    first = failed(done(TWO, 1), A)

    run = merged(TWO, first, again(first, A), done(TWO, 2))

    assert run.is_complete, run.findings
    assert verdicts(run) == {"tests/a.py": "recovered", "tests/b.py": "passed", "tests/c.py": "passed"}
    assert [one.number for one in run.cases[0].attempts] == [1, 2]


def test_a_case_that_fails_again_stays_failed() -> None:
    first = failed(done(TWO, 1), A)

    run = merged(TWO, first, again(first, A, outcome="failed"), done(TWO, 2))

    assert run.with_verdict(Verdict.FAILED)[0].case == A
    assert run.is_complete


def test_three_attempts_join_into_one() -> None:
    first = failed(done(TWO, 1), A, B)
    second = replace(again(first, A, B), attempts=(attempt(A), attempt(B, "failed")))
    third = again(second, B, number=3)

    run = merged(TWO, first, second, third, done(TWO, 2))

    assert verdicts(run)["tests/b.py"] == "recovered"
    assert len(run.cases[1].attempts) == 3


def test_a_rerun_whose_earlier_bundle_is_gone_is_incomplete() -> None:
    first = failed(done(TWO, 1), A)

    run = merged(TWO, again(first, A), done(TWO, 2))

    assert [finding.kind for finding in run.findings] == [FindingKind.MISSING_SHARD]
    assert "attempt 1" in run.findings[0].message


def test_a_bundle_that_claims_to_build_on_itself_is_incomplete() -> None:
    first = failed(done(TWO, 1), A)
    looped = replace(again(first, A), rerun_of=2)

    assert merged(TWO, first, looped, done(TWO, 2)).findings[0].kind is FindingKind.MISSING_SHARD


def test_a_case_that_the_rerun_did_not_find_keeps_its_failure() -> None:
    first = failed(done(TWO, 1), A, B)

    run = merged(TWO, first, again(first, A), done(TWO, 2))

    assert verdicts(run)["tests/b.py"] == "failed"


def test_a_file_that_could_be_collected_again_is_no_longer_broken() -> None:
    broken = CaseId("main", "tests/a.py", COLLECTION_NAME)
    first = done(TWO, 1)
    first = replace(
        first,
        collected=(B,),
        attempts=(attempt(broken, "error"), attempt(B)),
        listed=tuple(replace(listed, case_count=0) if listed.file == A.file else listed for listed in first.listed),
    )

    run = merged(TWO, first, again(first, A), done(TWO, 2))

    assert cases_to_run(first) == (str(broken),)
    assert verdicts(run)["tests/a.py"] == "passed"
    assert run.is_complete, run.findings


DIVIDED = with_digest(
    Plan(
        RUN_ID,
        "c0ffee",
        "2026-01-01T00:00:00+00:00",
        tool_version="0",
        suites=(
            SuitePlan(
                "main",
                "pytest",
                (
                    Shard(1, (Unit("tests/a.py", 1.0, until="test_m"),)),
                    Shard(2, (Unit("tests/a.py", 1.0, first="test_m"),)),
                ),
            ),
        ),
    )
)


def piece(index: int, *names: str, is_mine: bool = True) -> ShardResult:
    cases = tuple(case("tests/a.py", name) for name in names)
    return replace(
        done(DIVIDED, index),
        collected=cases,
        attempts=tuple(map(attempt, cases)),
        listed=(ListedFile("tests/a.py", is_mine=is_mine, case_count=len(cases) if is_mine else -1),),
    )


def test_a_divided_file_is_taken_by_each_shard_that_has_a_piece() -> None:
    run = merged(DIVIDED, piece(1, "test_a"), piece(2, "test_m", "test_z"))

    assert run.is_complete, run.findings
    assert len(run.cases) == 3


def test_a_case_on_both_sides_of_a_cut_is_found() -> None:
    run = merged(DIVIDED, piece(1, "test_a", "test_z"), piece(2, "test_z"))

    assert [finding.kind for finding in run.findings] == [FindingKind.DOUBLED_CASE]


def test_a_piece_that_nobody_took_is_found() -> None:
    run = merged(DIVIDED, piece(1, "test_a"), piece(2, is_mine=False))

    assert [finding.kind for finding in run.findings] == [FindingKind.UNCLAIMED_FILE]
    assert "2/2 did not take its piece" in run.findings[0].message
