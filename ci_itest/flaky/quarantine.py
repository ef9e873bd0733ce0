"""Who goes into quarantine, who leaves it and when: decisions alone; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ci_itest.flaky.fold import Memory
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.model.run import Run

MOST_RENEWALS = 2

_BUILDS = 2
_BROKEN = 0.9
_HEALED = 0.1


@dataclass(frozen=True, slots=True)
class Release:
    """An entry that ends, and why in words."""

    entry: QuarantineEntry
    because: str


def proposed(memory: Memory, *, names: Mapping[int, CaseId], inside: Collection[CaseId]) -> tuple[CaseId, ...]:
    """Cases that should be in quarantine and are not: flaky on two builds or more, and not broken on main."""
    return tuple(
        sorted(
            names[case]
            for case in memory.suspects()
            if case in names
            and names[case] not in inside
            and memory.is_flaky(case)
            and memory.evidence.get(case, 0) >= _BUILDS
            and memory.broken_on_main(case) < _BROKEN
        )
    )


def released(
    entries: Iterable[QuarantineEntry], memory: Memory, *, numbers: Mapping[CaseId, int], at: str
) -> tuple[Release, ...]:
    """The entries that end now: time is up, main broke the case, or it healed."""
    found = ((entry, _because(entry, memory, numbers.get(entry.case), at=at)) for entry in entries)
    return tuple(Release(entry, because) for entry, because in found if because)


def _because(entry: QuarantineEntry, memory: Memory, number: int | None, *, at: str) -> str:
    if is_over(entry, at=at):
        return "its time is up"
    if number is None:
        return ""
    if memory.broken_on_main(number) > _BROKEN:
        return "it is broken on the default branch, which is no flake"
    # Put there by hand without evidence: no evidence can take it out.
    if entry.evidence and memory.score(number) < _HEALED:
        return "its last runs speak for it being healthy"
    return ""


def is_over(entry: QuarantineEntry, *, at: str) -> bool:
    """Whether its time is up; an entry whose time is none counts as over."""
    try:
        return _moment(at) >= _moment(entry.expires_at)
    except ValueError:
        return True


def renewed(entry: QuarantineEntry, *, at: str, seconds: float) -> QuarantineEntry | None:
    """The entry with its time extended from now; None when that was done twice already."""
    if entry.renewals >= MOST_RENEWALS:
        return None
    return replace(entry, expires_at=later(at, seconds=seconds), renewals=entry.renewals + 1)


def later(at: str, *, seconds: float) -> str:
    return (_moment(at) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def with_quarantine(run: Run, entries: Iterable[QuarantineEntry], *, at: str) -> Run:
    """The run with the failures of quarantined cases not counted.

    Nothing is muted in a run with findings (a shard died, a report is short) or in which a worker process died, nor a
    case whose time is up or that is broken on the default branch.

    Args:
        at: When the run started.
    """
    broken = {
        cause.case for cause in run.judged.causes if cause.cause is CauseKind.KNOWN and cause.probability > _BROKEN
    }
    muted = muted_cases(entries, at=at) - broken
    if not any(case.case in muted for case in run.with_verdict(Verdict.FAILED)):
        return run
    deaths = [death for shard in run.shards for death in shard.deaths]
    if run.findings or deaths:
        why = deaths[0] if deaths else "the run is incomplete"
        return replace(run, notes=(*run.notes, f"No failure is muted by the quarantine here: {why}."))
    return replace(run, cases=with_muted(run.cases, muted))


def muted_cases(entries: Iterable[QuarantineEntry], *, at: str) -> frozenset[CaseId]:
    """The cases whose failures do not count at that time."""
    return frozenset(
        entry.case for entry in entries if entry.mode is QuarantineMode.MUTED and not is_over(entry, at=at)
    )


def with_muted(cases: Iterable[CaseResult], muted: Collection[CaseId]) -> tuple[CaseResult, ...]:
    """The cases, those that failed and are muted as quarantined."""
    return tuple(
        replace(case, verdict=Verdict.QUARANTINED) if case.verdict is Verdict.FAILED and case.case in muted else case
        for case in cases
    )


def skipped_cases(entries: Iterable[QuarantineEntry], *, at: str) -> dict[CaseId, str]:
    """The cases that are not to run at that time, and why, for those who read the report."""
    return {
        entry.case: f"in quarantine until {entry.expires_at[:10]}: {' '.join(entry.reason.split())}"
        + (f" ({entry.issue_url})" if entry.issue_url else "")
        for entry in entries
        if entry.mode is QuarantineMode.SKIPPED and not is_over(entry, at=at)
    }


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
