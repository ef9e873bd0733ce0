"""What earlier runs measured: `CaseTimings`, `RunTiming`, `ShardAccuracy`, `RunSummary`, `PastFailure`."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.run import Conclusion, PhaseTime

WHOLE_FILE = "<file>"
"""Name of the case that stands for a whole file, where only its time is known (imported from another tool)."""


@dataclass(frozen=True, slots=True)
class RunTiming:
    """One case in one earlier run: its last attempt.

    Attributes:
        started_at: When that run started, UTC ISO 8601.
        shard: Which shard ran it, counted from 1; 0 where that is not known.
    """

    started_at: str
    setup_seconds: float
    call_seconds: float
    teardown_seconds: float
    shard: int = 0

    @property
    def seconds(self) -> float:
        return self.setup_seconds + self.call_seconds + self.teardown_seconds


@dataclass(frozen=True, slots=True)
class CaseTimings:
    """A case's measured times.

    Attributes:
        runs: Newest first, at least one.
    """

    case: CaseId
    runs: tuple[RunTiming, ...]


@dataclass(frozen=True, slots=True)
class ShardAccuracy:
    """How one shard of an earlier run compares with its plan.

    Attributes:
        count: How many shards the suite had in that run.
        planned_seconds: Work the plan expected, one case after another.
        work_seconds: Work there was, retries included.
        wall_seconds: From the shard's start to its end.
        run_started_at: When that run started, UTC ISO 8601.
    """

    suite: str
    index: int
    count: int
    planned_seconds: float
    work_seconds: float
    wall_seconds: float
    run_id: str
    run_started_at: str
    phases: tuple[PhaseTime, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One recorded attempt of a run: its conclusion and how many cases got which verdict.

    Attributes:
        started_at: UTC, ISO 8601.
        recorded_at: When it entered the history, UTC ISO 8601.
    """

    run_id: str
    run_attempt: int
    commit: str
    branch: str
    started_at: str
    recorded_at: str
    conclusion: Conclusion
    is_trusted: bool
    passed: int = 0
    failed: int = 0
    recovered: int = 0
    skipped: int = 0
    quarantined: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class PastRun:
    """A recorded run with its cases, all its attempts taken together.

    Attributes:
        started_at: Of its newest attempt, UTC ISO 8601.
        is_complete: Whether one of its attempts had every planned shard and case.
        cases: Each case with its verdict and the seconds of its last attempt, in no order.
    """

    commit: str
    started_at: str
    is_complete: bool
    cases: tuple[tuple[CaseId, Verdict, float], ...]


@dataclass(frozen=True, slots=True)
class RenamedCase:
    """A case that goes on under another name.

    Attributes:
        at: When that was found out, UTC ISO 8601.
    """

    old: CaseId
    new: CaseId
    at: str


@dataclass(frozen=True, slots=True)
class PastFailure:
    """One recorded run in which a case failed.

    Attributes:
        at: When the run started, UTC ISO 8601.
        is_recovered: Whether it passed when it was tried again.
    """

    at: str
    branch: str
    commit: str
    is_recovered: bool
