"""An upload into the tables: a whole run, or the shards of one as they come; used by `sql.py` alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ci_itest.history import judgements, queries, rollups, rows
from ci_itest.history.bulk import found_among, insert_rows
from ci_itest.history.schema import cases, failures, repositories, results, runs, shards, uploads
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
_CASE_COLUMNS = ("repository_id", "digest", "suite", "file", "name")


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


def ingest(connection: Connection, upload: Upload, *, repository_id: int, recorded_at: str) -> bool:
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
    _keep(connection, upload, new_shards, places, run_id=run_id, repository_id=repository_id, is_new=known is None)
    rollups.add_run(connection, run_id)
    return True


def ingest_part(connection: Connection, upload: Upload, *, repository_id: int, recorded_at: str) -> bool:
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
    _keep(connection, upload, new_shards, places, run_id=run_id, repository_id=repository_id, is_new=known is None)
    arrived = connection.scalar(select(func.count()).select_from(shards).where(shards.c.run_id == run_id)) or 0
    if upload.shard_count and arrived >= upload.shard_count:
        close_run(connection, run_id, is_complete=True)
    return True


def close_run(connection: Connection, run_id: int, *, is_complete: bool) -> None:
    """No more shards of a run come: it gets its conclusion, and counts from now on."""
    row = connection.execute(select(runs.c.failed, runs.c.passed).where(runs.c.id == run_id)).one()
    conclusion = Conclusion.INCOMPLETE
    if is_complete:
        conclusion = Conclusion.FAILURE if row.failed else Conclusion.SUCCESS
    closed = {"is_open": False, "conclusion": conclusion.value}
    connection.execute(update(runs).where(runs.c.id == run_id).values(closed))
    rollups.add_run(connection, run_id)


def take(
    connection: Connection,
    upload: Upload,
    *,
    repository_id: int,
    part: str,
    digest: bytes,
    received_at: str,
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
    is_new = (ingest_part if part else ingest)(connection, upload, repository_id=repository_id, recorded_at=received_at)
    if not is_new:
        return Taken.DIFFERENT
    connection.execute(insert(uploads).values(**key, digest=digest, received_us=rows.to_epoch(received_at)))
    return Taken.NEW


def _keep(
    connection: Connection,
    upload: Upload,
    new_shards: Sequence[UploadedShard],
    places: Sequence[int],
    *,
    run_id: int,
    repository_id: int,
    is_new: bool,
) -> None:
    shard_rows = rows.shard_rows(new_shards, run_id=run_id)
    if shard_rows:
        connection.execute(insert(shards), shard_rows)
    numbers = number_cases(connection, upload, places, repository_id=repository_id)
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


def number_cases(
    connection: Connection, upload: Upload, places: Iterable[int], *, repository_id: int
) -> dict[int, int]:
    """The number of each case by its place; new ones are made."""
    prefixes = [rows.digest_prefix(suite, file) for suite, file in upload.files]
    digests = {place: rows.digest_of(prefixes[row[0]], row[1]) for place in places for row in (upload.cases[place],)}
    known = case_numbers(connection, digests.values(), repository_id=repository_id)
    new = {digest: place for place, digest in digests.items() if digest not in known}
    if new:
        added = [
            (repository_id, digest, *(rows.storable(text) for text in _names(upload, place)))
            for digest, place in new.items()
        ]
        insert_rows(connection, cases, _CASE_COLUMNS, added)
        known |= case_numbers(connection, new, repository_id=repository_id)
    return {place: known[digest] for place, digest in digests.items()}


def case_numbers(connection: Connection, digests: Iterable[bytes], *, repository_id: int) -> dict[bytes, int]:
    """The numbers of the cases that are there."""
    query = queries.case_ids(repository_id)
    return {bytes(digest): number for digest, number in found_among(connection, query, cases.c.digest, digests)}


def _names(upload: Upload, place: int) -> tuple[str, str, str]:
    case = upload.case(place)
    return case.suite, case.file, case.name
