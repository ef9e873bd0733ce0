"""A run into history, when it may be learned from."""

from __future__ import annotations

from collections.abc import Callable

from ci_itest.errors import HistoryError
from ci_itest.flows.judge import main_branch
from ci_itest.history.store import HistoryStore
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.run import Run


def record(
    run: Run,
    *,
    store: HistoryStore | None,
    repository: str,
    recorded_at: str,
    is_main: Callable[[str], bool] | None = None,
) -> str:
    """Record the run and learn from it which cases flake; what was done, in a line for people. Never fails a run.

    Args:
        store: None when the history cannot be used.
        is_main: Whether a branch is the default branch; None: by the usual names.
    """
    if store is None:
        return "The history was not written: it cannot be used (see above)."
    if not run.is_trusted and not store.keeps_all_runs:
        return "The history was not written: it learns from the default branch only."
    if not run.cases:
        return "The history was not written: no case has a result."
    try:
        # Only the default branch says what a case is called.
        if run.judged.renamed and run.is_trusted:
            store.rename(run.judged.renamed, repository=repository, at=recorded_at)
        is_new = store.record(run, repository=repository, recorded_at=recorded_at)
    except HistoryError as error:
        return f"warning: {error.message} This run is not in the history."
    if not is_new:
        return "The history has this run already."
    words = f"Recorded {len(run.cases)} cases in the history."
    try:
        store.learn(repository=repository, is_main=is_main or main_branch(""))
    except HistoryError as error:
        return f"{words} warning: what flakes was not learned: {error.message}"
    return words


def keep_bypass(record: BypassRecord, *, store: HistoryStore | None, repository: str) -> str:
    """Keep that a run went without the suite; what was done, in a line for people. Never fails a run.

    Args:
        store: None when the history cannot be used.
    """
    if store is None:
        return "The bypass was not recorded: the history cannot be used (see above)."
    try:
        is_new = store.record_bypass(record, repository=repository)
    except HistoryError as error:
        return f"warning: {error.message} The bypass is not in the history."
    return "Recorded the bypass in the history." if is_new else "The history has this bypass already."
