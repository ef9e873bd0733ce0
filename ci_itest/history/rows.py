"""Runs to table rows and back: pure, no SQL."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from ci_itest.errors import HistoryError
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.history import RunSummary, RunTiming, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from ci_itest.model.run import Conclusion, PhaseTime, Run, ShardResult
from ci_itest.model.upload import (
    CAUSE_CODES,
    NO_OUTCOME,
    OUTCOME_CODES,
    VERDICT_CODES,
    CaseRow,
    FailureRow,
    Upload,
    UploadedShard,
)

Row = dict[str, Any]
ShardKey = tuple[str, int, int]
"""Suite, index, and the attempt that ran the shard."""

MAX_TEXT = 64 * 1024
"""Characters kept of a message or of details: its beginning and its end, where a traceback says the most."""

VERDICTS = MappingProxyType({code: verdict for verdict, code in VERDICT_CODES.items()})

_MAX_SECONDS = 1e9
MAX_SMALL = 32_767
MAX_WORDS = 100
"""Findings, notes and events kept of a run, each."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NoTimeError(HistoryError):
    """What should be a time is none."""


def upload_of(run: Run) -> Upload:
    """The run in columns; texts cut to MAX_TEXT, times that are no times as 0."""
    files: dict[tuple[str, str], int] = {}
    places: dict[CaseId, int] = {}
    cases: list[CaseRow] = []
    work: defaultdict[tuple[str, int], float] = defaultdict(float)
    failures: list[FailureRow] = []
    for result in run.cases:
        case = result.case
        file = files.setdefault((storable(case.suite), storable(case.file)), len(files))
        place = places[case] = len(cases)
        cases.append(_case_row(result, file=file))
        work[case.suite, result.shard] += result.seconds
        if cases[place][5]:
            failures += _failure_rows(result, place=place)
    return Upload(
        run_id=storable(run.run_id),
        commit=storable(run.commit),
        started_at=run.started_at,
        run_attempt=run.run_attempt,
        branch=storable(run.branch),
        is_trusted=run.is_trusted,
        conclusion=run.conclusion,
        shard_count=len(run.planned_shards),
        shards=tuple(_uploaded_shard(shard, work=work[shard.suite, shard.index]) for shard in run.shards),
        files=tuple(files),
        cases=tuple(cases),
        failures=tuple(failures),
        causes=tuple(
            (places[said.case], CAUSE_CODES[said.cause], said.probability)
            for said in run.judged.causes
            if said.case in places
        ),
        slowed=tuple(
            (places[slowed.case], slowed.before_seconds, slowed.after_seconds, slowed.runs)
            for slowed in run.judged.slowed
            if slowed.case in places
        ),
        words=tuple(_words(run)),
    )


def _case_row(result: CaseResult, *, file: int) -> CaseRow:
    last = result.last
    return (
        file,
        storable(result.case.name),
        OUTCOME_CODES[last.outcome] if last else NO_OUTCOME,
        VERDICT_CODES[result.verdict],
        min(len(result.attempts), MAX_SMALL),
        min(sum(attempt.outcome.is_bad for attempt in result.attempts), MAX_SMALL),
        to_microseconds(last.setup_seconds) if last else 0,
        to_microseconds(last.call_seconds) if last else 0,
        to_microseconds(last.teardown_seconds) if last else 0,
        min(max(result.shard, 0), MAX_SMALL),
    )


def _failure_rows(result: CaseResult, *, place: int) -> list[FailureRow]:
    """One row for each attempt that failed; numbered here, since a broken report may number two alike."""
    return [
        (place, number, cut(attempt.message), cut(attempt.details))
        for number, attempt in enumerate(result.attempts[:MAX_SMALL], start=1)
        if attempt.outcome.is_bad
    ]


def _uploaded_shard(shard: ShardResult, *, work: float) -> UploadedShard:
    return UploadedShard(
        suite=storable(shard.suite),
        index=shard.index,
        count=shard.count,
        run_attempt=shard.run_attempt,
        planned_seconds=_finite(shard.planned_seconds),
        work_seconds=_finite(work),
        wall_seconds=_finite(shard.seconds),
        phases=(
            *((storable(phase.name), _finite(phase.seconds)) for phase in shard.phases),
            *((f"service:{storable(one.name)}", _finite(one.ready_seconds)) for one in shard.services),
        ),
    )


def _words(run: Run) -> Iterable[tuple[str, str]]:
    yield from (("finding", cut(finding.message)) for finding in run.findings[:MAX_WORDS])
    yield from (("note", cut(note)) for note in run.notes[:MAX_WORDS])
    yield from ((event.cause.value, cut(event.words)) for event in run.judged.events[:MAX_WORDS])


def new_part(upload: Upload, *, recorded: Collection[ShardKey]) -> tuple[list[UploadedShard], list[int]]:
    """The shards that are not recorded yet, and the places of the cases that they and no shard ran."""
    shards = {
        (shard.suite, shard.index): shard
        for shard in upload.shards
        if (shard.suite, shard.index, shard.run_attempt) not in recorded
    }
    taken_over = {(shard.suite, shard.index) for shard in upload.shards} - shards.keys()
    if not taken_over:
        return list(shards.values()), list(range(len(upload.cases)))
    suites = [suite for suite, _ in upload.files]
    places = [place for place, row in enumerate(upload.cases) if (suites[row[0]], row[9]) not in taken_over]
    return list(shards.values()), places


def run_row(upload: Upload, *, repository_id: int, recorded_at: str, is_open: bool = False) -> Row:
    return {
        "repository_id": repository_id,
        "ci_run_id": storable(upload.run_id),
        "run_attempt": upload.run_attempt,
        "commit_sha": storable(upload.commit),
        "branch": storable(upload.branch),
        "started_us": to_epoch(upload.started_at or recorded_at),
        "recorded_us": to_epoch(recorded_at),
        "conclusion": upload.conclusion.value,
        "is_trusted": upload.is_trusted,
        "is_open": is_open,
        "event": storable(upload.event),
        "pull_request": upload.pull_request,
        "actor": storable(upload.actor),
        "details": zlib.compress(json.dumps(upload.words).encode()) if upload.words else None,
        **verdict_counts(row[3] for row in upload.cases),
    }


def verdict_counts(codes: Iterable[int]) -> dict[str, int]:
    """How many cases have which verdict, by the names of the columns."""
    counts = Counter(codes)
    return {verdict.value: counts[code] for verdict, code in VERDICT_CODES.items()}


def shard_rows(shards: Iterable[UploadedShard], *, run_id: int) -> list[Row]:
    return [
        {
            "run_id": run_id,
            "suite": storable(shard.suite),
            "shard_index": shard.index,
            "shard_count": shard.count,
            "run_attempt": shard.run_attempt,
            "planned_seconds": shard.planned_seconds,
            "work_seconds": shard.work_seconds,
            "wall_seconds": shard.wall_seconds,
            "phases": [[storable(name), seconds] for name, seconds in shard.phases],
        }
        for shard in shards
    ]


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


def details_of(data: bytes | None) -> tuple[tuple[str, str], ...]:
    """Kind and words of what `run_row` kept."""
    if data is None:
        return ()
    return tuple((str(kind), str(words)) for kind, words in json.loads(zlib.decompress(data)))


def case_digest(case: CaseId) -> bytes:
    """16 bytes that tell the cases of a repository apart."""
    return digest_of(digest_prefix(case.suite, case.file), case.name)


def digest_prefix(suite: str, file: str) -> bytes:
    """What the digests of a file's cases are made from beside their names."""
    return f"{storable(suite)}\0{storable(file)}\0".encode()


def digest_of(prefix: bytes, name: str) -> bytes:
    return hashlib.blake2b(prefix + storable(name).encode(), digest_size=16).digest()


def storable(text: str) -> str:
    r"""The text as every database takes it: lone surrogates and NUL (which PostgreSQL refuses) as `\udc80`, `\x00`."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def cut(text: str) -> str:
    """The text as it is kept; the middle of one above MAX_TEXT is left out."""
    if len(text) > MAX_TEXT:
        half = MAX_TEXT // 2 - 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return text.encode("utf-8", "replace").decode()


def packed(text: str) -> bytes:
    """The text compressed."""
    return zlib.compress(cut(text).encode())


def unpacked(data: bytes) -> str:
    """What `packed` kept, "" of what was forgotten since; zlib.error when it is damaged."""
    return zlib.decompress(data).decode("utf-8", "replace") if data else ""


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
        raise NoTimeError(f"The history needs a time in ISO 8601, not {time!r}.") from error


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
