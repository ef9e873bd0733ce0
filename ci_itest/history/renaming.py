"""Cases that go on under another name, in the database: their row takes the name, and keeps all its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, select, update

from ci_itest.history import queries, rows
from ci_itest.history.known_cases import void_numbers
from ci_itest.history.rollups import DAY_US
from ci_itest.history.schema import case_days, cases, failures, results, runs
from ci_itest.history.schema import renames as table
from ci_itest.model.cases import CaseId
from ci_itest.model.history import RenamedCase


def rename(connection: Connection, repository_id: int, pairs: Iterable[tuple[CaseId, CaseId]], *, at: str) -> int:
    """Give cases their new names; how many there were. One that is not there, or a name that is taken, is left."""
    last_run = connection.scalar(select(func.max(runs.c.id)).where(runs.c.repository_id == repository_id)) or 0
    known: dict[bytes, int] = dict(connection.execute(queries.case_ids(repository_id)).all())
    count = 0
    for old, new in pairs:
        number = known.get(rows.case_digest(old))
        if number is None or rows.case_digest(new) in known:
            continue
        (row,) = rows.case_rows({rows.case_digest(new): new}, repository_id=repository_id)
        connection.execute(update(cases).where(cases.c.id == number).values(row))
        connection.execute(insert(table).values(_row(old, new, number, repository_id, last_run=last_run, at=at)))
        names = {"suite": rows.storable(old.suite), "file": rows.storable(old.file), "name": rows.storable(old.name)}
        kept = queries.quarantine_entry(repository_id, **names).values(file=row["file"], name=row["name"])
        connection.execute(kept)
        count += 1
    if count:
        void_numbers(connection)
    return count


def _row(
    old: CaseId, new: CaseId, number: int, repository_id: int, *, last_run: int, at: str
) -> dict[str, str | int | None]:
    return {
        "repository_id": repository_id,
        "case_id": number,
        "suite": rows.storable(new.suite),
        "old_file": rows.storable(old.file),
        "old_name": rows.storable(old.name),
        "new_file": rows.storable(new.file),
        "new_name": rows.storable(new.name),
        "last_run_id": last_run,
        "at_us": rows.to_epoch(at),
    }


def renamed(connection: Connection, repository_id: int) -> tuple[RenamedCase, ...]:
    """Who goes on under another name, the newest first."""
    return tuple(
        RenamedCase(CaseId(row.suite, row.old_file, row.old_name), _now(row), rows.to_iso(row.at_us))
        for row in _found(connection, repository_id)
    )


def undo(connection: Connection, repository_id: int, case: CaseId) -> bool:
    """Give the results from before the case's last renaming back to the old name; False where there was none."""
    row = next((row for row in _found(connection, repository_id) if _now(row) == case), None)
    if row is None:
        return False
    old = CaseId(row.suite, row.old_file, row.old_name)
    number = _number(connection, repository_id, old)
    is_before = results.c.run_id <= row.last_run_id
    moved = results.c.case_id == row.case_id
    columns = [column for column in results.c if column is not results.c.case_id]
    copied = select(literal(number), *columns).where(moved, is_before)
    names = [results.c.case_id, *columns]
    connection.execute(insert(results).from_select(names, copied))
    texts = (failures.c.case_id == row.case_id, failures.c.run_id <= row.last_run_id)
    connection.execute(update(failures).where(*texts).values(case_id=number))
    connection.execute(delete(results).where(moved, is_before))
    _move_days(connection, row, number)
    connection.execute(delete(table).where(table.c.id == row.id))
    void_numbers(connection)
    # What the old name was called before is its own affair again.
    connection.execute(update(table).where(table.c.case_id == row.case_id, table.c.id < row.id).values(case_id=number))
    return True


def _move_days(connection: Connection, row: Any, number: int) -> None:
    """Give back the days too, up to that of the last run with the old name: days are not divided."""
    last = connection.scalar(select(runs.c.started_us).where(runs.c.id == row.last_run_id)) or 0
    until = case_days.c.day <= last // DAY_US
    connection.execute(update(case_days).where(case_days.c.case_id == row.case_id, until).values(case_id=number))


def _number(connection: Connection, repository_id: int, case: CaseId) -> int:
    """The number of a case, which is made where there is none."""
    digest = rows.case_digest(case)
    known: dict[bytes, int] = dict(connection.execute(queries.case_ids(repository_id)).all())
    if digest not in known:
        connection.execute(insert(cases), rows.case_rows({digest: case}, repository_id=repository_id))
        known = dict(connection.execute(queries.case_ids(repository_id)).all())
    return int(known[digest])


def _found(connection: Connection, repository_id: int) -> list[Any]:
    found = select(table).where(table.c.repository_id == repository_id).order_by(table.c.id.desc())
    return list(connection.execute(found).all())


def _now(row: Any) -> CaseId:
    return CaseId(row.suite, row.new_file, row.new_name)
