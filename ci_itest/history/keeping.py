"""The rows of uploads whose runs have numbers: cases, results, failures, shards, all pieces in a statement each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from ci_itest.history import judgements, rows
from ci_itest.history.bulk import found_among, insert_rows
from ci_itest.history.known_cases import KnownCases
from ci_itest.history.schema import failures, results, shards
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


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new of an upload.

    Attributes:
        places: Of the cases that no shard which is there already ran.
    """

    run_id: int
    upload: Upload
    new_shards: Sequence[UploadedShard]
    places: Sequence[int]


def keep(
    connection: Connection,
    pieces: Sequence[Piece],
    *,
    made_here: Collection[int],
    repository_id: int,
    known_cases: KnownCases,
) -> dict[int, list[int]]:
    """Write pieces of runs of one repository; the numbers of the cases that each run got by them, in order.

    Args:
        made_here: Runs that had nothing before this transaction.
    """
    numbers, new_cases = known_cases.numbers(
        connection, [(piece.upload, piece.places) for piece in pieces], repository_id=repository_id
    )
    taken: dict[int, set[int]] = {piece.run_id: set() for piece in pieces}
    asked: dict[int, set[int]] = {}
    for piece, of_piece in zip(pieces, numbers, strict=True):
        if piece.run_id not in made_here:
            asked.setdefault(piece.run_id, set()).update(of_piece.values())
    for run_id, each in asked.items():
        taken[run_id] = _recorded(connection, run_id, each - new_cases)
    added: dict[int, list[int]] = {run_id: [] for run_id in taken}
    kept: list[dict[int, int]] = []
    for piece, of_piece in zip(pieces, numbers, strict=True):
        there = taken[piece.run_id]
        # Of two names stored alike the last of an upload stands.
        by_number = {number: place for place, number in of_piece.items() if number not in there}
        there.update(by_number)
        added[piece.run_id] += by_number
        kept.append({place: number for number, place in by_number.items()})
    _write(connection, pieces, kept)
    return {run_id: sorted(each) for run_id, each in added.items()}


def _recorded(connection: Connection, run_id: int, cases: Collection[int]) -> set[int]:
    """Those of the cases that have a result in the run."""
    there = select(results.c.case_id).where(results.c.run_id == run_id)
    return {number for (number,) in found_among(connection, there, results.c.case_id, sorted(cases))}


def _write(connection: Connection, pieces: Sequence[Piece], kept: Sequence[Mapping[int, int]]) -> None:
    shard_rows = [row for piece in pieces for row in rows.shard_rows(piece.new_shards, run_id=piece.run_id)]
    if shard_rows:
        connection.execute(insert(shards), shard_rows)
    result_rows = [
        (piece.run_id, number, *piece.upload.cases[place][2:])
        for piece, numbers in zip(pieces, kept, strict=True)
        for place, number in numbers.items()
    ]
    # In the order of the table's key, which SQLite then only appends to.
    result_rows.sort()
    insert_rows(connection, results, RESULT_COLUMNS, result_rows)
    texts = [
        (piece.run_id, numbers[place], attempt, rows.packed(message), rows.packed(details))
        for piece, numbers in zip(pieces, kept, strict=True)
        for place, attempt, message, details in piece.upload.failures
        if place in numbers
    ]
    insert_rows(connection, failures, _FAILURE_COLUMNS, texts)
    for piece, numbers in zip(pieces, kept, strict=True):
        judgements.keep(connection, piece.upload, run_id=piece.run_id, numbers=numbers)
