"""The slowest tests, and those that became slower."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ci_itest.history.views.cases import changed, slowest
from ci_itest.reporting.wording import duration
from ci_itest.service.pages import words
from ci_itest.service.pages.shell import Visited

router = APIRouter()

_DAYS = 30


@router.get("/slow")
def slow(visit: Visited) -> Response:
    """Where the time goes."""
    with visit.reading() as connection:
        found = slowest(connection, visit.repository, limit=30)
        moved = changed(connection, visit.repository.id, since_us=visit.since(_DAYS))
    rows = found.rows
    total = found.total_seconds or 1.0
    ten = sum(row.seconds for row in rows[:10]) / total
    slower = [case for case in moved if case.after_seconds > case.before_seconds]
    headline = (
        f"The ten slowest tests take {words.percent(min(ten, 1.0))} of all test time"
        if len(rows) > 10
        else "No complete run of the default branch is recorded yet"
        if not rows
        else f"A run's tests take {duration(found.total_seconds)} together"
    )
    return visit.render(
        "slow.html.j2",
        title="Slow tests",
        tab="slow",
        headline=headline,
        slowest=found,
        longest=rows[0].seconds if rows else 1.0,
        slower=slower,
        faster=[case for case in reversed(moved) if case.after_seconds <= case.before_seconds],
        extra_seconds=sum(case.after_seconds - case.before_seconds for case in slower),
        days=_DAYS,
    )
