"""Which of the runs on one commit decided about it, as far as their list tells."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from types import MappingProxyType

from ci_itest.model.github import Context, WorkflowRun
from ci_itest.model.run import Conclusion

CONCLUSIONS = MappingProxyType(
    {"success": Conclusion.SUCCESS, "failure": Conclusion.FAILURE, "timed_out": Conclusion.FAILURE}
)
"""What GitHub calls the ends of runs that say something about their commit."""


def deciding_run(runs: Iterable[WorkflowRun]) -> WorkflowRun | None:
    """Of the newest runs that ended alike the one that took longest; None without any.

    A run that repeats a verdict ends as the run that it repeats, after seconds. So the longest is the one that ran
    the suite, where any of them did.

    Args:
        runs: With a conclusion of CONCLUSIONS, in any order.
    """
    newest_first = sorted(runs, key=lambda run: (run.started_at, int(run.id)), reverse=True)
    if not newest_first:
        return None
    newest = CONCLUSIONS[newest_first[0].conclusion]
    alike = takewhile(lambda run: CONCLUSIONS[run.conclusion] is newest, newest_first)
    return max(alike, key=lambda run: run.lasted_seconds)


def is_of_workflow(run: WorkflowRun, context: Context) -> bool:
    """Whether a run is one of our own workflow."""
    if context.workflow_path:
        return run.path == context.workflow_path or run.path.endswith(f"/{context.workflow_path}")
    return run.name == context.workflow
