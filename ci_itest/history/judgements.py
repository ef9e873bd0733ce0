"""What was said of cases, in columns for pages and lists: causes of failures, changes of pace, who is suspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ci_itest.flaky.standing import flake_rate
from ci_itest.flaky.state import State
from ci_itest.history.schema import CAUSE_CODES, causes, flaky_cases, pace_changes, repository_facts
from ci_itest.model.cases import CaseId
from ci_itest.model.judged import Judged


def keep(connection: Connection, judged: Judged, *, run_id: int, case_ids: Mapping[CaseId, int]) -> None:
    """Keep what a run's report said of its failures and of changed times.

    Args:
        case_ids: The cases that are new to the history with this attempt; what is said of others is known already.
    """
    said = {
        case_ids[cause.case]: {
            "run_id": run_id,
            "case_id": case_ids[cause.case],
            "cause": CAUSE_CODES[cause.cause],
            "probability": cause.probability,
        }
        for cause in judged.causes
        if cause.case in case_ids
    }
    changed = {
        case_ids[slowed.case]: {
            "run_id": run_id,
            "case_id": case_ids[slowed.case],
            "before_seconds": slowed.before_seconds,
            "after_seconds": slowed.after_seconds,
            "runs": slowed.runs,
        }
        for slowed in judged.slowed
        if slowed.case in case_ids
    }
    for table, rows in ((causes, said), (pace_changes, changed)):
        if rows:
            connection.execute(insert(table), list(rows.values()))


def keep_standing(connection: Connection, state: State, *, repository_id: int) -> None:
    """Put what the model says of the cases that it suspects in the place of what was there."""
    forget_standing(connection, repository_id=repository_id)
    rows = [_standing(state, case, repository_id=repository_id) for case in state.memory.suspects()]
    if rows:
        connection.execute(insert(flaky_cases), rows)
    if state.memory.main:
        set_fact(connection, repository_id, default_branch=state.memory.main)


def _standing(state: State, case: int, *, repository_id: int) -> dict[str, Any]:
    memory = state.memory
    rate = flake_rate(memory.weights[case])
    runs, failures = state.tallies.get(case, (0, 0))
    return {
        "case_id": case,
        "repository_id": repository_id,
        "is_flaky": memory.is_flaky(case),
        "probability": memory.score(case),
        "rate": rate.mean,
        "rate_low": rate.low,
        "rate_high": rate.high,
        "broken_on_main": memory.broken_on_main(case),
        "main_runs": runs,
        "main_failures": failures,
    }


def forget_standing(connection: Connection, *, repository_id: int) -> None:
    connection.execute(delete(flaky_cases).where(flaky_cases.c.repository_id == repository_id))


def set_fact(connection: Connection, repository_id: int, **facts: str) -> None:
    """Note the `default_branch` or the text of `codeowners` of a repository."""
    here = repository_facts.c.repository_id == repository_id
    if connection.scalar(select(repository_facts.c.repository_id).where(here)) is None:
        connection.execute(insert(repository_facts).values(repository_id=repository_id, **facts))
    else:
        connection.execute(update(repository_facts).where(here).values(**facts))
