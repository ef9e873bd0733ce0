"""The bypass of the pull request that a push to the default branch merged, found out from GitHub.

The history that the action's cache keeps is written by the default branch's runs alone, so what a pull request's run
decided is not in it. GitHub knows who set which label when, and which runs there were.
"""

from __future__ import annotations

from typing import Protocol

from ci_itest.bypass import rules
from ci_itest.bypass.table import ACTOR_RULE, LABEL_RULE
from ci_itest.flows.earlier_runs import CONCLUSIONS, deciding_run, is_of_workflow
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.github import (
    PULL_REQUEST_EVENT,
    Artifact,
    Context,
    MergedPull,
    TimelineEvent,
    WorkflowRun,
)
from ci_itest.model.run import Conclusion
from ci_itest.model.settings import BypassSettings

PLAN_ARTIFACT = "ci-itest-plan-a"
"""What every run leaves that plans the suite, and none that goes without."""


class GitHub(Protocol):
    """What is asked of GitHub; every method may raise GitHubError."""

    def merged_pulls(self, *, base: str) -> tuple[MergedPull, ...]: ...

    def runs(self, *, head_sha: str) -> tuple[WorkflowRun, ...]: ...

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]: ...

    def timeline(self, number: int) -> tuple[TimelineEvent, ...]: ...


def merged_bypass(context: Context, settings: BypassSettings, *, github: GitHub) -> BypassRecord | None:
    """The bypass behind a pushed commit; None where its pull request ran the suite, or nobody can tell.

    Args:
        context: Of a push to the default branch.
        settings: Those of the commit.
    """
    if not settings.label and not settings.actors:
        return None
    pulls = [pull for pull in github.merged_pulls(base=context.default_branch) if pull.merge_commit == context.sha]
    if len(pulls) != 1:
        return None
    run = deciding_run(run for run in github.runs(head_sha=pulls[0].head_sha) if _is_of(run, pulls[0], context))
    if run is None or CONCLUSIONS[run.conclusion] is not Conclusion.SUCCESS:
        return None
    if any(artifact.name.startswith(PLAN_ARTIFACT) for artifact in github.artifacts(run.id)):
        return None
    return _recorded(pulls[0], run, context, settings, github)


def _is_of(run: WorkflowRun, pull: MergedPull, context: Context) -> bool:
    head = (run.event, run.head_sha, run.head_branch, run.head_repository_id)
    return (
        head == (PULL_REQUEST_EVENT, pull.head_sha, pull.head_branch, pull.head_repository_id)
        and (not run.pull_requests or pull.number in run.pull_requests)
        and run.conclusion in CONCLUSIONS
        and is_of_workflow(run, context)
    )


def _recorded(
    pull: MergedPull, run: WorkflowRun, context: Context, settings: BypassSettings, github: GitHub
) -> BypassRecord | None:
    earlier = [event for event in github.timeline(pull.number) if event.at is not None and event.at <= run.started_at]
    event = rules.labelling(earlier, settings.label)
    if event is not None:
        actor, label, rule = event.actor, settings.label, LABEL_RULE
        reason = f"{rules.shown(actor)} set the label {rules.shown(label)}."
    elif pull.author in settings.actors:
        actor, label, rule = pull.author, "", ACTOR_RULE
        reason = f"{rules.shown(actor)} needs no label."
    else:
        return None
    return BypassRecord(
        run_id=run.id,
        run_attempt=run.attempt,
        pull_request=pull.number,
        commit=pull.head_sha,
        branch=pull.head_branch,
        actor=actor,
        rule=rule,
        label=label,
        reason=reason,
        at=run.started_at.isoformat(),
        merged_as=context.sha,
    )
