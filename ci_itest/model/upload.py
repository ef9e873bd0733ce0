"""A run, or one shard of it, as a history takes it: `Upload`, in columns and codes instead of words.

A run of 5,000 cases is 250 kB of it, decoded in 10 ms; the whole `run.json` would be ten times that. The codes are
those of the history's tables and keep their meaning for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ci_itest.model.cases import CaseId, Outcome, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Conclusion

NO_OUTCOME = 0
OUTCOME_CODES: Mapping[Outcome, int] = MappingProxyType(
    {Outcome.PASSED: 1, Outcome.FAILED: 2, Outcome.ERROR: 3, Outcome.SKIPPED: 4}
)
VERDICT_CODES: Mapping[Verdict, int] = MappingProxyType(
    {
        Verdict.PASSED: 1,
        Verdict.FAILED: 2,
        Verdict.RECOVERED: 3,
        Verdict.SKIPPED: 4,
        Verdict.QUARANTINED: 5,
        Verdict.MISSING: 6,
    }
)
CAUSE_CODES: Mapping[CauseKind, int] = MappingProxyType(
    {CauseKind.FLAKY: 1, CauseKind.CHANGE: 2, CauseKind.KNOWN: 3, CauseKind.ENVIRONMENT: 4},
)
"""What stands for each word. Files outlive versions: a code is never given another meaning."""

CaseRow = tuple[int, str, int, int, int, int, int, int, int, int]
"""Place of its file, name, outcome and verdict (codes), attempts, failed ones, setup, call and teardown of the last
attempt in microseconds, shard (0: none)."""

FailureRow = tuple[int, int, str, str]
"""Place of the case, attempt (counted from 1), message, details."""

CauseRow = tuple[int, int, float]
"""Place of the case, cause (code), probability."""

PaceRow = tuple[int, float, float, int]
"""Place of the case, seconds before and after, since how many runs."""


@dataclass(frozen=True, slots=True)
class UploadedShard:
    """One shard of a run.

    Attributes:
        run_attempt: The attempt that ran it, an earlier one where the run took its bundle over.
        work_seconds: Of its cases, retries included.
        phases: Name and seconds of each; `service:NAME` for a service.
    """

    suite: str
    index: int
    count: int
    run_attempt: int = 1
    planned_seconds: float = 0.0
    work_seconds: float = 0.0
    wall_seconds: float = 0.0
    phases: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """What a history is given.

    Attributes:
        started_at: UTC, ISO 8601; "" when unknown.
        is_trusted: Whether the results may be learned from.
        shard_count: How many shards the whole plan has; 0 when unknown. It tells when a run that comes shard by shard
            is whole.
        files: Suite and path of each file, which `cases` name by place.
        cases: One row for each case.
        words: What is missing or doubled, notes, and what failed together, each with its kind.
        codeowners: Text of CODEOWNERS; "" for none.
        default_branch: "" when unknown.
    """

    run_id: str
    commit: str
    started_at: str
    run_attempt: int = 1
    branch: str = ""
    is_trusted: bool = True
    conclusion: Conclusion = Conclusion.NOTHING
    event: str = ""
    pull_request: int = 0
    actor: str = ""
    shard_count: int = 0
    shards: tuple[UploadedShard, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    cases: tuple[CaseRow, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    causes: tuple[CauseRow, ...] = ()
    slowed: tuple[PaceRow, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    codeowners: str = field(default="", repr=False)
    default_branch: str = ""

    def case(self, place: int) -> CaseId:
        row = self.cases[place]
        return CaseId(*self.files[row[0]], row[1])
