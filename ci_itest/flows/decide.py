"""Run the suite, bypass it, or repeat an earlier verdict. In doubt, run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Protocol

from ci_itest.bypass import rules
from ci_itest.bypass.table import ACTOR_RULE, ACTOR_RULES, LABEL_RULE, LABEL_RULES, first_refusal
from ci_itest.errors import GitHubError
from ci_itest.flows.earlier_runs import CONCLUSIONS, deciding_run, is_of_workflow
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
from ci_itest.model.settings import BypassSettings


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

    A pull request with the bypass label, or of a listed bot, goes without when every rule of `bypass.table` holds. An
    event about another label repeats the verdict of the head's newest run that ran the suite, unless somebody re-runs
    it.
    Everything else runs: no pull request, no label, a rule that does not hold, trouble with GitHub.

    Args:
        context: None outside GitHub Actions.
        settings: The base commit's, see `base_settings`.
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
        reason = f"GitHub did not tell what the decision needs: {rules.shown(error.message)}"
        return Decision(DecisionKind.RUN, reason, label=settings.label)


def explain(context: Context | None, settings: BypassSettings, *, github: GitHub | None) -> Iterator[str]:
    """Every rule of the bypass with what it says of this event, a line each; a rule that cannot be asked says why."""
    if context is None or context.event_name != PULL_REQUEST_EVENT or not context.pull_request or github is None:
        yield "Only a pull request's run with a token can go without the suite; nothing else is looked at."
        return
    facts = _Facts(context, github)
    for title, table, applies in (
        (f"With the label {rules.shown(settings.label) or '(none is set)'}:", LABEL_RULES, settings.label != ""),
        ("Without a label:", ACTOR_RULES, context.author in settings.actors),
    ):
        yield title
        if table is LABEL_RULES and applies:
            yield _asked(lambda: _label_refusal(facts, settings), "the label is on the pull request")
        if table is ACTOR_RULES:
            listed = f"{rules.shown(context.author) or 'who opened it'} is not among the actors"
            yield _line("its author is one of actors", "" if applies else listed)
        for rule in table if applies else ():
            yield _asked(lambda rule=rule: rule.refusal(facts, settings), rule.words)  # type: ignore[misc]


def _asked(refusal: Callable[[], str], words: str) -> str:
    try:
        return _line(words, refusal())
    except GitHubError as error:
        return f"  ?   {words}: GitHub did not tell: {rules.shown(error.message)}"


def _line(words: str, refusal: str) -> str:
    return f"  no  {words}: {refusal}" if refusal else f"  yes {words}"


def _label_refusal(facts: _Facts, settings: BypassSettings) -> str:
    return "" if rules.has_label(facts.pull, settings.label) else "it is not"


class _Facts:
    """What GitHub says, asked once each."""

    def __init__(self, context: Context, github: GitHub) -> None:
        self._context = context
        self._github = github
        self.head_sha = context.head_sha
        self.author = context.author

    @cached_property
    def pull(self) -> PullRequest:
        return self._github.pull_request(self._context.pull_request)

    @cached_property
    def timeline(self) -> Sequence[TimelineEvent]:
        return self._github.timeline(self._context.pull_request)

    @cached_property
    def runs(self) -> Sequence[WorkflowRun]:
        known = self._github.runs(head_sha=self._context.head_sha)
        return [run for run in known if _is_of_pull_request(run, self._context)]

    @cached_property
    def files(self) -> Sequence[ChangedFile]:
        return self._github.changed_files(self._context.pull_request)

    def permission(self, login: str) -> str:
        return self._github.permission(login)


def _decide(context: Context, settings: BypassSettings, github: GitHub) -> Decision:
    decision = _bypass_or_run(context, settings, github)
    if decision.kind is DecisionKind.BYPASS or not _is_about_another_label(context, settings):
        return decision
    return _repeat(context, github) or decision


def _is_about_another_label(context: Context, settings: BypassSettings) -> bool:
    """Not when somebody runs it again: then the suite is wanted."""
    return context.label != "" and context.label.casefold() != settings.label.casefold() and context.run_attempt == 1


def _run(reason: str) -> Decision:
    return Decision(DecisionKind.RUN, reason)


def _bypass_or_run(context: Context, settings: BypassSettings, github: GitHub) -> Decision:
    facts = _Facts(context, github)
    labelled = _by_label(context, settings, facts)
    if labelled.kind is DecisionKind.BYPASS or context.author not in settings.actors:
        return labelled
    return _by_actor(context, settings, facts)


def _by_label(context: Context, settings: BypassSettings, facts: _Facts) -> Decision:
    if not settings.label:
        return _run("No bypass label is set.")
    label = rules.shown(settings.label)
    absent = _run(f"The label {label} is not on the pull request.")
    # The event of another label is seconds old and lists them all: one question less for the commonest of events.
    if _is_about_another_label(context, settings) and not rules.is_among(settings.label, context.labels):
        return absent
    if not rules.has_label(facts.pull, settings.label):
        return absent
    if refusal := first_refusal(LABEL_RULES, facts, settings):
        return Decision(DecisionKind.RUN, f"The label {label} does not count: {refusal}.", label=settings.label)
    event = rules.labelling(facts.timeline, settings.label)
    actor = event.actor if event else ""
    return Decision(
        DecisionKind.BYPASS,
        f"{rules.shown(actor)} set the label {label}, and {_files(facts.pull.changed_file_count)} "
        f"{rules.shown(', '.join(settings.paths))}.",
        actor=actor,
        label=settings.label,
        rule=LABEL_RULE,
    )


def _by_actor(context: Context, settings: BypassSettings, facts: _Facts) -> Decision:
    actor = rules.shown(context.author)
    if refusal := first_refusal(ACTOR_RULES, facts, settings):
        return _run(f"The pull request of {actor} needs the suite: {refusal}.")
    return Decision(
        DecisionKind.BYPASS,
        f"{actor} needs no label, and {_files(facts.pull.changed_file_count)} "
        f"{rules.shown(', '.join(settings.dependency_paths))}.",
        actor=context.author,
        rule=ACTOR_RULE,
    )


def _files(count: int) -> str:
    return "the one changed file matches" if count == 1 else f"all {count} changed files match"


def _repeat(context: Context, github: GitHub) -> Decision | None:
    """The verdict of the head's newest run that ran the suite; None when there is none to be sure of.

    No run but one is asked for its jobs, however many labels were set since.
    """
    earlier = [run for run in github.runs(head_sha=context.head_sha) if _is_earlier(run, context)]
    run = deciding_run(earlier)
    if run is None or not _ran_the_suite(github.jobs(run.id)):
        return None
    conclusion = CONCLUSIONS[run.conclusion]
    return Decision(
        DecisionKind.REPEAT,
        f"The event is about the label {rules.shown(context.label)}; run {run.id} on the same commit "
        f"ended in {conclusion.value}.",
        conclusion=conclusion,
        url=run.url,
    )


def _is_earlier(run: WorkflowRun, context: Context) -> bool:
    return (
        run.id != context.run_id
        and run.status == "completed"
        and run.conclusion in CONCLUSIONS
        and run.head_sha == context.head_sha
        and is_of_workflow(run, context)
        and _is_of_pull_request(run, context)
    )


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
