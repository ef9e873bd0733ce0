"""Uploads into the tables: whole runs, or the shards of one as they come; used by `sql.py` and `tenancy.py` alone.

All that came at once goes in together, in one transaction: a statement for 50 shards costs little more than for one,
and they wait once for the disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ci_itest.history import queries, rollups, rows
from ci_itest.history.keeping import Piece, keep
from ci_itest.history.known_cases import KnownCases
from ci_itest.history.schema import repositories, runs, shards, uploads
from ci_itest.model.run import Conclusion
from ci_itest.model.upload import Upload


class Taken(Enum):
    """What became of an upload."""

    NEW = "new"
    KNOWN = "known"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Sent:
    """An upload as it came.

    Attributes:
        part: "" for a whole run, else suite and index of the shard.
        digest: SHA-256 of the document.
        received_at: UTC, ISO 8601.
    """

    upload: Upload
    part: str
    digest: bytes
    received_at: str


def repository_number(connection: Connection, name: str, *, created_us: int = 0) -> int:
    """The repository's number, made when it is new; two recordings for it then wait for each other."""
    found = connection.scalar(queries.repository(name, is_locked=True))
    if found is None:
        with suppress(IntegrityError), connection.begin_nested():  # another recording may have been first
            connection.execute(insert(repositories).values(name=name, created_us=created_us))
        found = connection.execute(queries.repository(name, is_locked=True)).scalar_one()
    return int(found)


def ingest(
    connection: Connection, upload: Upload, *, repository_id: int, recorded_at: str, known_cases: KnownCases
) -> bool:
    """Keep a whole run; False when this attempt of it is there already, whole."""
    batch = _Batch(connection, repository_id)
    is_new = batch.add(upload, part="", at=recorded_at)
    batch.keep(known_cases)
    return is_new


def take(
    connection: Connection, sent: Sequence[Sent], *, repository_id: int, known_cases: KnownCases
) -> tuple[Taken, ...]:
    """Keep uploads of one repository in their order, each once, whatever how often and by how many it is sent."""
    batch = _Batch(connection, repository_id)
    taken = tuple(batch.take(one) for one in sent)
    batch.keep(known_cases)
    return taken


def close_run(connection: Connection, run_id: int) -> None:
    """No more shards of a run come, though some are missing."""
    closed = {"is_open": False, "conclusion": Conclusion.INCOMPLETE.value}
    connection.execute(update(runs).where(runs.c.id == run_id).values(closed))


@dataclass(slots=True)
class _Run:
    """An attempt of a run as the database has it, and what this batch adds.

    Attributes:
        number: None before it has a row.
        failed: Its cases that failed.
        digests: Of what was sent for it, by part.
        added: Verdicts of new cases, by the names of their columns.
        is_made_here: Its row is of this transaction.
        conclusion: Which it gets with its last shard; "" when that did not come in this batch.
    """

    number: int | None
    is_open: bool
    failed: int
    started_us: int
    arrived: int
    digests: dict[str, bytes]
    added: Counter[str] = field(default_factory=Counter)
    is_made_here: bool = False
    conclusion: str = ""


class _Batch:
    """Uploads of one repository on their way into the tables; they are there when `keep` ends."""

    def __init__(self, connection: Connection, repository_id: int) -> None:
        self._connection = connection
        self._repository_id = repository_id
        self._runs: dict[tuple[str, int], _Run] = {}
        self._shards: dict[str, set[rows.ShardKey]] = {}
        self._pieces: list[Piece] = []
        self._received: list[rows.Row] = []

    def take(self, sent: Sent) -> Taken:
        upload, part = sent.upload, rows.storable(sent.part)
        run = self._run(upload)
        known = run.digests.get(part)
        if known is not None:
            return Taken.KNOWN if known == sent.digest else Taken.DIFFERENT
        if not self.add(upload, part=part, at=sent.received_at):
            return Taken.DIFFERENT
        run.digests[part] = sent.digest
        self._received.append(
            {
                "repository_id": self._repository_id,
                "ci_run_id": rows.storable(upload.run_id),
                "run_attempt": upload.run_attempt,
                "part": part,
                "digest": sent.digest,
                "received_us": rows.to_epoch(sent.received_at),
            }
        )
        return Taken.NEW

    def add(self, upload: Upload, *, part: str, at: str) -> bool:
        """Have an upload kept; False when its run is whole already, or all its shards are there."""
        run = self._run(upload)
        if run.number is not None and not run.is_open:
            return False
        recorded = self._shards[rows.storable(upload.run_id)]
        new_shards, places = rows.new_part(upload, recorded=recorded)
        if part and not new_shards:
            return False
        if part:
            self._add_part(run, upload, at=at)
            run.arrived += len(new_shards)
            if upload.shard_count and run.arrived >= upload.shard_count:
                run.is_open = False
                run.conclusion = (Conclusion.FAILURE if run.failed else Conclusion.SUCCESS).value
        else:
            self._add_whole(run, upload, at=at)
        recorded.update((shard.suite, shard.index, shard.run_attempt) for shard in new_shards)
        assert run.number is not None
        self._pieces.append(Piece(run.number, upload, new_shards, places))
        return True

    def keep(self, known_cases: KnownCases) -> None:
        """Write what was taken, and count it in."""
        if not self._pieces:
            return
        made_here = {run.number for run in self._runs.values() if run.is_made_here and run.number is not None}
        kept = keep(
            self._connection,
            self._pieces,
            made_here=made_here,
            repository_id=self._repository_id,
            known_cases=known_cases,
        )
        new_by_day: dict[int, list[int]] = {}
        for run in self._runs.values():
            if run.number not in kept:
                continue
            self._end(run)
            day = run.started_us // rollups.DAY_US
            if run.is_made_here:
                new_by_day.setdefault(day, []).append(run.number)
            else:
                rollups.add_cases(
                    self._connection,
                    run.number,
                    repository_id=self._repository_id,
                    day=day,
                    cases=kept[run.number],
                )
        for day, numbers in new_by_day.items():
            rollups.add_runs(self._connection, numbers, repository_id=self._repository_id, day=day)
        if self._received:
            self._connection.execute(insert(uploads), self._received)

    def _run(self, upload: Upload) -> _Run:
        ci_run_id = rows.storable(upload.run_id)
        key = ci_run_id, upload.run_attempt
        if key not in self._runs:
            self._runs[key] = self._found(ci_run_id, upload.run_attempt)
        return self._runs[key]

    def _found(self, ci_run_id: str, run_attempt: int) -> _Run:
        found = queries.run_row(self._repository_id, ci_run_id=ci_run_id, run_attempt=run_attempt)
        row = self._connection.execute(found).first()
        sent = queries.sent(self._repository_id, ci_run_id=ci_run_id, run_attempt=run_attempt)
        digests = {str(part): bytes(digest) for part, digest in self._connection.execute(sent)}
        if ci_run_id not in self._shards:
            recorded = queries.recorded_shards(self._repository_id, ci_run_id=ci_run_id)
            self._shards[ci_run_id] = {tuple(key) for key in self._connection.execute(recorded)}
        if row is None:
            return _Run(None, True, 0, 0, 0, digests)
        arrived = self._connection.scalar(select(func.count()).select_from(shards).where(shards.c.run_id == row.id))
        return _Run(row.id, row.is_open, row.failed, row.started_us, arrived or 0, digests)

    def _add_part(self, run: _Run, upload: Upload, *, at: str) -> None:
        counts = rows.verdict_counts(case[3] for case in upload.cases)
        if run.number is None:
            row = rows.run_row(upload, repository_id=self._repository_id, recorded_at=at, is_open=True)
            self._make(run, row | {"conclusion": Conclusion.INCOMPLETE.value})
        else:
            run.added.update(counts)
        run.failed += counts["failed"]

    def _add_whole(self, run: _Run, upload: Upload, *, at: str) -> None:
        row = rows.run_row(upload, repository_id=self._repository_id, recorded_at=at)
        if run.number is None:
            self._make(run, row)
        else:
            self._connection.execute(update(runs).where(runs.c.id == run.number).values(row))
            run.added.clear()
        run.started_us = row["started_us"]
        run.is_open = False

    def _make(self, run: _Run, row: rows.Row) -> None:
        run.number = int(self._connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one())
        run.started_us, run.is_made_here = row["started_us"], True

    def _end(self, run: _Run) -> None:
        """Write what has become of a run."""
        changed: rows.Row = {name: runs.c[name] + count for name, count in run.added.items() if count}
        if run.conclusion:
            changed |= {"is_open": False, "conclusion": run.conclusion}
        if changed:
            self._connection.execute(update(runs).where(runs.c.id == run.number).values(changed))
