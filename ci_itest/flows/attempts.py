"""Attempts of one shard to one result: one that ran only what had failed builds on an earlier one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ci_itest.model.cases import COLLECTION_NAME, CaseId
from ci_itest.model.coverage import together
from ci_itest.model.run import Finding, FindingKind, ShardResult

ShardKey = tuple[str, int]


def with_earlier_attempts(
    newest: Mapping[ShardKey, ShardResult], all_of_them: Iterable[ShardResult]
) -> tuple[dict[ShardKey, ShardResult], list[Finding]]:
    """Each shard with the results of the attempts that it builds on; a finding where one of those is not there."""
    by_key: dict[ShardKey, dict[int, ShardResult]] = {}
    for shard in all_of_them:
        by_key.setdefault((shard.suite, shard.index), {})[shard.run_attempt] = shard
    joined: dict[ShardKey, ShardResult] = {}
    findings: list[Finding] = []
    for key, shard in newest.items():
        whole = whole_result(shard, by_key[key])
        if whole is None:
            words = (
                f"Shard {shard.label} ran only what had failed in attempt {shard.rerun_of}, "
                "and that attempt's bundle is not there."
            )
            findings.append(Finding(FindingKind.MISSING_SHARD, words, shard=shard.label))
        joined[key] = whole or shard
    return joined, findings


def whole_result(shard: ShardResult, attempts: Mapping[int, ShardResult]) -> ShardResult | None:
    """The shard with all that it builds on; None when one of those attempts is not there."""
    if not shard.rerun_of:
        return shard
    # An attempt builds on an earlier one only, whatever a bundle says.
    earlier = attempts.get(shard.rerun_of) if shard.rerun_of < shard.run_attempt else None
    below = whole_result(earlier, attempts) if earlier else None
    return _joined(below, shard) if below else None


def _joined(earlier: ShardResult, later: ShardResult) -> ShardResult:
    """One result of two attempts; a case that failed and passes now has recovered."""
    again = {*later.collected, *(attempt.case for attempt in later.attempts)}
    kept = tuple(attempt for attempt in earlier.attempts if not _is_done_with(attempt.case, later))
    numbers = _counts(attempt.case for attempt in kept)
    later_attempts = tuple(
        replace(attempt, number=attempt.number + numbers.get(attempt.case, 0)) for attempt in later.attempts
    )
    collected = tuple(dict.fromkeys((*earlier.collected, *later.collected)))
    running = tuple(case for case in earlier.running if case not in again)
    counts = {listed.file: listed for listed in later.listed}
    return replace(
        later,
        # Of a file whose every case had passed, the later attempt collected none.
        listed=tuple(listed if listed.case_count > 0 else counts.get(listed.file, listed) for listed in earlier.listed)
        or later.listed,
        collected=tuple(case for case in collected if not _is_done_with(case, later)),
        attempts=(*kept, *later_attempts),
        running=(*running, *later.running),
        coverage=together([earlier.coverage, later.coverage]),
    )


def _is_done_with(case: CaseId, later: ShardResult) -> bool:
    """Whether it stands for a file that could not be collected, and was collected in the later attempt."""
    if case.name != COLLECTION_NAME:
        return False
    return any(listed.file == case.file and listed.case_count >= 0 for listed in later.listed)


def _counts(cases: Iterable[CaseId]) -> dict[CaseId, int]:
    counts: dict[CaseId, int] = {}
    for case in cases:
        counts[case] = counts.get(case, 0) + 1
    return counts
