"""Shards to one `Run`, with the proof that nothing is missing and nothing ran twice.

Pure: what the shards left has been read by `flows.bundles`. The proof has three levels. Every planned shard left a
bundle made by this plan; every test file that any shard saw was taken by exactly one; every case that was collected
has a last attempt on exactly one shard. Whatever does not hold becomes a `Finding`, and a run with a finding is red.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ci_itest.flows.attempts import with_earlier_attempts
from ci_itest.flows.bundles import BrokenBundle, Bundles
from ci_itest.flows.fixing import fix_words, merged_fixes
from ci_itest.flows.service_slices import bounded_slices
from ci_itest.flows.service_tails import bounded
from ci_itest.model.cases import NEVER_RAN, Attempt, CaseId, CaseResult, Verdict, verdict_of
from ci_itest.model.coverage import together
from ci_itest.model.plan import Plan, SuitePlan
from ci_itest.model.run import Finding, FindingKind, Run, RunFacts, ShardResult, ShardState, StopReason, shard_label

ShardKey = tuple[str, int]

_STOPPED = {
    StopReason.CANCELLED: "was cancelled",
    StopReason.TIMEOUT: "ran into shard_timeout",
    StopReason.SERVICES: "could not start its services",
    StopReason.PREPARE: "could not prepare its services",
    StopReason.APP: "could not start the app",
    StopReason.RUNNER: "could not run all its tests",
}


def merge(plan: Plan, bundles: Bundles, facts: RunFacts) -> Run:
    """One run out of its plan and what its shards left."""
    findings: list[Finding] = [_broken(bundle) for bundle in bundles.broken]
    ours, refused = _of_this_plan(plan, bundles.shards)
    findings += refused
    shards, doubled = _newest(ours)
    findings += doubled
    shards, incomplete = with_earlier_attempts(shards, ours)
    findings += incomplete
    findings += _missing_shards(plan, shards)
    findings += _silent_shards(plan, shards)
    findings += _not_built(shards)
    for shard in shards.values():
        findings += _stopped(shard)
    findings += _files(plan, shards)
    cases, case_findings = _cases(shards)
    findings += case_findings
    fixes = merged_fixes(plan, shards.values())
    return Run(
        run_id=facts.run_id,
        commit=facts.commit,
        started_at=facts.started_at,
        run_attempt=facts.run_attempt,
        branch=facts.branch,
        is_trusted=facts.is_trusted,
        plan_digest=plan.digest,
        shards=tuple(_for_the_run(shard) for _, shard in sorted(shards.items())),
        cases=cases,
        findings=tuple(findings),
        notes=(*map(fix_words, fixes), *(note for suite in plan.suites for note in suite.notes)),
        planned_shards=tuple(
            (suite.suite, shard.index, suite.shard_count) for suite in plan.suites for shard in suite.shards
        ),
        root=plan.root,
        fixes=fixes,
        coverage=together(shard.coverage for shard in shards.values()),
    )


def _for_the_run(shard: ShardResult) -> ShardResult:
    """The shard as the run's document has it: cases hold the attempts, and what a bundle says is held to its bounds."""
    return replace(
        shard,
        attempts=(),
        coverage=None,
        service_tails=bounded(shard.service_tails),
        service_slices=bounded_slices(shard.service_slices),
    )


def _broken(bundle: BrokenBundle) -> Finding:
    return Finding(FindingKind.UNREADABLE_BUNDLE, f"The bundle {bundle.path.name} cannot be read: {bundle.reason}")


def _of_this_plan(plan: Plan, shards: Iterable[ShardResult]) -> tuple[list[ShardResult], list[Finding]]:
    """The shards that worked by this plan, and a finding for each that did not."""
    ours: list[ShardResult] = []
    findings: list[Finding] = []
    for shard in shards:
        suite = plan.suite(shard.suite)
        if shard.plan_digest != plan.digest:
            words = f"Shard {shard.label} worked by another plan ({shard.plan_digest[:12]}, not {plan.digest[:12]})."
            findings.append(Finding(FindingKind.WRONG_PLAN, words, shard=shard.label))
        elif shard.run_id != plan.run_id:
            words = f"Shard {shard.label} is of run {shard.run_id}, not of run {plan.run_id}."
            findings.append(Finding(FindingKind.WRONG_PLAN, words, shard=shard.label))
        elif suite is None or not 1 <= shard.index <= suite.shard_count or shard.count != suite.shard_count:
            words = f"Shard {shard.label} is not in the plan."
            findings.append(Finding(FindingKind.UNKNOWN_SHARD, words, shard=shard.label))
        else:
            ours.append(shard)
    return ours, findings


def _newest(shards: Iterable[ShardResult]) -> tuple[dict[ShardKey, ShardResult], list[Finding]]:
    """Each shard's newest attempt; two bundles of one attempt are a finding."""
    newest: dict[ShardKey, ShardResult] = {}
    findings: list[Finding] = []
    for shard in sorted(shards, key=lambda shard: shard.run_attempt):
        key = (shard.suite, shard.index)
        earlier = newest.get(key)
        if earlier is not None and earlier.run_attempt == shard.run_attempt:
            words = f"Shard {shard.label} left two bundles of attempt {shard.run_attempt}."
            findings.append(Finding(FindingKind.DOUBLED_SHARD, words, shard=shard.label))
        newest[key] = shard
    return newest, findings


def _missing_shards(plan: Plan, shards: Mapping[ShardKey, ShardResult]) -> Iterable[Finding]:
    for suite in plan.suites:
        for shard in suite.shards:
            if (suite.suite, shard.index) not in shards:
                label = shard_label(suite.suite, shard.index, suite.shard_count)
                words = (
                    f"Shard {label} left no bundle; the {_files_words(len(shard.files))} it was to run have no result."
                )
                yield Finding(FindingKind.MISSING_SHARD, words, shard=label, items=shard.files)


def _silent_shards(plan: Plan, shards: Mapping[ShardKey, ShardResult]) -> Iterable[Finding]:
    """A shard that says it has finished, and whose results are gone, must not pass for one that had nothing to do."""
    for suite in plan.suites:
        for planned in suite.shards:
            shard = shards.get((suite.suite, planned.index))
            if shard is None or shard.listed or shard.state is not ShardState.FINISHED or not planned.files:
                continue
            if shard.stop_reason is StopReason.NONE:
                words = (
                    f"Shard {shard.label} finished and left no results; the {_files_words(len(planned.files))} "
                    "it was to run have none."
                )
                yield Finding(FindingKind.FILE_NEVER_RUN, words, shard=shard.label, items=planned.files)


def _not_built(shards: Mapping[ShardKey, ShardResult]) -> Iterable[Finding]:
    """A build that fails stops all shards of a suite for one reason, which is said once."""
    failed: dict[str, list[ShardResult]] = defaultdict(list)
    for shard in shards.values():
        if shard.stop_reason is StopReason.BUILD:
            failed[shard.suite].append(shard)
    for same in failed.values():
        labels = tuple(shard.label for shard in same)
        count = "1 shard" if len(labels) == 1 else f"{len(labels)} shards"
        words = f"{same[0].message} ({count} stopped: {', '.join(labels[:5])}{' …' if len(labels) > 5 else ''})"
        yield Finding(FindingKind.STOPPED_SHARD, words, shard=labels[0], items=labels)


def _stopped(shard: ShardResult) -> Iterable[Finding]:
    if shard.state is ShardState.STARTED:
        why = "died before it could finish its bundle"
    elif shard.stop_reason in _STOPPED:
        why = _STOPPED[shard.stop_reason]
    else:
        return
    running = tuple(case.node_id for case in shard.running)
    doing = f" while it ran {', '.join(running[:3])}" if running else ""
    message = f": {shard.message}" if shard.message else "."
    yield Finding(
        FindingKind.STOPPED_SHARD, f"Shard {shard.label} {why}{doing}{message}", shard=shard.label, items=running
    )


def _files(plan: Plan, shards: Mapping[ShardKey, ShardResult]) -> Iterable[Finding]:
    """Every file that any shard saw must be taken by exactly one, and collected there.

    A file that the plan divides is taken by those that have a piece of it; that its cases then lie on one shard each
    is a matter of the cases.
    """
    for suite in plan.suites:
        mine = [shard for shard in shards.values() if shard.suite == suite.suite and shard.listed]
        takers: dict[str, list[str]] = defaultdict(list)
        for shard in mine:
            for listed in shard.listed:
                takers[listed.file] += [shard.label] if listed.is_mine else []
        divided = suite.divided_files
        yield from _doubled_files({file: labels for file, labels in takers.items() if file not in divided})
        for file in sorted(divided & takers.keys()):
            yield from _wrong_pieces(suite, file, takers[file], is_whole=len(mine) == suite.shard_count)
        # A file can only be called nobody's when every shard has said what it takes.
        if len(mine) == suite.shard_count:
            unclaimed = tuple(sorted(file for file, labels in takers.items() if not labels))
            yield from _named(FindingKind.UNCLAIMED_FILE, unclaimed, "seen by the shards and taken by none")
            unseen = tuple(sorted(suite.files - takers.keys()))
            yield from _named(FindingKind.UNLISTED_FILE, unseen, "in the plan and seen by no shard")
        for shard in mine:
            if shard.stop_reason is StopReason.NONE and shard.state is ShardState.FINISHED:
                never = tuple(listed.file for listed in shard.listed if listed.is_mine and listed.case_count < 0)
                yield from _named(
                    FindingKind.FILE_NEVER_RUN, never, f"taken by shard {shard.label} and never run", shard=shard.label
                )


def _wrong_pieces(suite: SuitePlan, file: str, labels: Sequence[str], *, is_whole: bool) -> Iterable[Finding]:
    """A divided file must be taken by just the shards that have a piece of it."""
    planned = {
        shard_label(suite.suite, shard.index, suite.shard_count) for shard in suite.shards if file in shard.files
    }
    if wrong := sorted(set(labels) - planned):
        words = f"The file {file} was taken by shard {wrong[0]}, which has no piece of it."
        yield Finding(FindingKind.DOUBLED_FILE, words, items=(file,))
    if labels and is_whole and (left := sorted(planned - set(labels))):
        words = f"Shard {left[0]} did not take its piece of the file {file}."
        yield Finding(FindingKind.UNCLAIMED_FILE, words, shard=left[0], items=(file,))


def _doubled_files(takers: Mapping[str, Sequence[str]]) -> Iterable[Finding]:
    for file, labels in sorted(takers.items()):
        if len(labels) > 1:
            words = f"The file {file} was taken by shards {' and '.join(labels)}."
            yield Finding(FindingKind.DOUBLED_FILE, words, items=(file,))


def _named(kind: FindingKind, files: tuple[str, ...], what: str, *, shard: str = "") -> Iterable[Finding]:
    if files:
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        yield Finding(
            kind,
            f"{_files_words(len(files))} {'was' if len(files) == 1 else 'were'} {what}: {shown}.",
            shard=shard,
            items=files,
        )


def case_results(shard: ShardResult) -> tuple[CaseResult, ...]:
    """One shard's cases with their verdicts, in the order they were collected."""
    attempts = _attempts_by_case(shard.attempts)
    cases = dict.fromkeys((*shard.collected, *attempts))
    return tuple(_case_result(case, tuple(attempts.get(case, ())), shard) for case in cases)


def _cases(shards: Mapping[ShardKey, ShardResult]) -> tuple[tuple[CaseResult, ...], list[Finding]]:
    """Every case with its verdict; a collected case without an attempt is missing, one on two shards is doubled."""
    results: dict[CaseId, CaseResult] = {}
    findings: list[Finding] = []
    for _, shard in sorted(shards.items()):
        missing: list[str] = []
        for result in case_results(shard):
            if (other := results.get(result.case)) is not None:
                words = f"The case {result.case} ran on shard {other.shard} and on shard {shard.label}."
                findings.append(
                    Finding(FindingKind.DOUBLED_CASE, words, shard=shard.label, items=(result.case.node_id,))
                )
                continue
            results[result.case] = result
            if result.verdict is Verdict.MISSING:
                missing.append(result.case.node_id)
        if missing:
            words = f"{len(missing)} of {len(shard.collected)} cases of shard {shard.label} have no result."
            findings.append(Finding(FindingKind.MISSING_CASE, words, shard=shard.label, items=tuple(missing)))
    return tuple(results[case] for case in sorted(results)), findings


def _attempts_by_case(attempts: Iterable[Attempt]) -> dict[CaseId, list[Attempt]]:
    by_case: dict[CaseId, list[Attempt]] = {}
    for attempt in attempts:
        by_case.setdefault(attempt.case, []).append(attempt)
    return by_case


def _case_result(case: CaseId, attempts: tuple[Attempt, ...], shard: ShardResult) -> CaseResult:
    note = ""
    if case in shard.running:
        note = "was running when the shard ended"
    elif not attempts:
        note = NEVER_RAN
    # A case whose retry was cut off by the end of the shard has no last attempt.
    verdict = Verdict.MISSING if case in shard.running else verdict_of(attempts)
    return CaseResult(case, attempts, verdict, shard=shard.index, note=note)


def _files_words(count: int) -> str:
    return "1 test file" if count == 1 else f"{count} test files"
