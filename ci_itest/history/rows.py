"""Runs to table rows and back: pure, no SQL."""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from ci_itest.errors import HistoryError
from ci_itest.history.schema import NO_OUTCOME, OUTCOME_CODES, VERDICT_CODES
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.history import RunSummary, RunTiming, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.model.run import Conclusion, PhaseTime, Run, ShardResult

Row = dict[str, Any]
ShardKey = tuple[str, int, int]
"""Suite, index, and the attempt that ran the shard."""

MAX_TEXT = 64 * 1024
"""Characters kept of a message or of details: its beginning and its end, where a traceback says the most."""

VERDICTS = MappingProxyType({code: verdict for verdict, code in VERDICT_CODES.items()})

_MAX_SECONDS = 1e9
_MAX_SMALL = 32_767
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RunPart:
    """What of a run is new to the history.

    Attributes:
        cases: One result for each case, in the run's order.
    """

    shards: tuple[ShardResult, ...]
    cases: tuple[CaseResult, ...]


def new_part(run: Run, *, recorded: Collection[ShardKey]) -> RunPart:
    """The shards of a run that are not recorded yet, and the cases that they and no shard ran."""
    shards = tuple(shard for shard in run.shards if (shard.suite, shard.index, shard.run_attempt) not in recorded)
    taken_over = {(shard.suite, shard.index) for shard in run.shards} - {(shard.suite, shard.index) for shard in shards}
    cases = {case.case: case for case in run.cases if (case.case.suite, case.shard) not in taken_over}
    return RunPart(shards=shards, cases=tuple(cases.values()))


def run_row(run: Run, *, repository_id: int, recorded_at: str) -> Row:
    return {
        "repository_id": repository_id,
        "ci_run_id": storable(run.run_id),
        "run_attempt": run.run_attempt,
        "commit_sha": storable(run.commit),
        "branch": storable(run.branch),
        "started_us": to_epoch(run.started_at or recorded_at),
        "recorded_us": to_epoch(recorded_at),
        "conclusion": run.conclusion.value,
        "is_trusted": run.is_trusted,
        **{verdict.value: run.count(verdict) for verdict in Verdict},
    }


def shard_rows(part: RunPart, *, run_id: int) -> list[Row]:
    work: defaultdict[tuple[str, int], float] = defaultdict(float)
    for case in part.cases:
        work[case.case.suite, case.shard] += case.seconds
    rows = {
        (shard.suite, shard.index): {
            "run_id": run_id,
            "suite": storable(shard.suite),
            "shard_index": shard.index,
            "shard_count": shard.count,
            "run_attempt": shard.run_attempt,
            "planned_seconds": _finite(shard.planned_seconds),
            "work_seconds": _finite(work[shard.suite, shard.index]),
            "wall_seconds": _finite(shard.seconds),
            "phases": [
                *([storable(phase.name), _finite(phase.seconds)] for phase in shard.phases),
                *([f"service:{storable(one.name)}", _finite(one.ready_seconds)] for one in shard.services),
            ],
        }
        for shard in part.shards
    }
    return list(rows.values())


def case_rows(cases: Mapping[bytes, CaseId], *, repository_id: int) -> list[Row]:
    return [
        {
            "repository_id": repository_id,
            "digest": digest,
            "suite": storable(case.suite),
            "file": storable(case.file),
            "name": storable(case.name),
        }
        for digest, case in cases.items()
    ]


def result_row(case: CaseResult, *, run_id: int, case_id: int) -> Row:
    last = case.last
    return {
        "run_id": run_id,
        "case_id": case_id,
        "outcome": OUTCOME_CODES[last.outcome] if last else NO_OUTCOME,
        "verdict": VERDICT_CODES[case.verdict],
        "attempts": min(len(case.attempts), _MAX_SMALL),
        "failed_attempts": min(sum(attempt.outcome.is_bad for attempt in case.attempts), _MAX_SMALL),
        "setup_us": to_microseconds(last.setup_seconds) if last else 0,
        "call_us": to_microseconds(last.call_seconds) if last else 0,
        "teardown_us": to_microseconds(last.teardown_seconds) if last else 0,
        "shard": min(max(case.shard, 0), _MAX_SMALL),
    }


def failure_rows(case: CaseResult, *, run_id: int, case_id: int) -> list[Row]:
    """One row for each attempt that failed; numbered here, since a broken report may number two alike."""
    return [
        {
            "run_id": run_id,
            "case_id": case_id,
            "attempt": number,
            "message": packed(attempt.message),
            "details": packed(attempt.details),
        }
        for number, attempt in enumerate(case.attempts[:_MAX_SMALL], start=1)
        if attempt.outcome.is_bad
    ]


def case_digest(case: CaseId) -> bytes:
    """16 bytes that tell the cases of a repository apart."""
    text = "\0".join((storable(case.suite), storable(case.file), storable(case.name)))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def storable(text: str) -> str:
    r"""The text as every database takes it: lone surrogates and NUL (which PostgreSQL refuses) as `\udc80`, `\x00`."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def packed(text: str) -> bytes:
    """The text compressed; the middle of one above MAX_TEXT is left out."""
    half = MAX_TEXT // 2
    kept = text if len(text) <= MAX_TEXT else f"{text[:half]}\n…\n{text[-half:]}"
    return zlib.compress(kept.encode("utf-8", "replace"))


def unpacked(data: bytes) -> str:
    """What `packed` kept; zlib.error when it is damaged."""
    return zlib.decompress(data).decode("utf-8", "replace")


def to_microseconds(seconds: float) -> int:
    """Rounded; 0 for what is negative or no number, since reports hold such times."""
    return round(min(seconds, _MAX_SECONDS) * 1e6) if seconds > 0 else 0


def to_epoch(time: str) -> int:
    """Microseconds since 1970 of an ISO 8601 time; UTC where it names no offset.

    Raises:
        HistoryError: It is no time.
    """
    try:
        moment = datetime.fromisoformat(time)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError) as error:
        raise HistoryError(f"The history needs a time in ISO 8601, not {time!r}.") from error


def to_iso(epoch_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=epoch_us)).isoformat()


def add_timings(
    measured: Iterable[tuple[int, int, int, int, int]], *, started_us: int, into: dict[int, list[RunTiming]]
) -> None:
    """Add one run's timings to those of each case, from rows of `queries.measured`."""
    started_at = to_iso(started_us)
    for case_id, setup, call, teardown, shard in measured:
        timing = RunTiming(started_at, setup / 1e6, call / 1e6, teardown / 1e6, shard)
        if timings := into.get(case_id):
            timings.append(timing)
        else:
            into[case_id] = [timing]


def accuracy_of(row: Any, *, ci_run_id: str, started_us: int) -> ShardAccuracy:
    return ShardAccuracy(
        suite=row.suite,
        index=row.shard_index,
        count=row.shard_count,
        planned_seconds=float(row.planned_seconds),
        work_seconds=float(row.work_seconds),
        wall_seconds=float(row.wall_seconds),
        run_id=ci_run_id,
        run_started_at=to_iso(started_us),
        phases=tuple(PhaseTime(name=str(name), seconds=float(seconds)) for name, seconds in row.phases),
    )


def summary_of(row: Any) -> RunSummary:
    return RunSummary(
        run_id=row.ci_run_id,
        run_attempt=row.run_attempt,
        commit=row.commit_sha,
        branch=row.branch,
        started_at=to_iso(row.started_us),
        recorded_at=to_iso(row.recorded_us),
        conclusion=Conclusion(row.conclusion),
        is_trusted=row.is_trusted,
        **{verdict.value: getattr(row, verdict.value) for verdict in Verdict},
    )


def quarantine_row(entry: QuarantineEntry, *, repository_id: int) -> Row:
    return {
        "repository_id": repository_id,
        "suite": storable(entry.case.suite),
        "file": storable(entry.case.file),
        "name": storable(entry.case.name),
        "mode": entry.mode.value,
        "reason": storable(entry.reason),
        "evidence": storable(entry.evidence),
        "owner": storable(entry.owner),
        "issue_url": storable(entry.issue_url),
        "added_by": storable(entry.added_by),
        "added_us": to_epoch(entry.added_at),
        "expires_us": to_epoch(entry.expires_at),
        "renewals": entry.renewals,
        "released_us": None,
        "released_because": "",
    }


def quarantine_entry_of(row: Any) -> QuarantineEntry:
    return QuarantineEntry(
        case=CaseId(row.suite, row.file, row.name),
        reason=row.reason,
        added_at=to_iso(row.added_us),
        expires_at=to_iso(row.expires_us),
        mode=QuarantineMode(row.mode),
        evidence=row.evidence,
        owner=row.owner,
        issue_url=row.issue_url,
        added_by=row.added_by,
        renewals=row.renewals,
    )


def _finite(seconds: float) -> float:
    return to_microseconds(seconds) / 1e6
