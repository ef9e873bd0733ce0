"""The decision table of the bypass: which rules there are, in which order, over facts that are asked for one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ci_itest.bypass import rules
from ci_itest.model.github import ChangedFile, PullRequest, TimelineEvent, WorkflowRun
from ci_itest.model.settings import BypassSettings


class Facts(Protocol):
    """What the rules look at; each may cost a question to GitHub, and is asked for once."""

    @property
    def head_sha(self) -> str:
        """What this run is about."""
        ...

    @property
    def author(self) -> str:
        """Who opened the pull request."""
        ...

    @property
    def pull(self) -> PullRequest: ...

    @property
    def timeline(self) -> Sequence[TimelineEvent]: ...

    @property
    def runs(self) -> Sequence[WorkflowRun]:
        """Those of this pull request on its head."""
        ...

    @property
    def files(self) -> Sequence[ChangedFile]: ...

    def permission(self, login: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Attributes:
        words: What must hold.
        refusal: "" when it holds, else why not.
    """

    words: str
    refusal: Callable[[Facts, BypassSettings], str]


def _labelling(facts: Facts, settings: BypassSettings) -> TimelineEvent | None:
    return rules.labelling(facts.timeline, settings.label)


def _permission(facts: Facts, settings: BypassSettings) -> str:
    event = _labelling(facts, settings)
    if event is None or not event.actor:
        return "nobody can be named who set it"
    return rules.permission_refusal(event, facts.permission(event.actor))


def _age(facts: Facts, settings: BypassSettings) -> str:
    event = _labelling(facts, settings)
    if settings.sticky:
        return ""
    if event is None:
        return "it is not known when it was set"
    return rules.age_refusal(event, pushed_at=rules.last_push(facts.pull, facts.timeline, facts.runs))


def _files(facts: Facts, settings: BypassSettings, paths: Sequence[str]) -> str:
    count = facts.pull.changed_file_count
    files = facts.files if count <= rules.MAX_FILES else ()
    return rules.files_refusal(files, paths=paths, never=settings.never, expected_count=count)


_HEAD = Rule(
    "the pull request is still at the commit of this run",
    lambda facts, _: rules.head_refusal(facts.pull, head_sha=facts.head_sha),
)

LABEL_RULE, ACTOR_RULE = "bypass.label", "bypass.actors"
"""The settings that allow a bypass, by which it is recorded."""

# The cheap questions first: a table that ends early asks less.
LABEL_RULES = (
    _HEAD,
    Rule("a person set the label", lambda facts, asked: rules.labeller_refusal(_labelling(facts, asked))),
    Rule("who set it may write to the repository", _permission),
    Rule("it was set after the last push, or is sticky", _age),
    Rule("every changed file matches paths, and none never", lambda facts, asked: _files(facts, asked, asked.paths)),
)
"""When the label counts."""

ACTOR_RULES = (
    _HEAD,
    Rule(
        "its head was pushed by the bot itself",
        lambda facts, _: rules.pusher_refusal(facts.runs, head_sha=facts.head_sha, actor=facts.author),
    ),
    Rule(
        "every changed file matches dependency_paths, and none never",
        lambda facts, asked: _files(facts, asked, asked.dependency_paths),
    ),
)
"""When a listed bot needs no label."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one rule said; `refusal` is "" when it holds."""

    words: str
    refusal: str


def checked(table: Sequence[Rule], facts: Facts, settings: BypassSettings) -> Iterator[Checked]:
    """Each rule with what it says; GitHubError where a fact cannot be had."""
    for rule in table:
        yield Checked(rule.words, rule.refusal(facts, settings))


def first_refusal(table: Sequence[Rule], facts: Facts, settings: BypassSettings) -> str:
    """Why the table refuses, "" when every rule holds; asks no further than that."""
    return next((check.refusal for check in checked(table, facts, settings) if check.refusal), "")
