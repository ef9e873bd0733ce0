"""Cases for people: failures by cause, recoveries, skips, what is missing, what is slow."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome
from ci_itest.model.judged import CaseCause
from ci_itest.model.run import Finding
from ci_itest.model.table import CaseTable
from ci_itest.reporting.attachments import Attachment, attachments_of
from ci_itest.reporting.causes import Cause, failure_message
from ci_itest.reporting.excerpt import excerpt
from ci_itest.reporting.links import Links, file_url, replay_command
from ci_itest.reporting.telling import telling_lines
from ci_itest.reporting.wording import certainty, duration, plural

EVIDENCE_PREFIX = "ci-itest."
"""What properties begin with that the pytest plugin leaves of a case that fails."""

MAX_CAUSES = 200
MAX_CASES_OF_CAUSE = 50
MAX_LISTED = 200
SLOWEST = 20

_OUTCOME_WORDS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "error",
    Outcome.SKIPPED: "skipped",
}


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """What a service wrote while a case ran."""

    service: str
    text: str

    @property
    def telling(self) -> str:
        """The lines of it that report an error, a few at most; "" when none does."""
        return telling_lines(self.text)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What ci-itest's fixtures noted while a case ran: its requests, the rows it wrote, the worker's earlier cases."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One execution in words."""

    number: int
    outcome: str
    message: str
    seconds: str
    worker: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case that did not simply pass.

    Attributes:
        key: Names the case in the page's address (`#t=…`).
        name: Node id.
        location: `test_cart.py:84`; "" when the line is unknown.
        url: Of that line, "" where the repository is unknown.
        shard: Label, "" when none ran it.
        part: What ran it, in words: `shard 3/8`, or the name of the file that reported it.
        tries: "failed on 2 of 2 attempts"; "" when it was tried once.
        seconds: All attempts together.
        attempts: In order.
        excerpt: The lines around the assertion.
        output: What the case printed.
        logs: What the services wrote meanwhile, each with `service`, `text`, and `telling`: its lines about errors.
        evidence: What the fixtures noted of it.
        replay: Command that runs the case again; "" when there is none.
        why: Whose fault the failure is and what speaks for it; "" when it was not judged.
        attachments: Files that the case left (screenshots, traces).
    """

    key: str
    name: str
    file: str
    line: int
    location: str
    url: str
    shard: str
    tries: str
    message: str
    seconds: str
    attempts: tuple[AttemptView, ...] = ()
    excerpt: str = ""
    details: str = ""
    output: str = ""
    logs: tuple[ServiceLog, ...] = ()
    replay: str = ""
    part: str = ""
    why: str = ""
    attachments: tuple[Attachment, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without its file and classes."""
        before_parameters, bracket, parameters = self.name.partition("[")
        return (before_parameters.rpartition("::")[2] or before_parameters) + bracket + parameters


@dataclass(frozen=True, slots=True)
class CauseView:
    """Cases that failed for one reason; text and command are the first case's.

    Attributes:
        cases: The first MAX_CASES_OF_CAUSE of them.
        case_count: How many there are.
    """

    message: str
    cases: tuple[CaseView, ...]
    case_count: int

    @property
    def first(self) -> CaseView:
        return self.cases[0]

    @property
    def rest_count(self) -> int:
        return self.case_count - len(self.cases)


@dataclass(frozen=True, slots=True)
class NamedCount:
    """Something that stands for several others: a file and its cases, a reason and its skips.

    Attributes:
        names: Some of them, as many as a page has room for.
    """

    name: str
    count: int
    words: str
    names: tuple[str, ...] = ()

    @property
    def rest_count(self) -> int:
        return self.count - len(self.names)


@dataclass(frozen=True, slots=True)
class FindingView:
    """What keeps the run from being complete.

    Attributes:
        groups: What it names, by file; empty when the message says it all.
    """

    kind: str
    message: str
    shard: str
    groups: tuple[NamedCount, ...]
    group_count: int

    @property
    def rest_count(self) -> int:
        return self.group_count - len(self.groups)


@dataclass(frozen=True, slots=True)
class CaseContext:
    """What it takes to show a case: where things are, what shards are called, what the services wrote."""

    links: Links
    labels: Mapping[tuple[str, int], str]
    logs: Mapping[CaseId, Sequence[ServiceLog]]
    replay_target: str
    part_word: str = "shard"
    judged: Mapping[CaseId, CaseCause] = field(default_factory=dict)
    folders: Mapping[int, str] = field(default_factory=dict)

    def why(self, case: CaseId) -> str:
        cause = self.judged.get(case)
        return f"Cause: {cause.cause} ({certainty(cause.probability)}). {cause.evidence}" if cause else ""

    def part(self, label: str) -> str:
        return f"{self.part_word} {label}".strip() if label else ""


def cause_views(causes: Sequence[Cause], context: CaseContext) -> tuple[CauseView, ...]:
    """The first MAX_CAUSES causes with their cases."""
    return tuple(_cause_view(cause, context) for cause in causes[:MAX_CAUSES])


def _cause_view(cause: Cause, context: CaseContext) -> CauseView:
    return CauseView(
        message=cause.message,
        cases=tuple(case_view(result, context) for result in cause.cases[:MAX_CASES_OF_CAUSE]),
        case_count=len(cause.cases),
    )


def case_view(result: CaseResult, context: CaseContext) -> CaseView:
    """A case with its texts, from the attempt that explains it."""
    bad = result.first_bad
    line = bad.line if bad else 0
    case = result.case
    return CaseView(
        key=case_key(case),
        name=case.node_id,
        file=case.file,
        line=line,
        location=_location(case.file, line),
        url=file_url(context.links, case.file, line),
        shard=context.labels.get((case.suite, result.shard), ""),
        tries=_tries(result.attempts),
        message=failure_message(result),
        seconds=duration(result.seconds),
        attempts=tuple(_attempt_view(attempt) for attempt in result.attempts),
        excerpt=excerpt(bad.details) if bad else "",
        details=bad.details if bad else "",
        output=bad.output if bad else "",
        logs=tuple(context.logs.get(case, ())),
        replay=replay_command(context.replay_target, suite=case.suite, shard=result.shard, only=case),
        part=context.part(context.labels.get((case.suite, result.shard), "")),
        why=context.why(case),
        attachments=attachments_of(result, folder=context.folders.get(result.shard)),
        evidence=evidence_of(bad),
    )


def evidence_of(attempt: Attempt | None) -> tuple[Evidence, ...]:
    """The notes of an attempt, in their order."""
    found = attempt.properties if attempt else ()
    return tuple(
        Evidence(name.removeprefix(EVIDENCE_PREFIX), text) for name, text in found if name.startswith(EVIDENCE_PREFIX)
    )


def case_key(case: CaseId) -> str:
    return f"{case.suite}/{case.node_id}"


def _location(file: str, line: int) -> str:
    return f"{file.rpartition('/')[2]}:{line}" if file and line > 0 else ""


def _tries(attempts: Sequence[Attempt]) -> str:
    if len(attempts) < 2:
        return ""
    bad = sum(attempt.outcome.is_bad for attempt in attempts)
    return f"failed on {bad} of {len(attempts)} attempts"


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        outcome=_OUTCOME_WORDS[attempt.outcome],
        message=attempt.message.strip(),
        seconds=duration(attempt.seconds),
        worker=attempt.worker,
    )


def finding_views(findings: Sequence[Finding]) -> tuple[FindingView, ...]:
    """The first MAX_LISTED findings with what they name, MAX_LISTED files in all of them together."""
    views, room = [], MAX_LISTED
    for finding in findings[:MAX_LISTED]:
        view = _finding_view(finding, room)
        views.append(view)
        room -= len(view.groups)
    return tuple(views)


def _finding_view(finding: Finding, room: int) -> FindingView:
    groups, group_count = by_file(finding.items, limit=room) if room else ((), 0)
    return FindingView(
        kind=finding.kind.value,
        message=finding.message,
        shard=finding.shard,
        groups=groups,
        group_count=group_count,
    )


def by_file(node_ids: Sequence[str], *, limit: int) -> tuple[tuple[NamedCount, ...], int]:
    """Node ids by their file, most cases first: the first `limit` files, and how many there are.

    A bare file stands for itself.
    """
    files: dict[str, list[str]] = {}
    for node_id in node_ids:
        file, separator, name = node_id.partition("::")
        files.setdefault(file, []).extend([name] if separator else [])
    first = heapq.nsmallest(limit, files.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_file_count(file, names) for file, names in first), len(files)


def _file_count(file: str, names: Sequence[str]) -> NamedCount:
    words = plural(len(names), "test") if names else ""
    return NamedCount(name=file, count=len(names), words=words, names=tuple(names[:SLOWEST]))


def skip_groups(skipped: Sequence[CaseResult]) -> tuple[NamedCount, ...]:
    """Skipped cases by the reason they gave, most cases first."""
    reasons: dict[str, list[str]] = {}
    for result in skipped:
        reason = result.last.message.strip() if result.last else ""
        reasons.setdefault(reason or "no reason given", []).append(result.case.node_id)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        NamedCount(name=reason, count=len(names), words=plural(len(names), "test"), names=tuple(names[:SLOWEST]))
        for reason, names in ordered[:MAX_LISTED]
    )


def slowest(cases: CaseTable, context: CaseContext) -> tuple[CaseView, ...]:
    """The SLOWEST cases that took the longest, all attempts together."""
    return tuple(_short_view(result, context) for result in cases.slowest(SLOWEST))


def _short_view(result: CaseResult, context: CaseContext) -> CaseView:
    case = result.case
    return CaseView(
        key=case_key(case),
        name=case.node_id,
        file=case.file,
        line=0,
        location="",
        url=file_url(context.links, case.file),
        shard=context.labels.get((case.suite, result.shard), ""),
        tries=_tries(result.attempts),
        message="",
        seconds=duration(result.seconds),
        part=context.part(context.labels.get((case.suite, result.shard), "")),
    )
