"""The recorded run of the base branch that a run is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.errors import HistoryError
from ci_itest.history.store import HistoryStore
from ci_itest.model.github import Context
from ci_itest.model.history import PastRun
from ci_itest.model.table import CaseTable
from ci_itest.reporting.comparison import Base


@dataclass(frozen=True, slots=True)
class BaseRun:
    """What a run is compared with.

    Attributes:
        base: None where there is nothing to compare with.
        why_none: The reason in a sentence for people, "" with a base.
    """

    base: Base | None
    why_none: str = ""


def base_branch(context: Context | None) -> str:
    """The branch whose last run is the base: where the change goes, else the default branch; "" for unknown."""
    return (context.base_ref.removeprefix("refs/heads/") or context.default_branch) if context is not None else ""


def base_run(store: HistoryStore | None, *, repository: str, branch: str, run_id: str) -> BaseRun:
    """The newest recorded run of the base branch, a complete one where there is any.

    Args:
        store: None when the history cannot be used.
        branch: "" where nobody knows the base branch.
        run_id: Of the run itself, which is not its own base.
    """
    if not branch:
        return BaseRun(None, "Nothing was compared with the base branch: its name is not known here.")
    if store is None:
        return BaseRun(None, f"Nothing was compared with {branch}: the history cannot be used.")
    try:
        past = store.newest_run(repository=repository, branch=branch, without=run_id)
    except HistoryError as error:
        return BaseRun(None, f"Nothing was compared with {branch}: {error.message}")
    if past is None:
        return BaseRun(None, f"Nothing was compared with {branch}: the history has no run of it.")
    return BaseRun(base_of(past))


def base_of(past: PastRun) -> Base:
    """A recorded run as a base."""
    table = CaseTable.of_rows(past.cases)
    return Base(table, past.commit, past.started_at, is_complete=past.is_complete)
