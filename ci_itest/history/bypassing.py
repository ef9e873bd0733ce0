"""Bypasses in the database: kept once for each run, read back with the default branch's runs around them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, insert, update

from ci_itest.bypass.audit import audited
from ci_itest.history import queries, rows
from ci_itest.history.schema import bypasses
from ci_itest.model.bypass import AuditedBypass, BypassRecord, MainRun


def keep(connection: Connection, repository_id: int, record: BypassRecord) -> bool:
    """Keep it; False when it was there: then it only learns which commit it became."""
    row = _row(record, repository_id=repository_id)
    known = connection.scalar(queries.bypass(repository_id, row["ci_run_id"], row["run_attempt"]))
    if known is None:
        connection.execute(insert(bypasses).values(row))
        return True
    if record.merged_as:
        merged = {"merged_as": row["merged_as"]}
        connection.execute(update(bypasses).where(bypasses.c.id == known).values(merged))
    return False


def found(
    connection: Connection, repository_id: int, *, limit: int, main: Collection[str]
) -> tuple[AuditedBypass, ...]:
    """The newest bypasses, the newest first, with what came next on the default branch."""
    kept = connection.execute(queries.newest_bypasses(repository_id, limit)).all()
    if not kept:
        return ()
    around = queries.branch_runs(repository_id, branches=main, since_us=min(row.at_us for row in kept))
    by_run: dict[str, MainRun] = {}
    for row in connection.execute(around):
        first = by_run.get(row.ci_run_id)
        started_at = first.started_at if first else rows.to_iso(row.started_us)
        by_run[row.ci_run_id] = MainRun(row.ci_run_id, row.commit_sha, started_at, row.conclusion)
    return audited([_record(row) for row in kept], by_run.values())


def _row(record: BypassRecord, *, repository_id: int) -> rows.Row:
    return {
        "repository_id": repository_id,
        "ci_run_id": rows.storable(record.run_id),
        "run_attempt": record.run_attempt,
        "pull_request": record.pull_request,
        "commit_sha": rows.storable(record.commit),
        "branch": rows.storable(record.branch),
        "actor": rows.storable(record.actor),
        "rule": rows.storable(record.rule),
        "label": rows.storable(record.label),
        "reason": rows.storable(record.reason),
        "at_us": rows.to_epoch(record.at),
        "merged_as": rows.storable(record.merged_as),
    }


def _record(row: Any) -> BypassRecord:
    return BypassRecord(
        run_id=row.ci_run_id,
        run_attempt=row.run_attempt,
        pull_request=row.pull_request,
        commit=row.commit_sha,
        branch=row.branch,
        actor=row.actor,
        rule=row.rule,
        label=row.label,
        reason=row.reason,
        at=rows.to_iso(row.at_us),
        merged_as=row.merged_as,
    )
