"""An upload into the tables: a whole run, or the shards of one as they come; used by `sql.py` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ci_itest.history import judgements, queries, rollups, rows
from ci_itest.history.bulk import found_among, insert_rows
from ci_itest.history.known_cases import KnownCases
from ci_itest.history.schema import failures, repositories, results, runs, shards, uploads
from ci_itest.model.run import Conclusion
from ci_itest.model.upload import Upload, UploadedShard

RESULT_COLUMNS = (
    "run_id",
    "case_id",
    "outcome",
    "verdict",
    "attempts",
    "failed_attempts",
    "setup_us",
    "call_us",
    "teardown_us",
    "shard",
)
_FAILURE_COLUMNS = ("run_id", "case_id", "attempt", "message", "details")


class Taken(Enum):
    """What became of an upload."""

    NEW = "new"
    KNOWN = "known"
    DIFFERENT = "different"


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
    ci_run_id = rows.storable(upload.run_id)
    known = connection.execute(
        queries.run_row(repository_id, ci_run_id=ci_run_id, run_attempt=upload.run_attempt)
    ).first()
    if known is not None and not known.is_open:
        return False
    row = rows.run_row(upload, repository_id=repository_id, recorded_at=recorded_at)
    recorded = connection.execute(queries.recorded_shards(repository_id, ci_run_id=ci_run_id))
    new_shards, places = rows.new_part(upload, recorded={tuple(key) for key in recorded})
    if known is None:
        run_id = connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    else:
        run_id = known.id
        connection.execute(update(runs).where(runs.c.id == run_id).values(row))
    numbers = known_cases.numbers(connection, upload, places, repository_id=repository_id)
    _keep(connection, upload, new_shards, numbers, run_id=run_id, is_new=known is None)
    rollups.add_run(connection, run_id, repository_id=repository_id, started_us=row["started_us"])
    return True


def ingest_part(
    connection: Connection, upload: Upload, *, repository_id: int, recorded_at: str, known_cases: KnownCases
) -> bool:
    """Keep one shard of a run that comes shard by shard; False when the run is whole, or the shard is there.

    With the last planned shard the run is whole, and gets its conclusion.
    """
    ci_run_id = rows.storable(upload.run_id)
    found = queries.run_row(repository_id, ci_run_id=ci_run_id, run_attempt=upload.run_attempt)
    known = connection.execute(found).first()
    if known is not None and not known.is_open:
        return False
    recorded = connection.execute(queries.recorded_shards(repository_id, ci_run_id=ci_run_id))
    new_shards, places = rows.new_part(upload, recorded={tuple(key) for key in recorded})
    if not new_shards:
        return False
    if known is None:
        row = rows.run_row(upload, repository_id=repository_id, recorded_at=recorded_at, is_open=True)
        row["conclusion"] = Conclusion.INCOMPLETE.value
        run_id = connection.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one()
    else:
        run_id = known.id
        counts = rows.verdict_counts(case[3] for case in upload.cases)
        added = {name: runs.c[name] + count for name, count in counts.items()}
        connection.execute(update(runs).where(runs.c.id == run_id).values(added))
    numbers = known_cases.numbers(connection, upload, places, repository_id=repository_id)
    _keep(connection, upload, new_shards, numbers, run_id=run_id, is_new=known is None)
    arrived = connection.scalar(select(func.count()).select_from(shards).where(shards.c.run_id == run_id)) or 0
    if upload.shard_count and arrived >= upload.shard_count:
        close_run(connection, run_id, is_complete=True)
    return True


def close_run(connection: Connection, run_id: int, *, is_complete: bool) -> None:
    """No more shards of a run come: it gets its conclusion, and counts from now on."""
    columns = (runs.c.failed, runs.c.repository_id, runs.c.started_us)
    row = connection.execute(select(*columns).where(runs.c.id == run_id)).one()
    conclusion = Conclusion.INCOMPLETE
    if is_complete:
        conclusion = Conclusion.FAILURE if row.failed else Conclusion.SUCCESS
    closed = {"is_open": False, "conclusion": conclusion.value}
    connection.execute(update(runs).where(runs.c.id == run_id).values(closed))
    rollups.add_run(connection, run_id, repository_id=row.repository_id, started_us=row.started_us)


def take(
    connection: Connection,
    upload: Upload,
    *,
    repository_id: int,
    part: str,
    digest: bytes,
    received_at: str,
    known_cases: KnownCases,
) -> Taken:
    """Keep an upload once, whatever how often and by how many it is sent.

    Args:
        part: "" for a whole run, else suite and index of the shard.
        digest: SHA-256 of the document.
    """
    key = {
        "repository_id": repository_id,
        "ci_run_id": rows.storable(upload.run_id),
        "run_attempt": upload.run_attempt,
        "part": rows.storable(part),
    }
    same = [uploads.c[name] == value for name, value in key.items()]
    known = connection.scalar(select(uploads.c.digest).where(*same))
    if known is not None:
        return Taken.KNOWN if known == digest else Taken.DIFFERENT
    is_new = (ingest_part if part else ingest)(
        connection, upload, repository_id=repository_id, recorded_at=received_at, known_cases=known_cases
    )
    if not is_new:
        return Taken.DIFFERENT
    connection.execute(insert(uploads).values(**key, digest=digest, received_us=rows.to_epoch(received_at)))
    return Taken.NEW


def _keep(
    connection: Connection,
    upload: Upload,
    new_shards: Sequence[UploadedShard],
    numbers: Mapping[int, int],
    *,
    run_id: int,
    is_new: bool,
) -> None:
    shard_rows = rows.shard_rows(new_shards, run_id=run_id)
    if shard_rows:
        connection.execute(insert(shards), shard_rows)
    # In the order of the table's key, which SQLite then only appends to; of two names stored alike the last stands.
    by_number = {number: place for place, number in numbers.items()}
    if not is_new:
        there = select(results.c.case_id).where(results.c.run_id == run_id)
        for (number,) in found_among(connection, there, results.c.case_id, list(by_number)):
            del by_number[number]
    chosen = sorted(by_number.items())
    all_cases = upload.cases
    insert_rows(
        connection,
        results,
        RESULT_COLUMNS,
        [(run_id, number, *all_cases[place][2:]) for number, place in chosen],
    )
    kept = {place: number for number, place in chosen}
    texts = [
        (run_id, kept[place], attempt, rows.packed(message), rows.packed(details))
        for place, attempt, message, details in upload.failures
        if place in kept
    ]
    insert_rows(connection, failures, _FAILURE_COLUMNS, texts)
    judgements.keep(connection, upload, run_id=run_id, numbers=kept)
