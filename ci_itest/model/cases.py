"""One test and what happened to it: `CaseId`, `Attempt`, `Outcome`, `Verdict`, `CaseResult`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

COLLECTION_NAME = "<collection>"
"""Name of the case that stands for a file which could not even be collected (an import error)."""

NEVER_RAN = "never ran"
"""Note of a missing case that had not even begun when its shard ended."""


class Outcome(StrEnum):
    """How one attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def is_bad(self) -> bool:
        return self in _BAD


# Looked up once: a member of an enumeration is a call of Python code up to 3.11.
_BAD = (Outcome.FAILED, Outcome.ERROR)


class Verdict(StrEnum):
    """What a run says of a case, all its attempts taken together."""

    PASSED = "passed"
    FAILED = "failed"
    RECOVERED = "recovered"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    MISSING = "missing"


@dataclass(frozen=True, order=True, slots=True)
class CaseId:
    """One test, named the same in every run, shard, retry and machine.

    Attributes:
        suite: Name of the suite in the settings, "main" where none is named.
        file: Path from the repository's root with forward slashes; "" where the runner does not tell it.
        name: What the runner calls the case inside its file (pytest: `TestCart::test_adds[eu]`).
    """

    suite: str
    file: str
    name: str

    @property
    def node_id(self) -> str:
        """File and name, as pytest writes a node id."""
        return f"{self.file}::{self.name}" if self.file else self.name

    def __str__(self) -> str:
        return self.node_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a case.

    Attributes:
        number: 1 for the first execution in the run, 2 for its first retry.
        started_at: UTC, ISO 8601; "" when the runner does not tell it.
        setup_seconds: Fixtures before the test; 0 when the runner reports one figure only.
        call_seconds: The test itself.
        teardown_seconds: Fixtures after the test.
        worker: Process inside the shard ("gw0"); "" without parallel workers.
        message: One line that says what went wrong; "" when nothing did.
        details: Traceback or other long text.
        output: What the case printed, when it failed.
        line: Line in `case.file`, counted from 1; 0 when unknown.
        properties: What the test recorded about itself, in order.
    """

    case: CaseId
    outcome: Outcome
    number: int = 1
    started_at: str = ""
    setup_seconds: float = 0.0
    call_seconds: float = 0.0
    teardown_seconds: float = 0.0
    worker: str = ""
    message: str = ""
    details: str = ""
    output: str = ""
    line: int = 0
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def seconds(self) -> float:
        return self.setup_seconds + self.call_seconds + self.teardown_seconds


@dataclass(frozen=True, slots=True)
class CaseResult:
    """All a run knows of one case.

    Attributes:
        attempts: In the order they were made; empty for a case that never finished.
        verdict: The run's word on the case.
        shard: Index of the shard that ran it, counted from 1; 0 when none did.
        note: Why a missing case is missing ("was running when the shard was stopped"); else "".
    """

    case: CaseId
    attempts: tuple[Attempt, ...]
    verdict: Verdict
    shard: int = 0
    note: str = ""

    @property
    def seconds(self) -> float:
        """Time spent on the case, retries included."""
        return sum(attempt.seconds for attempt in self.attempts)

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def first_bad(self) -> Attempt | None:
        """The attempt whose text explains the failure: the first that failed."""
        return next((attempt for attempt in self.attempts if attempt.outcome.is_bad), None)


def verdict_of(attempts: Sequence[Attempt]) -> Verdict:
    """The verdict that attempts give, before quarantine: the last decides, an earlier failure makes it recovered."""
    if not attempts:
        return Verdict.MISSING
    last = attempts[-1].outcome
    if last.is_bad:
        return Verdict.FAILED
    if any(attempt.outcome.is_bad for attempt in attempts):
        return Verdict.RECOVERED
    return Verdict.SKIPPED if last is Outcome.SKIPPED else Verdict.PASSED
