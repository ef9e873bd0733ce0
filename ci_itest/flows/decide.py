"""Run the suite, bypass it, or repeat an earlier verdict. In doubt, run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ci_itest.bypass import rules
from ci_itest.errors import GitHubError
from ci_itest.model.decision import Decision, DecisionKind
from ci_itest.model.github import (
    PULL_REQUEST_EVENT,
    ChangedFile,
    Context,
    Job,
    PullRequest,
    TimelineEvent,
    WorkflowRun,
)
from ci_itest.model.run import Conclusion
from ci_itest.model.settings import BypassSettings

_MAX_EXAMINED_RUNS = 10
_CONCLUSIONS = {
    "success": Conclusion.SUCCESS,
    "failure": Conclusion.FAILURE,
    "timed_out": Conclusion.FAILURE,
}


class GitHub(Protocol):
    """What is asked of GitHub; every method may raise GitHubError."""

    def pull_request(self, number: int) -> PullRequest: ...

    def timeline(self, number: int) -> tuple[TimelineEvent, ...]: ...

    def permission(self, login: str) -> str: ...

    def changed_files(self, number: int) -> tuple[ChangedFile, ...]: ...

    def runs(self, *, head_sha: str) -> tuple[WorkflowRun, ...]: ...

    def jobs(self, run_id: str) -> tuple[Job, ...]: ...


def decide(context: Context | None, settings: BypassSettings, *, github: GitHub | None) -> Decision:
    """What this run is to do about the suite.

    A pull request with the bypass label goes without, when every rule of `bypass.rules` holds. An event about
    another label repeats the verdict of the head's newest run that ran the suite, unless somebody re-runs it.
    Everything else runs: no pull request, no label, a rule that does not hold, trouble with GitHub.

    Args:
        context: None outside GitHub Actions.
        github: None where there is no token to ask with.
    """
    if context is None:
        return _run("This is no GitHub Actions run.")
    if context.event_name != PULL_REQUEST_EVENT or not context.pull_request:
        return _run(f"The event is {rules.shown(context.event_name) or 'unknown'}, not a pull request's.")
    if github is None:
        return _run("There is no token to ask GitHub with.")
    try:
        return _decide(context, settings, github)
    except GitHubError as error:
        return _run(f"GitHub did not tell what the decision needs: {rules.shown(error.message)}")


def _decide(context: Context, settings: BypassSettings, github: GitHub) -> Decision:
    decision = _bypass_or_run(context, settings, github)
    is_about_another_label = context.label != "" and context.label.casefold() != settings.label.casefold()
    if decision.kind is DecisionKind.BYPASS or not is_about_another_label or context.run_attempt > 1:
        return decision
    return _repeat(context, github) or decision


def _run(reason: str) -> Decision:
    return Decision(DecisionKind.RUN, reason)


def _bypass_or_run(context: Context, settings: BypassSettings, github: GitHub) -> Decision:
    if not settings.label:
        return _run("No bypass label is set.")
    label = rules.shown(settings.label)
    pull = github.pull_request(context.pull_request)
    if not rules.has_label(pull, settings.label):
        return _run(f"The label {label} is not on the pull request.")
    timeline = github.timeline(pull.number)
    event = rules.labelling(timeline, settings.label)
    refusal = rules.head_refusal(pull, head_sha=context.head_sha) or rules.labeller_refusal(event)
    if not refusal and event is not None:
        refusal = _refusal(context, pull, timeline, event, settings, github)
    if refusal or event is None:
        return _run(f"The label {label} does not count: {refusal}.")
    return Decision(
        DecisionKind.BYPASS,
        f"{rules.shown(event.actor)} set the label {label}, and {_files(pull.changed_file_count)} "
        f"{rules.shown(', '.join(settings.paths))}.",
        actor=event.actor,
        label=settings.label,
    )


def _refusal(
    context: Context,
    pull: PullRequest,
    timeline: Sequence[TimelineEvent],
    event: TimelineEvent,
    settings: BypassSettings,
    github: GitHub,
) -> str:
    """Why the label does not count, the cheap questions first; "" when it counts."""
    if refusal := rules.permission_refusal(event, github.permission(event.actor)):
        return refusal
    runs = [run for run in github.runs(head_sha=pull.head_sha) if _is_of_pull_request(run, context)]
    if refusal := rules.age_refusal(event, pushed_at=rules.last_push(pull, timeline, runs)):
        return refusal
    files = github.changed_files(pull.number) if pull.changed_file_count <= rules.MAX_FILES else ()
    return rules.files_refusal(files, settings, expected_count=pull.changed_file_count)


def _files(count: int) -> str:
    return "the one changed file matches" if count == 1 else f"all {count} changed files match"


def _repeat(context: Context, github: GitHub) -> Decision | None:
    """The verdict of the head's newest run that ran the suite; None when there is none."""
    earlier = [run for run in github.runs(head_sha=context.head_sha) if _is_earlier(run, context)]
    newest_first = sorted(earlier, key=lambda run: (run.started_at, int(run.id)), reverse=True)
    for run in newest_first[:_MAX_EXAMINED_RUNS]:
        if _ran_the_suite(github.jobs(run.id)):
            return Decision(
                DecisionKind.REPEAT,
                f"The event is about the label {rules.shown(context.label)}; run {run.id} on the same commit "
                f"ended in {_CONCLUSIONS[run.conclusion].value}.",
                conclusion=_CONCLUSIONS[run.conclusion],
                url=run.url,
            )
    return None


def _is_earlier(run: WorkflowRun, context: Context) -> bool:
    return (
        run.id != context.run_id
        and run.status == "completed"
        and run.conclusion in _CONCLUSIONS
        and run.head_sha == context.head_sha
        and _is_of_workflow(run, context)
        and _is_of_pull_request(run, context)
    )


def _is_of_workflow(run: WorkflowRun, context: Context) -> bool:
    if context.workflow_path:
        return run.path == context.workflow_path or run.path.endswith(f"/{context.workflow_path}")
    return run.name == context.workflow


def _is_of_pull_request(run: WorkflowRun, context: Context) -> bool:
    """One head may be in two pull requests, with two bases; a fork's run does not say which it is of."""
    head = (run.event, run.head_branch, run.head_repository_id)
    if head != (PULL_REQUEST_EVENT, context.branch, context.head_repository_id):
        return False
    return not run.pull_requests or context.pull_request in run.pull_requests


def _ran_the_suite(jobs: Sequence[Job]) -> bool:
    """Whether no job was left out: a run that bypassed or repeated leaves out its shards.

    A workflow with other jobs that are left out counts as one that did not run; the suite is then run once more.
    """
    return bool(jobs) and all(job.conclusion != "skipped" for job in jobs)
