"""The flaky board: which cases cost most, in pull requests blocked and CI time lost, and what is being done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from ci_itest.flaky.owners import owner_of
from ci_itest.history.rows import quarantine_entry_of
from ci_itest.history.schema import cases, flaky_cases, quarantine
from ci_itest.history.views.costs import Cost, Pull, Traffic, costs
from ci_itest.history.views.repositories import Repository
from ci_itest.model.cases import CaseId
from ci_itest.model.quarantine import QuarantineEntry

_MOST_CASES = 2_000


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One suspected or flaky case.

    Attributes:
        case_id: Its number.
        owner: Who is to look at it, from the quarantine or CODEOWNERS; "" for nobody.
        main_runs: Runs on the default branch, and `main_failures` how many of them it failed in.
        entry: Its place in quarantine; None outside.
    """

    case_id: int
    case: CaseId
    is_flaky: bool
    probability: float
    rate: float
    rate_low: float
    rate_high: float
    broken_on_main: float
    main_runs: int
    main_failures: int
    cost: Cost
    owner: str = ""
    entry: QuarantineEntry | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """The board.

    Attributes:
        rows: The dearest first.
        quarantined_elsewhere: In quarantine, though the model does not suspect them (any more).
        traffic: What the figures are held against.
        blocked: Pull requests that all of them blocked together, each counted once.
    """

    rows: tuple[BoardRow, ...]
    quarantined_elsewhere: tuple[QuarantineEntry, ...]
    traffic: Traffic
    blocked: int


def board(connection: Connection, repository: Repository, *, since_us: int) -> Board:
    """Every suspected and flaky case with its cost since a time, the dearest first."""
    entries = _entries(connection, repository.id)
    by_number, traffic = costs(connection, repository, since_us=since_us)
    found = connection.execute(_suspects(repository.id)).all()
    by_case = {entry.case: entry for entry in entries}
    rows = [
        _row(row, by_number.get(row.case_id, Cost()), entries=by_case, codeowners=repository.codeowners)
        for row in found
    ]
    rows.sort(key=lambda row: (-row.cost.blocked, -row.cost.seconds, -row.probability, row.case))
    listed = {row.case for row in rows}
    elsewhere = tuple(entry for entry in entries if entry.case not in listed)
    blocked = set[Pull]().union(*(row.cost.pulls for row in rows))
    return Board(tuple(rows), elsewhere, traffic, len(blocked))


def _suspects(repository_id: int) -> Select[Any]:
    return (
        select(flaky_cases, cases.c.suite, cases.c.file, cases.c.name)
        .join(cases, cases.c.id == flaky_cases.c.case_id)
        .where(flaky_cases.c.repository_id == repository_id)
        .order_by(flaky_cases.c.probability.desc())
        .limit(_MOST_CASES)
    )


def _entries(connection: Connection, repository_id: int) -> list[QuarantineEntry]:
    found = connection.execute(
        select(quarantine)
        .where(quarantine.c.repository_id == repository_id, quarantine.c.released_us.is_(None))
        .order_by(quarantine.c.expires_us)
    )
    return [quarantine_entry_of(row) for row in found]


def _row(row: Any, cost: Cost, *, entries: Mapping[CaseId, QuarantineEntry], codeowners: str) -> BoardRow:
    case_ = CaseId(row.suite, row.file, row.name)
    entry = entries.get(case_)
    return BoardRow(
        case_id=row.case_id,
        case=case_,
        is_flaky=bool(row.is_flaky),
        probability=row.probability,
        rate=row.rate,
        rate_low=row.rate_low,
        rate_high=row.rate_high,
        broken_on_main=row.broken_on_main,
        main_runs=row.main_runs,
        main_failures=row.main_failures,
        cost=cost,
        owner=(entry.owner if entry else "") or owner_of(row.file, codeowners),
        entry=entry,
    )
