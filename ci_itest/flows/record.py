"""A run into history, when it may be learned from."""

from __future__ import annotations

from ci_itest.errors import HistoryError
from ci_itest.history.store import HistoryStore
from ci_itest.model.run import Run


def record(run: Run, *, store: HistoryStore | None, repository: str, recorded_at: str) -> str:
    """Record the run; what was done about it, in a line for people. Never fails a run.

    Args:
        store: None when the history cannot be used.
    """
    if store is None:
        return "The history was not written: it cannot be used (see above)."
    if not run.is_trusted:
        return "The history was not written: it learns from the default branch only."
    if not run.cases:
        return "The history was not written: no case has a result."
    try:
        is_new = store.record(run, repository=repository, recorded_at=recorded_at)
    except HistoryError as error:
        return f"warning: {error.message} This run is not in the history."
    return f"Recorded {len(run.cases)} cases in the history." if is_new else "The history has this run already."
