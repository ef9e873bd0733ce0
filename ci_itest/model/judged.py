"""What a run's failures are due to and which cases flake: `Judged` and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ci_itest.model.cases import CaseId
from ci_itest.model.quarantine import QuarantineEntry


class CauseKind(StrEnum):
    """What made a case fail, as people read it."""

    FLAKY = "flaky"
    CHANGE = "your change"
    KNOWN = "already broken on main"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class CaseCause:
    """Why one case failed in this run.

    Attributes:
        probability: How sure that is, 0 to 1.
        evidence: One sentence a reader can check.
    """

    case: CaseId
    cause: CauseKind
    probability: float
    evidence: str = ""


class FlakyStatus(StrEnum):
    """The model's two words for a case that may fail by itself."""

    SUSPECT = "suspect"
    FLAKY = "flaky"


@dataclass(frozen=True, slots=True)
class FlakyCase:
    """A case that flakes, as far as is known.

    Attributes:
        probability: That it is not healthy.
        rate: How often it fails by itself.
        rate_low: The rate is at least this, with 19 of 20 chances.
        rate_high: And at most this.
        since: When it first failed, as far back as the history goes, UTC ISO 8601; "" when unknown.
        trend: "rising", "falling" or "steady".
        evidence: One sentence a reader can check.
        owner: Who is to look at it, from CODEOWNERS; "" for nobody.
    """

    case: CaseId
    status: FlakyStatus
    probability: float
    rate: float
    rate_low: float
    rate_high: float
    since: str = ""
    trend: str = "steady"
    evidence: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MassEvent:
    """Cases that failed together.

    Attributes:
        cause: Environment or your change.
        words: What failed, and what it shares.
    """

    cause: CauseKind
    words: str
    case_count: int


@dataclass(frozen=True, slots=True)
class SlowedCase:
    """A case that takes another time than it did; faster where `after_seconds` is less.

    Attributes:
        runs: Since how many runs.
    """

    case: CaseId
    before_seconds: float
    after_seconds: float
    runs: int


@dataclass(frozen=True, slots=True)
class Judged:
    """All that history says about a run.

    Attributes:
        causes: Of every case that failed at least once, by case.
        flaky: Cases of this run that are suspected or flaky, surest first.
        events: What failed together.
        slowed: Cases whose time changed.
        notes: What a reader should know, a line each.
        is_known: Whether there was a history to judge by.
        renamed: Cases that are taken for others that vanished: what they were called, and are.
        quarantine: The quarantine that held for the run.
    """

    causes: tuple[CaseCause, ...] = ()
    flaky: tuple[FlakyCase, ...] = ()
    events: tuple[MassEvent, ...] = ()
    slowed: tuple[SlowedCase, ...] = ()
    notes: tuple[str, ...] = ()
    is_known: bool = False
    renamed: tuple[tuple[CaseId, CaseId], ...] = ()
    quarantine: tuple[QuarantineEntry, ...] = ()
