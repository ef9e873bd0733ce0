"""Who goes into quarantine, who leaves it and when: decisions alone; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from ci_itest.flaky.fold import Memory
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.history import PastFailure, RunSummary
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
    entries: Iterable[QuarantineEntry],
    memory: Memory,
    *,
    numbers: Mapping[CaseId, int],
    at: str,
    knowingly: Collection[CaseId] = (),
) -> tuple[Release, ...]:
    """The entries that end now: time is up, main broke the case, or it healed.

    Args:
        knowingly: Cases that a person muted while main failed them already (`was_failing`).
    """
    found = (
        (entry, _because(entry, memory, numbers.get(entry.case), at=at, is_known=entry.case in knowingly))
        for entry in entries
    )
    return tuple(Release(entry, because) for entry, because in found if because)


def _because(entry: QuarantineEntry, memory: Memory, number: int | None, *, at: str, is_known: bool) -> str:
    if is_over(entry, at=at):
        return "its time is up"
    if number is None:
        return ""
    if memory.broken_on_main(number) > _BROKEN and not is_known:
        return "it is broken on the default branch, which is no flake"
    # Put there by hand without evidence: no evidence can take it out.
    if entry.evidence and memory.score(number) < _HEALED:
        return "its last runs speak for it being healthy"
    return ""


def was_failing(
    entry: QuarantineEntry, *, main_runs: Sequence[RunSummary], failures: Iterable[PastFailure], main: str
) -> bool:
    """Whether main failed the case already when it was put in quarantine, and in each of its runs since.

    Who put it there then knew, so that it is broken is no news. After one pass on main a later break is news again.

    Args:
        main_runs: Of the default branch, the newest first; attempts of one run count as one.
        failures: Of the case.
    """
    failed_at = {failure.at for failure in failures if failure.branch == main and not failure.is_recovered}
    starts: dict[str, list[str]] = {}
    for run in main_runs:
        starts.setdefault(run.run_id, []).append(run.started_at)
    streak = list(takewhile(lambda times: not failed_at.isdisjoint(times), starts.values()))
    # When it reaches to where the list ends, it began earlier.
    is_endless = bool(streak) and len(streak) == len(starts)
    return is_endless or any(_moment(min(times)) < _moment(entry.added_at) for times in streak)


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


def with_quarantine(
    run: Run, entries: Iterable[QuarantineEntry], *, at: str, knowingly: Collection[CaseId] = ()
) -> Run:
    """The run with the failures of quarantined cases not counted.

    Nothing is muted in a run with findings (a shard died, a report is short) or in which a worker process died, nor a
    case whose time is up or that the default branch broke since it was put there.

    Args:
        at: When the run started.
        knowingly: Cases that a person muted while the default branch failed them already (`was_failing`).
    """
    muted = muted_cases(entries, at=at) - (broken_cases(run) - frozenset(knowingly))
    if not any(case.case in muted for case in run.with_verdict(Verdict.FAILED)):
        return run
    deaths = [death for shard in run.shards for death in shard.deaths]
    if run.findings or deaths:
        why = deaths[0] if deaths else "the run is incomplete"
        return replace(run, notes=(*run.notes, f"No failure is muted by the quarantine here: {why}."))
    return replace(run, cases=with_muted(run.cases, muted))


def broken_cases(run: Run) -> frozenset[CaseId]:
    """The cases that failed because the default branch is broken."""
    return frozenset(
        cause.case for cause in run.judged.causes if cause.cause is CauseKind.KNOWN and cause.probability > _BROKEN
    )


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
