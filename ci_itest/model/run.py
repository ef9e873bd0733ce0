"""What shards leave and what a run says: `ShardResult`, `Finding`, `Run`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ci_itest.model.cases import Attempt, CaseId, CaseResult, Verdict
from ci_itest.model.coverage import IntegrationCoverage
from ci_itest.model.fixes import FixAttempt
from ci_itest.model.judged import Judged


class ShardState(StrEnum):
    """How far a shard's process got, as its own document says."""

    STARTED = "started"
    FINISHED = "finished"


class StopReason(StrEnum):
    """Why a shard ended before its tests did."""

    NONE = ""
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    BUILD = "build"
    SERVICES = "services"
    PREPARE = "prepare"
    APP = "app"
    RUNNER = "runner"


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """How long one phase of a shard took ("build", "images", "services", "prepare", "app", "tests", "clean-up")."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """One service of a shard: what ran and how soon it was ready.

    Attributes:
        digest: Content address of the image, "" when unknown.
        ready_seconds: From the request to start it until it was ready.
        start_seconds: From the beginning of the phase "services" to that request.
    """

    name: str
    image: str
    digest: str = ""
    ready_seconds: float = 0.0
    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceSlice:
    """What a service wrote while a failed case ran.

    Attributes:
        case: Its node id.
    """

    case: str
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class ServiceTail:
    """The last lines of a service's log, kept of a shard in which something failed."""

    service: str
    text: str


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A test file a shard saw.

    Attributes:
        is_mine: Whether this shard takes it.
        case_count: How many cases it collected from it; -1 for a file of another shard.
        deselected_count: How many of the file's cases the markers left out.
    """

    file: str
    is_mine: bool
    case_count: int = -1
    deselected_count: int = 0


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What one shard leaves behind (`shard.json`; attempts stand in files beside it).

    Attributes:
        suite: Name of the suite.
        index: Counted from 1.
        count: How many shards the plan has.
        plan_digest: Of the plan the shard worked by.
        run_id: Of the workflow run.
        run_attempt: 1 for the first attempt of the run.
        state: `started` in a bundle whose process died before it could finish it.
        stop_reason: Why it stopped early, "" when it did not.
        message: The error that stopped it, in words; "" when none did.
        listed: Every test file it saw.
        collected: Cases it was to run, in order.
        attempts: Every execution, in order of their end.
        running: Cases that had started and not ended when the shard stopped.
        queues: Cases of each worker in the order they were started, worker name first.
        runner_exit: Exit code of the test runner, -1 when it never ran or was killed.
        planned_seconds: Work the plan expected of the shard, 0 where it had nothing to go by.
        planned_wall_seconds: From its start to its end as the plan expected, services and workers counted; 0 likewise.
        started_at: UTC, ISO 8601.
        notes: What happened beside the tests ("redis exited with code 1 while the tests ran"), one line each.
        service_tails: Of all services when the shard failed, else of those that died.
        service_slices: Of all services, for the cases that failed.
        rerun_of: The attempt whose failed and missing cases alone it ran again; 0 when it ran all of its part.
        deaths: Worker processes that died while the tests ran, in words.
        fixes: What the cases that its commit says it fixes came to.
        coverage: What its tests reached of the app; None where no fixture looked.
    """

    suite: str
    index: int
    count: int
    plan_digest: str
    run_id: str = ""
    run_attempt: int = 1
    commit: str = ""
    state: ShardState = ShardState.STARTED
    stop_reason: StopReason = StopReason.NONE
    message: str = ""
    listed: tuple[ListedFile, ...] = ()
    collected: tuple[CaseId, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    running: tuple[CaseId, ...] = ()
    queues: tuple[tuple[str, tuple[str, ...]], ...] = ()
    runner_exit: int = -1
    workers: int = 1
    planned_seconds: float = 0.0
    started_at: str = ""
    seconds: float = 0.0
    phases: tuple[PhaseTime, ...] = ()
    services: tuple[ServiceTime, ...] = ()
    notes: tuple[str, ...] = ()
    service_tails: tuple[ServiceTail, ...] = ()
    service_slices: tuple[ServiceSlice, ...] = ()
    rerun_of: int = 0
    deaths: tuple[str, ...] = ()
    planned_wall_seconds: float = 0.0
    fixes: tuple[FixAttempt, ...] = ()
    coverage: IntegrationCoverage | None = None

    @property
    def label(self) -> str:
        """The shard as people read it: `3/8`, with the suite in front when it is not the only one's name."""
        return shard_label(self.suite, self.index, self.count)

    @property
    def work_seconds(self) -> float:
        """Seconds its cases took, one after another: what `planned_seconds` predicted."""
        return sum(attempt.seconds for attempt in self.attempts)


def shard_label(suite: str, index: int, count: int) -> str:
    """`3/8` in the suite `main`, `e2e 3/8` in any other."""
    part = f"{index}/{count}"
    return part if suite == "main" else f"{suite} {part}"


class FindingKind(StrEnum):
    """What can be wrong with a run beside failing tests; every one makes it incomplete and red."""

    MISSING_SHARD = "missing-shard"
    UNREADABLE_BUNDLE = "unreadable-bundle"
    WRONG_PLAN = "wrong-plan"
    DOUBLED_SHARD = "doubled-shard"
    STOPPED_SHARD = "stopped-shard"
    UNKNOWN_SHARD = "unknown-shard"
    UNLISTED_FILE = "unlisted-file"
    UNCLAIMED_FILE = "unclaimed-file"
    DOUBLED_FILE = "doubled-file"
    FILE_NEVER_RUN = "file-never-run"
    MISSING_CASE = "missing-case"
    DOUBLED_CASE = "doubled-case"
    UNREADABLE_REPORT = "unreadable-report"
    NO_PLAN = "no-plan"
    FAILED_JOB = "failed-job"
    LOW_COVERAGE = "low-coverage"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps the run from being complete, in words a reader can act on.

    Attributes:
        message: One sentence that names what, and how many.
        shard: Label of the shard it is about, "" for the run.
        items: What it names (files, cases), as many as there are.
    """

    kind: FindingKind
    message: str
    shard: str = ""
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """All shards of one commit, merged.

    Attributes:
        run_id: The CI's id, or one made up on a laptop.
        run_attempt: 1 for the first.
        branch: The branch the results are about; a pull request's head branch for a pull request.
        is_trusted: Whether the results may enter the default branch's history.
        shards: By suite and index; without their attempts, which `cases` hold.
        cases: In order of their ids.
        findings: What is missing or doubled; empty for a complete run.
        notes: What a reader should know and need not act on.
        planned_shards: Suite, index and count of every shard the plan has.
        root: Folder of the settings inside the repository, "" for its top; case files are relative to it.
        judged: What earlier runs say of its failures.
        fixes: What the cases that its commit says it fixes came to.
        coverage: What the tests of all shards reached of the app; None where no fixture looked.
    """

    run_id: str
    commit: str
    started_at: str
    run_attempt: int = 1
    branch: str = ""
    is_trusted: bool = True
    plan_digest: str = ""
    shards: tuple[ShardResult, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    planned_shards: tuple[tuple[str, int, int], ...] = ()
    root: str = ""
    judged: Judged = field(default_factory=Judged)
    fixes: tuple[FixAttempt, ...] = ()
    coverage: IntegrationCoverage | None = None

    def count(self, verdict: Verdict) -> int:
        return sum(1 for case in self.cases if case.verdict is verdict)

    def with_verdict(self, verdict: Verdict) -> tuple[CaseResult, ...]:
        return tuple(case for case in self.cases if case.verdict is verdict)

    @property
    def is_complete(self) -> bool:
        return not self.findings

    @property
    def conclusion(self) -> Conclusion:
        return conclusion_of(
            has_findings=bool(self.findings), failed_count=self.count(Verdict.FAILED), case_count=len(self.cases)
        )


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the caller knows of the run and no bundle may decide.

    Attributes:
        branch: The branch the results are about.
        is_trusted: Whether they may enter the default branch's history.
    """

    run_id: str
    commit: str
    started_at: str
    run_attempt: int = 1
    branch: str = ""
    is_trusted: bool = True


class Conclusion(StrEnum):
    """The run in one word; only `success` and `bypassed` are green."""

    SUCCESS = "success"
    FAILURE = "failure"
    INCOMPLETE = "incomplete"
    NOTHING = "nothing"
    BYPASSED = "bypassed"


def conclusion_of(*, has_findings: bool, failed_count: int, case_count: int) -> Conclusion:
    """What a run comes to: incomplete outweighs failed, and a run of no case is not green."""
    if has_findings:
        return Conclusion.INCOMPLETE
    if failed_count:
        return Conclusion.FAILURE
    return Conclusion.SUCCESS if case_count else Conclusion.NOTHING
