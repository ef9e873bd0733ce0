"""A check run with annotations at file and line, in the batches that GitHub takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ci_itest.github.api import GitHubApi

BATCH = 50
"""Annotations in one request: https://docs.github.com/en/rest/checks/runs#create-a-check-run"""

MAX_ANNOTATIONS = 100
"""Two requests; who has more failures reads the page."""

_TITLE_CHARACTERS = 255
_SUMMARY_CHARACTERS = 65_000
_MESSAGE_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation.

    Attributes:
        file: From the repository's root.
        line: Counted from 1.
    """

    file: str
    line: int
    title: str
    message: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check run that has ended.

    Attributes:
        name: What stands beside the other checks.
        title: Its conclusion in a line.
        summary: Markdown.
        details_url: Page that says more, "" for none.
    """

    name: str
    head_sha: str
    conclusion: Literal["success", "failure"]
    title: str
    summary: str
    marks: Sequence[Mark] = ()
    details_url: str = ""


def publish_check(api: GitHubApi, check: Check) -> str:
    """Make the check run, its further annotations added in batches; its page.

    Raises:
        GitHubError: GitHub refused (403: no `checks: write`) or did not answer.
    """
    marks = list(check.marks)[:MAX_ANNOTATIONS]
    whole = {
        "name": check.name,
        "head_sha": check.head_sha,
        "status": "completed",
        "conclusion": check.conclusion,
        "output": _output(check, marks[:BATCH]),
    }
    number, url = api.create_check_run(whole | ({"details_url": check.details_url} if check.details_url else {}))
    for first in range(BATCH, len(marks), BATCH):
        api.extend_check_run(number, {"output": _output(check, marks[first : first + BATCH])})
    return url


def _output(check: Check, marks: Sequence[Mark]) -> dict[str, object]:
    return {
        "title": check.title[:_TITLE_CHARACTERS] or check.name,
        "summary": check.summary[:_SUMMARY_CHARACTERS],
        "annotations": [_annotation(mark) for mark in marks],
    }


def _annotation(mark: Mark) -> dict[str, object]:
    return {
        "path": mark.file,
        "start_line": mark.line,
        "end_line": mark.line,
        "annotation_level": "failure",
        "title": mark.title[:_TITLE_CHARACTERS],
        "message": mark.message.encode()[:_MESSAGE_BYTES].decode(errors="ignore") or "failed",
    }
