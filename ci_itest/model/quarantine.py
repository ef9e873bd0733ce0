"""Cases whose failures do not count for a while: `QuarantineEntry`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ci_itest.model.cases import CaseId


class QuarantineMode(StrEnum):
    """What quarantine does to a case: it still runs and its failure does not count, or it does not run."""

    MUTED = "muted"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One case in quarantine.

    Attributes:
        reason: Why, in the words of who put it there.
        evidence: What the model said then; "" when it was put there by hand without any.
        owner: Who is to look at it, from CODEOWNERS; "" for nobody.
        issue_url: Where it is worked on, "" for nowhere.
        added_by: A person, or "ci-itest".
        added_at: UTC, ISO 8601, as is `expires_at`.
        renewals: How often the time was extended.
    """

    case: CaseId
    reason: str
    added_at: str
    expires_at: str
    mode: QuarantineMode = QuarantineMode.MUTED
    evidence: str = ""
    owner: str = ""
    issue_url: str = ""
    added_by: str = ""
    renewals: int = 0
