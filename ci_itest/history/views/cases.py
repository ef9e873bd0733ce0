"""Cases: searched by name, the slowest, and those whose time changed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ci_itest.history.queries import COMPLETE
from ci_itest.history.schema import cases, flaky_cases, pace_changes, results, runs
from ci_itest.history.views.parts import TAKEN
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import CaseId

_MOST_ROWS = 20_000
"""Results that the list of the slowest is made of: some 20 ms of work."""

_MOST_CHANGES = 2_000


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case by name.

    Attributes:
        is_suspect: Whether the model suspects it.
    """

    case_id: int
    case: CaseId
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class SlowCase:
    """A case and what it takes on the default branch: the mean of some runs, and the most."""

    case_id: int
    case: CaseId
    seconds: float
    most_seconds: float


@dataclass(frozen=True, slots=True)
class Slowest:
    """The slowest cases.

    Attributes:
        rows: The slowest first.
        run_count: Runs that were looked at.
        total_seconds: Of all cases together, in one run.
    """

    rows: tuple[SlowCase, ...]
    run_count: int
    total_seconds: float


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case that takes another time than it did, faster where `after_seconds` is less.

    Attributes:
        at_us: When the run started that told, microseconds since 1970.
    """

    case_id: int
    case: CaseId
    before_seconds: float
    after_seconds: float
    at_us: int
    run_id: str
    run_attempt: int


def search_cases(
    connection: Connection, repository_id: int, *, text: str, limit: int, after: int = 0
) -> tuple[FoundCase, ...]:
    """Cases whose file or name holds a text, in the order in which they were first seen.

    Args:
        after: Number of the last case that the page before this one showed.
    """
    statement = (
        select(cases.c.id, cases.c.suite, cases.c.file, cases.c.name, flaky_cases.c.case_id)
        .outerjoin(flaky_cases, flaky_cases.c.case_id == cases.c.id)
        .where(cases.c.repository_id == repository_id, cases.c.id > after)
        .order_by(cases.c.id)
        .limit(limit)
    )
    if text:
        whole = cases.c.file + "::" + cases.c.name
        statement = statement.where(func.lower(whole).contains(text.lower(), autoescape=True))
    found = connection.execute(statement)
    return tuple(
        FoundCase(number, CaseId(suite, file, name), bool(flaky)) for number, suite, file, name, flaky in found
    )


def slowest(connection: Connection, repository: Repository, *, limit: int = 50) -> Slowest:
    """The slowest cases of the default branch's last complete runs."""
    last = connection.execute(
        select(runs.c.id, runs.c.passed + runs.c.failed + runs.c.recovered)
        .where(
            runs.c.repository_id == repository.id,
            runs.c.branch == repository.main,
            runs.c.conclusion.in_(COMPLETE),
            runs.c.run_attempt == 1,
            runs.c.is_trusted,
        )
        .order_by(runs.c.started_us.desc())
        .limit(10)
    ).all()
    numbers: list[int] = []
    rows = 0
    for number, count in last:
        rows += count
        if numbers and rows > _MOST_ROWS:
            break
        numbers.append(number)
    mean = func.avg(TAKEN)
    found = connection.execute(
        select(
            results.c.case_id,
            mean.label("mean"),
            func.max(TAKEN).label("most"),
            func.sum(func.sum(TAKEN)).over().label("total"),
        )
        .where(results.c.run_id.in_(numbers))
        .group_by(results.c.case_id)
        .order_by(mean.desc())
        .limit(limit)
    ).all()
    total = float(found[0].total) if found else 0.0
    names = _names(connection, [row.case_id for row in found])
    return Slowest(
        rows=tuple(
            SlowCase(row.case_id, names[row.case_id], float(row.mean) / 1e6, row.most / 1e6)
            for row in found
            if row.case_id in names
        ),
        run_count=len(numbers),
        total_seconds=total / 1e6 / max(len(numbers), 1),
    )


def changed(connection: Connection, repository_id: int, *, since_us: int, limit: int = 100) -> tuple[ChangedCase, ...]:
    """Cases whose time changed since a time, each by its newest change: those that lost most first."""
    found = connection.execute(
        select(
            pace_changes,
            cases.c.suite,
            cases.c.file,
            cases.c.name,
            runs.c.started_us,
            runs.c.ci_run_id,
            runs.c.run_attempt,
        )
        .join(runs, runs.c.id == pace_changes.c.run_id)
        .join(cases, cases.c.id == pace_changes.c.case_id)
        .where(runs.c.repository_id == repository_id, runs.c.started_us >= since_us)
        .order_by(runs.c.started_us.desc())
        .limit(_MOST_CHANGES)
    )
    newest: dict[int, ChangedCase] = {}
    for row in found:
        change = ChangedCase(
            case_id=row.case_id,
            case=CaseId(row.suite, row.file, row.name),
            before_seconds=row.before_seconds,
            after_seconds=row.after_seconds,
            at_us=row.started_us,
            run_id=row.ci_run_id,
            run_attempt=row.run_attempt,
        )
        newest.setdefault(row.case_id, change)
    ordered = sorted(newest.values(), key=lambda change: change.before_seconds - change.after_seconds)
    return tuple(ordered[:limit])


def _names(connection: Connection, case_ids: list[int]) -> dict[int, CaseId]:
    found = connection.execute(
        select(cases.c.id, cases.c.suite, cases.c.file, cases.c.name).where(cases.c.id.in_(case_ids))
    )
    return {number: CaseId(suite, file, name) for number, suite, file, name in found}
