"""Suspects run again and again, each time in another way, until the time is up: what fails by itself shows itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ci_itest.flows.fixing import ruled_out
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.plan import Plan
from ci_itest.model.run import Finding, FindingKind, Run


class Way(StrEnum):
    """How a suspect is run, as people read it."""

    ALONE = "alone"
    IN_ORDER = "in order"
    REVERSED = "in reversed order"
    BUSY = "alone on a busy machine"


@dataclass(frozen=True, slots=True)
class Probe:
    """One run of a shard's suspects.

    Attributes:
        suspects: The cases that are looked at.
        beside: All cases to run, in that order ("file::name"); the suspects alone where they are run alone.
    """

    suite: str
    index: int
    way: Way
    suspects: tuple[CaseId, ...]
    beside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe and what became of its suspects; those that did not run are not among the results."""

    probe: Probe
    results: tuple[CaseResult, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a case ran in one way, and failed."""

    case: CaseId
    way: Way
    runs: int
    failed: int


def rounds(plan: Plan, suspects: Iterable[CaseId], *, known: Iterable[CaseId]) -> tuple[Probe, ...]:
    """The probes of one round: each suspect alone, on a busy machine too, and a shard's among their files' cases.

    Args:
        known: Every case that history knows, by which a file's cases are named.
    """
    homes = _homes(plan, suspects)
    by_file: dict[tuple[str, str], list[str]] = {}
    for case in sorted(known):
        by_file.setdefault((case.suite, case.file), []).append(case.node_id)
    found: list[Probe] = []
    for (suite, index), cases in sorted(homes.items()):
        alone = [(case, (case.node_id,)) for case in cases]
        found += [Probe(suite, index, Way.ALONE, (case,), own) for case, own in alone]
        beside = [name for file in dict.fromkeys(case.file for case in cases) for name in by_file[suite, file]]
        if len(beside) > 1:
            found.append(Probe(suite, index, Way.IN_ORDER, tuple(cases), tuple(beside)))
            found.append(Probe(suite, index, Way.REVERSED, tuple(cases), tuple(reversed(beside))))
        found += [Probe(suite, index, Way.BUSY, (case,), own) for case, own in alone]
    return tuple(found)


def _homes(plan: Plan, suspects: Iterable[CaseId]) -> Mapping[tuple[str, int], list[CaseId]]:
    """The shard that has each suspect; a case that no shard has any more is left out."""
    homes: dict[tuple[str, int], list[CaseId]] = {}
    for case in suspects:
        suite = plan.suite(case.suite)
        for shard in suite.shards if suite else ():
            if any(unit.file == case.file and unit.holds(case.name) for unit in shard.units):
                homes.setdefault((case.suite, shard.index), []).append(case)
    return homes


def hunt(
    probes: Sequence[Probe],
    run: Callable[[Probe], Sequence[CaseResult]],
    *,
    seconds: float,
    clock: Callable[[], float],
    most_rounds: int = 0,
) -> Iterator[Probed]:
    """Run the probes over and over until the time is up, each of them at least once.

    Args:
        run: Runs one probe; what became of its cases.
        seconds: After which no other round or probe begins.
        clock: Seconds, monotonic.
        most_rounds: 0 for as many as there is time for.
    """
    start, count = clock(), 0
    while probes and (not most_rounds or count < most_rounds):
        for probe in probes:
            if count and clock() - start >= seconds:
                return
            wanted = set(probe.suspects)
            ran = tuple(result for result in run(probe) if result.case in wanted and _ran(result))
            yield Probed(probe, ran)
        count += 1


def _ran(result: CaseResult) -> bool:
    return result.verdict not in (Verdict.MISSING, Verdict.SKIPPED)


def tallies(probed: Iterable[Probed]) -> tuple[Tally, ...]:
    """How often each case failed in which way, in the order of cases and ways."""
    runs, failed = Counter[tuple[CaseId, Way]](), Counter[tuple[CaseId, Way]]()
    for each in probed:
        for result in each.results:
            key = (result.case, each.probe.way)
            runs[key] += 1
            failed[key] += result.verdict is Verdict.FAILED
    ways = list(Way)
    ordered = sorted(runs, key=lambda key: (key[0], ways.index(key[1])))
    return tuple(Tally(case, way, runs[case, way], failed[case, way]) for case, way in ordered)


def conclusion(found: Iterable[Tally]) -> tuple[str, ...]:
    """What a hunt came to, a line for each case."""
    by_case: dict[CaseId, list[Tally]] = {}
    for tally in found:
        by_case.setdefault(tally.case, []).append(tally)
    return tuple(f"{case}: {_verdict(own)}" for case, own in by_case.items())


def _verdict(own: Sequence[Tally]) -> str:
    runs, failed = sum(tally.runs for tally in own), sum(tally.failed for tally in own)
    if not failed:
        return f"passed {_times(runs)}; {ruled_out(runs)}"
    parts = ", ".join(f"{tally.failed} of {tally.runs} {tally.way}" for tally in own)
    only = [tally for tally in own if tally.failed]
    if failed == runs:
        return f"failed each of {_times(runs)}: it is broken rather than flaky"
    if [tally.way for tally in only] == [Way.REVERSED] and only[0].failed == only[0].runs > 1:
        return f"failed {parts}: it needs a case that runs before it (`ci-itest replay RUN --bisect` finds which)"
    return f"failed {parts}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def as_run(probed: Probed, *, run_id: str, commit: str, branch: str, at: str, is_trusted: bool) -> Run:
    """A probe as a run to learn from; never one that says what the suite's cases are or how long they take."""
    words = "A hunt runs its suspects alone."
    return Run(
        run_id=run_id,
        commit=commit,
        started_at=at,
        branch=branch,
        is_trusted=is_trusted,
        cases=probed.results,
        findings=(Finding(FindingKind.MISSING_CASE, words),),
    )
