"""When the suite may be skipped: each rule says "" when it holds, else why not, as the end of a sentence; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from ci_itest.bypass.globs import matches_any
from ci_itest.model.github import ChangedFile, PullRequest, TimelineEvent, WorkflowRun

ALWAYS_NEVER = ("**/ci-itest.toml", "**/pyproject.toml", ".github/**")
"""What decides about the suite must not be changed without it."""

MAX_FILES = 3_000
"""GitHub lists no more files of a pull request."""

_WRITERS = frozenset({"admin", "write"})
# A pull request that is opened with its label gets both before its first run.
_OPENING = timedelta(minutes=1)
_LONGEST_SHOWN = 120


def has_label(pull: PullRequest, label: str) -> bool:
    """Whether the label is on the pull request; GitHub knows no labels that differ in case alone."""
    return is_among(label, pull.labels)


def is_among(label: str, names: Iterable[str]) -> bool:
    """Whether the label is one of these."""
    return label != "" and label.casefold() in {name.casefold() for name in names}


def labelling(timeline: Iterable[TimelineEvent], label: str) -> TimelineEvent | None:
    """The latest setting of the label."""
    events = [e for e in timeline if e.kind == "labeled" and e.label.casefold() == label.casefold()]
    return events[-1] if events else None


def head_refusal(pull: PullRequest, *, head_sha: str) -> str:
    """The pull request must still be what this run is about."""
    return "" if pull.head_sha == head_sha else f"the pull request has moved on to {pull.head_sha[:7]}"


def labeller_refusal(event: TimelineEvent | None) -> str:
    """Somebody must have set the label."""
    if event is None or not event.actor:
        return "nobody can be named who set it"
    return f"{shown(event.actor)}, who set it, is a bot" if event.is_bot else ""


def permission_refusal(event: TimelineEvent, permission: str) -> str:
    """Who set the label must be allowed to write."""
    if permission in _WRITERS:
        return ""
    return f"{shown(event.actor)}, who set it, has no write permission ({shown(permission)})"


def last_push(pull: PullRequest, timeline: Iterable[TimelineEvent], runs: Iterable[WorkflowRun]) -> datetime:
    """The latest moment at which the head may have been pushed.

    GitHub's own clock tells it: forced pushes, and the first run on the head since the last of them (a head can be
    taken back and pushed again). The dates of commits are whatever their author sets, so they count only where no run
    is known. A head whose first run is not a minute younger than the pull request counts as pushed when that was
    opened, so that a label set on opening counts.

    Args:
        runs: Those of this pull request.
    """
    events = list(timeline)
    forced_at = max((e.at for e in events if e.kind == "head_ref_force_pushed" and e.at is not None), default=None)
    known_from = forced_at or pull.created_at
    started = [run.created_at for run in runs if run.head_sha == pull.head_sha]
    since = [at for at in started if forced_at is None or at >= forced_at]
    if not started:
        return max([known_from, *(e.at for e in events if e.kind == "committed" and e.at is not None)])
    if not since or (forced_at is None and min(since) <= pull.created_at + _OPENING):
        return known_from
    return min(since)


def age_refusal(event: TimelineEvent, *, pushed_at: datetime) -> str:
    """The label must be newer than the code."""
    if event.at is not None and event.at >= pushed_at:
        return ""
    return "it was set before the last push; set it again"


def files_refusal(
    files: Sequence[ChangedFile], *, paths: Sequence[str], never: Sequence[str], expected_count: int
) -> str:
    """Every changed file, and where a renamed one was before, must be of `paths` and none of `never`."""
    if expected_count > MAX_FILES:
        return f"{expected_count} files are changed, and GitHub lists {MAX_FILES} at most"
    if len(files) != expected_count or not files:
        return f"{len(files)} of {expected_count} changed files are known"
    changed = [path for file in files for path in (file.path, file.previous_path) if path]
    for path in changed:
        if matches_any(path, (*never, *ALWAYS_NEVER)):
            return f"{shown(path)} never goes without the tests"
    others = [path for path in changed if not matches_any(path, paths)]
    if not others:
        return ""
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return f"{shown(others[0])}{more} match none of the paths ({shown(', '.join(paths))})"


def pusher_refusal(runs: Iterable[WorkflowRun], *, head_sha: str, actor: str) -> str:
    """The head must have been pushed by a listed bot itself: a person may push to the bot's branch.

    Who pushed is who caused the first run on the head; labels and re-runs come later.

    Args:
        runs: Those of this pull request.
    """
    first = min((run for run in runs if run.head_sha == head_sha), key=lambda run: int(run.id), default=None)
    if first is None or not first.actor:
        return "it is not known who pushed its head"
    return "" if first.actor == actor else f"its head was pushed by {shown(first.actor)}"


def shown(text: str) -> str:
    """Foreign text for the middle of a sentence: on one line, printable, not long."""
    line = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 1]}…"
