"""Builders of recorded runs: they say only what a test of the history is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict, verdict_of
from ci_itest.model.history import CaseTimings
from ci_itest.model.run import Finding, FindingKind, PhaseTime, Run, ShardResult

REPOSITORY = "acme/shop"
RECORDED_AT = "2026-03-01T00:00:00+00:00"

INCOMPLETE = (Finding(kind=FindingKind.MISSING_SHARD, message="Shard 2/2 left no bundle."),)


def result(
    name: str,
    *outcomes: Outcome,
    call: float = 1.0,
    setup: float = 0.0,
    teardown: float = 0.0,
    file: str = "tests/test_cart.py",
    suite: str = "main",
    shard: int = 1,
    message: str = "",
    details: str = "",
    verdict: Verdict | None = None,
) -> CaseResult:
    """A case with one attempt for each outcome (passed where none is named); all attempts took the same time.

    Message and details belong to the attempts that failed.
    """
    case = CaseId(suite, file, name)
    attempts = tuple(
        Attempt(
            case=case,
            outcome=outcome,
            number=number,
            setup_seconds=setup,
            call_seconds=call,
            teardown_seconds=teardown,
            message=message if outcome.is_bad else "",
            details=details if outcome.is_bad else "",
        )
        for number, outcome in enumerate(outcomes or (Outcome.PASSED,), start=1)
    )
    return CaseResult(case=case, attempts=attempts, verdict=verdict or verdict_of(attempts), shard=shard)


def never_run(name: str, *, shard: int = 0) -> CaseResult:
    case = CaseId("main", "tests/test_cart.py", name)
    return CaseResult(case=case, attempts=(), verdict=Verdict.MISSING, shard=shard)


def shard(
    index: int = 1,
    *,
    count: int = 1,
    suite: str = "main",
    attempt: int = 1,
    planned: float = 0.0,
    wall: float = 0.0,
    phases: Sequence[PhaseTime] = (),
) -> ShardResult:
    return ShardResult(
        suite=suite,
        index=index,
        count=count,
        plan_digest="",
        run_attempt=attempt,
        planned_seconds=planned,
        seconds=wall,
        phases=tuple(phases),
    )


def run(
    run_id: str,
    *cases: CaseResult,
    day: int = 1,
    attempt: int = 1,
    branch: str = "main",
    is_trusted: bool = True,
    findings: tuple[Finding, ...] = (),
    shards: Sequence[ShardResult] | None = None,
) -> Run:
    """A run that started on that day of January 2026; without `shards`, with those its cases name."""
    named = sorted({(case.case.suite, case.shard) for case in cases if case.shard})
    return Run(
        run_id=run_id,
        commit="c0ffee",
        started_at=started_at(day),
        run_attempt=attempt,
        branch=branch,
        is_trusted=is_trusted,
        shards=tuple(
            [shard(index, suite=suite, attempt=attempt) for suite, index in named] if shards is None else shards
        ),
        cases=cases,
        findings=findings,
    )


def started_at(day: int) -> str:
    return f"2026-01-{day:02d}T08:00:00+00:00"


def seconds_by_name(timings: Sequence[CaseTimings]) -> dict[str, list[float]]:
    return {case.case.name: [timing.seconds for timing in case.runs] for case in timings}


def record_all(path: Path, run_ids: Sequence[str]) -> list[bool]:
    """Record a run of 200 cases under each id; for another process to call, so it opens the file by itself."""
    answers = []
    with SqlHistory.open(path) as history:
        for run_id in run_ids:
            cases = [result(f"test_{number}", file=f"tests/test_{run_id}.py") for number in range(200)]
            answers.append(history.record(run(run_id, *cases), repository=REPOSITORY, recorded_at=RECORDED_AT))
    return answers
