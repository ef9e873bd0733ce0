"""What was said of cases, in columns for pages and lists: causes of failures, changes of pace, who is suspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ci_itest.flaky.standing import flake_rate
from ci_itest.flaky.state import State
from ci_itest.history.schema import causes, flaky_cases, pace_changes, repository_facts
from ci_itest.model.upload import Upload


def keep(connection: Connection, upload: Upload, *, run_id: int, numbers: Mapping[int, int]) -> None:
    """Keep what a run's report said of its failures and of changed times.

    Args:
        numbers: The cases, by place, that are new to the history with this attempt; what is said of others is known.
    """
    said = {
        numbers[place]: {"run_id": run_id, "case_id": numbers[place], "cause": cause, "probability": probability}
        for place, cause, probability in upload.causes
        if place in numbers
    }
    changed = {
        numbers[place]: {
            "run_id": run_id,
            "case_id": numbers[place],
            "before_seconds": before,
            "after_seconds": after,
            "runs": run_count,
        }
        for place, before, after, run_count in upload.slowed
        if place in numbers
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
