"""Builders of plans, shards and bundles that say only what a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ci_itest.model.cases import Attempt, CaseId, Outcome
from ci_itest.model.history import CaseTimings, RunTiming
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from ci_itest.model.run import ListedFile, ShardResult, ShardState
from ci_itest.wire import with_digest

RUN_ID = "1001"


def unit(file: str, seconds: float = 1.0, *, cases: int = 1, is_known: bool = True) -> Unit:
    return Unit(file, seconds, case_count=cases, is_known=is_known)


def units(**seconds: float) -> list[Unit]:
    """`units(cart=9, login=2)`: files tests/cart.py and tests/login.py that take so long."""
    return [unit(f"tests/{name}.py", value) for name, value in seconds.items()]


def plan(*shards: Sequence[str], suite: str = "main") -> Plan:
    """A plan whose shards hold these files."""
    planned = tuple(Shard(index, tuple(unit(file) for file in files)) for index, files in enumerate(shards, start=1))
    suites = (SuitePlan(suite, "pytest", planned),)
    return with_digest(Plan(RUN_ID, "c0ffee", "2026-01-01T00:00:00+00:00", tool_version="0", suites=suites))


def case(file: str, name: str = "test_it", *, suite: str = "main") -> CaseId:
    return CaseId(suite, file, name)


def attempt(case_id: CaseId, outcome: str = "passed", *, number: int = 1, seconds: float = 0.1) -> Attempt:
    message = "AssertionError: 1 == 2" if Outcome(outcome).is_bad else ""
    return Attempt(case_id, Outcome(outcome), number=number, call_seconds=seconds, message=message)


def done(of: Plan, index: int, *, suite: str = "main", outcomes: Sequence[str] = ("passed",)) -> ShardResult:
    """A shard that ran all its files, one case in each with these outcomes one after another."""
    planned = of.suite(suite)
    assert planned is not None
    mine = planned.shard(index).files
    cases = tuple(case(file, suite=suite) for file in mine)
    return ShardResult(
        suite=suite,
        index=index,
        count=planned.shard_count,
        plan_digest=of.digest,
        run_id=of.run_id,
        state=ShardState.FINISHED,
        listed=tuple(
            ListedFile(file, is_mine=file in mine, case_count=1 if file in mine else -1)
            for file in sorted(planned.files)
        ),
        collected=cases,
        attempts=tuple(
            attempt(case_id, outcome, number=number)
            for case_id in cases
            for number, outcome in enumerate(outcomes, start=1)
        ),
        runner_exit=0,
        started_at="2026-01-01T00:00:01+00:00",
    )


def without_attempts(shard: ShardResult, *cases: CaseId) -> ShardResult:
    return replace(shard, attempts=tuple(attempt for attempt in shard.attempts if attempt.case not in cases))


def timings(file: str, *seconds: float, name: str = "test_it") -> CaseTimings:
    """History of a case that took so long in its runs, newest first."""
    runs = tuple(RunTiming("2026-01-01T00:00:00+00:00", 0.0, value, 0.0) for value in seconds)
    return CaseTimings(case(file, name), runs)
