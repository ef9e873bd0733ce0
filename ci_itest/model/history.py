"""What earlier runs measured: `CaseTimings`, `RunTiming`."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.model.cases import CaseId


@dataclass(frozen=True, slots=True)
class RunTiming:
    """One case in one earlier run: its last attempt.

    Attributes:
        started_at: When that run started, UTC ISO 8601.
    """

    started_at: str
    setup_seconds: float
    call_seconds: float
    teardown_seconds: float

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
