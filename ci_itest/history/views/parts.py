"""Parts of statements that several pages share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Subquery, func, literal_column, select

from ci_itest.history.schema import causes, results, runs, shards
from ci_itest.model.upload import CAUSE_CODES

DAY_US = 86_400_000_000

TAKEN = results.c.setup_us + results.c.call_us + results.c.teardown_us
"""Microseconds of a case's last attempt."""

CAUSES = {code: cause for cause, code in CAUSE_CODES.items()}

HAS_CAUSE = (causes.c.run_id == results.c.run_id) & (causes.c.case_id == results.c.case_id)
"""What joins a result to the cause that the report named."""

# A bound parameter would keep SQLite from seeing that the index of failed results answers.
HAS_FAILED: ColumnElement[bool] = results.c.failed_attempts > literal_column("0")


def run_seconds(repository_id: int, *, since_us: int) -> Subquery:
    """Of each run since a time: `billed` seconds of all its shards, and `wall` seconds of its slowest."""
    return (
        select(
            shards.c.run_id,
            func.sum(shards.c.wall_seconds).label("billed"),
            func.max(shards.c.wall_seconds).label("wall"),
        )
        .join(runs, runs.c.id == shards.c.run_id)
        .where(runs.c.repository_id == repository_id, runs.c.started_us >= since_us)
        .group_by(shards.c.run_id)
        .subquery()
    )


def day_of(epoch_us: ColumnElement[int]) -> ColumnElement[Any]:
    """Days since 1970, UTC."""
    return epoch_us // literal_column(str(DAY_US))
