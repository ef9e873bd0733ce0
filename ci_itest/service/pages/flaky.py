"""The flaky board: which tests cost most, who owns them, what is being done."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Response

from ci_itest.history.rows import to_epoch
from ci_itest.history.views import board as boards
from ci_itest.history.views.board import Board, BoardRow
from ci_itest.service.pages import words
from ci_itest.service.pages.pictures import Strip, heat, strip
from ci_itest.service.pages.shell import HEADERS, Visited

router = APIRouter()

PERIODS = (7, 30, 90)
_SHOWN = 25
_CHANGES = 8
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Filters:
    """What of the board is asked for.

    Attributes:
        owner: One owner, `nobody` for those without; "" for all.
        state: `open` for those nothing is done about, `quarantined`; "" for both.
        text: What file and name hold.
        page: Counted from 1.
    """

    days: int = 30
    owner: str = ""
    state: str = ""
    text: str = ""
    page: int = 1

    def takes(self, row: BoardRow) -> bool:
        owners = row.owner.split() or [_NOBODY]
        return (
            (not self.owner or self.owner in owners)
            and (not self.state or (self.state == "quarantined") == (row.entry is not None))
            and self.text.lower() in str(row.case).lower()
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table.

    Attributes:
        place: In the whole board, from 1.
        share: Of the CI time that all of them cost, 0 to 1.
        until_us: End of its quarantine, 0 outside.
    """

    place: int
    row: BoardRow
    strip: Strip
    share: float
    until_us: int


@dataclass(frozen=True, slots=True)
class Sums:
    """The figures above the table.

    Attributes:
        blocked: Pull requests (branches) that these tests blocked, each counted once.
        pulls: Pull requests (branches) that had a run at all.
        top: How many of the dearest tests cause `top_share` of the lost time.
        lost_share: Lost time against all CI time.
    """

    blocked: int
    pulls: int
    seconds: float
    top: int
    top_share: float
    lost_share: float
    quarantined: int
    idle: int
    unowned: int
    muted: int


@router.get("/flaky")
def flaky(visit: Visited, days: int = 30, owner: str = "", state: str = "", q: str = "", page: int = 1) -> Response:
    """The board."""
    filters = _filters(days, owner, state, q, page)
    since_us = visit.since(filters.days)
    with visit.reading() as connection:
        found = boards.board(connection, visit.repository, since_us=since_us)
    taken = [(place, row) for place, row in enumerate(found.rows, start=1) if filters.takes(row)]
    shown = taken[(filters.page - 1) * _SHOWN : filters.page * _SHOWN]
    sums = _sums(found)
    return visit.render(
        "flaky.html.j2",
        title="Flaky tests",
        tab="flaky",
        filters=filters,
        sums=sums,
        headline=_headline(found.rows, sums, days=filters.days),
        lines=_lines(shown, sums, days=_days(since_us, visit.now_us)),
        taken_count=len(taken),
        suspect_count=len(found.rows),
        has_more=len(taken) > filters.page * _SHOWN,
        owners=_owners(found.rows),
        elsewhere=[(entry, to_epoch(entry.expires_at)) for entry in found.quarantined_elsewhere],
        run_count=found.traffic.runs,
        changes=[
            (entry, to_epoch(entry.at))
            for entry in visit.service.store.audit_page(visit.tenant, before=0, limit=_CHANGES)
        ],
        periods=PERIODS,
    )


@router.get("/flaky.csv")
def flaky_csv(visit: Visited, days: int = 30, owner: str = "", state: str = "", q: str = "") -> Response:
    """The whole board as a table for other programs."""
    filters = _filters(days, owner, state, q, 1)
    with visit.reading() as connection:
        found = boards.board(connection, visit.repository, since_us=visit.since(filters.days))
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(_CSV_HEAD)
    table.writerows(_csv_row(row) for row in found.rows if filters.takes(row))
    name = visit.repository.name.encode("ascii", "replace").decode().replace("/", "-").replace('"', "")
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="flaky-{name}.csv"'}
    return Response(file.getvalue().encode("utf-8", "replace"), media_type="text/csv; charset=utf-8", headers=headers)


_CSV_HEAD = (
    "suite",
    "file",
    "name",
    "status",
    "probability",
    "rate",
    "pull_requests_blocked",
    "runs_failed",
    "runs_recovered",
    "ci_seconds_lost",
    "owner",
    "quarantined_until",
    "issue",
)


def _csv_row(row: BoardRow) -> list[str]:
    entry = row.entry
    cells = (
        row.case.suite,
        row.case.file,
        row.case.name,
        "flaky" if row.is_flaky else "suspect",
        f"{row.probability:.4f}",
        f"{row.rate:.5f}",
        str(row.cost.blocked),
        str(row.cost.failed),
        str(row.cost.recovered),
        f"{row.cost.seconds:.1f}",
        row.owner,
        entry.expires_at if entry else "",
        entry.issue_url if entry else "",
    )
    # A spreadsheet would take these for formulas.
    return [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells]


def _filters(days: int, owner: str, state: str, text: str, page: int) -> Filters:
    return Filters(
        days=days if days in PERIODS else 30,
        owner=owner[:200],
        state=state if state in ("open", "quarantined") else "",
        text=text[:200],
        page=min(max(page, 1), 1000),
    )


def _days(since_us: int, now_us: int) -> range:
    """Days since 1970 that a strip shows."""
    return range(since_us // words.DAY_US + 1, now_us // words.DAY_US + 1)


def _lines(shown: Iterable[tuple[int, BoardRow]], sums: Sums, *, days: range) -> list[Line]:
    shown = list(shown)
    most = max((row.cost.days.get(day, 0) for _, row in shown for day in days), default=0)
    # Written once for all rows: each day stands in every one of them.
    names = [words.day(day * words.DAY_US) for day in days]
    return [
        Line(
            place=place,
            row=row,
            strip=_strip([row.cost.days.get(day, 0) for day in days], names, most=most),
            share=row.cost.seconds / sums.seconds if sums.seconds else 0.0,
            until_us=to_epoch(row.entry.expires_at) if row.entry else 0,
        )
        for place, row in shown
    ]


def _strip(counts: Sequence[int], names: Sequence[str], *, most: int) -> Strip:
    fields = [
        (heat(failed, most=most), f"{name}: {failed or 'no'} {'run' if failed == 1 else 'runs'} failed", "")
        for failed, name in zip(counts, names, strict=True)
    ]
    label = f"It failed at least once on {sum(map(bool, counts))} of the last {len(counts)} days."
    return strip(fields, label=label, step=5.0 if len(counts) > 40 else 7.0)


def _sums(board: Board) -> Sums:
    rows, billed_seconds = board.rows, board.traffic.billed_seconds
    seconds = sum(row.cost.seconds for row in rows)
    top = min(3, len(rows))
    dearest = sorted((row.cost.seconds for row in rows), reverse=True)[:top]
    return Sums(
        blocked=board.blocked,
        pulls=board.traffic.pulls,
        seconds=seconds,
        top=top,
        top_share=sum(dearest) / seconds if seconds else 0.0,
        lost_share=seconds / billed_seconds if billed_seconds else 0.0,
        quarantined=sum(row.entry is not None for row in rows),
        idle=sum(row.entry is None and row.is_flaky for row in rows),
        unowned=sum(not row.owner for row in rows),
        muted=sum(row.cost.muted for row in rows),
    )


def _headline(rows: Sequence[BoardRow], sums: Sums, *, days: int) -> str:
    if not rows:
        return "No test is suspected of failing by itself"
    tests = "1 test fails by itself" if len(rows) == 1 else f"{len(rows):,} tests fail by themselves"
    if sums.blocked:
        pulls = "1 pull request" if sums.blocked == 1 else f"{sums.blocked:,} pull requests"
        return f"{tests} and blocked {pulls} in {days} days"
    return f"{tests}; none blocked a pull request in {days} days"


def _owners(rows: Iterable[BoardRow]) -> list[str]:
    found = sorted({owner for row in rows for owner in row.owner.split()})
    return [*found, _NOBODY] if any(not row.owner for row in rows) else found
