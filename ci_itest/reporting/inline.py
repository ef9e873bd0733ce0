"""Failures at their file and line, for the workflow's annotations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ci_itest.reporting.failures import CaseView
from ci_itest.reporting.sanitise import block, one_line, url_path
from ci_itest.reporting.view import ReportView

MAX_ANNOTATIONS = 10
"""GitHub keeps ten of each level for a step and drops the rest without a word."""

_TITLE_LIMIT = 200
_MESSAGE_LIMIT = 3_500


@dataclass(frozen=True, slots=True)
class Annotation:
    """One remark beside a line of code; its writer escapes it for the workflow command.

    Attributes:
        level: `error`, `warning` or `notice`.
        line: Counted from 1.
    """

    level: Literal["error", "warning", "notice"]
    file: str
    line: int
    title: str
    message: str


def inline_annotations(view: ReportView, *, limit: int = MAX_ANNOTATIONS) -> tuple[Annotation, ...]:
    """At most `limit` failures that have a file and a line: one of each cause first, then the others."""
    chosen: list[Annotation] = []
    for case, case_count in _in_turn(view):
        if len(chosen) == limit:
            break
        if case.line > 0 and url_path(case.file):
            chosen.append(_annotation(case, case_count))
    return tuple(chosen)


def _in_turn(view: ReportView) -> Iterator[tuple[CaseView, int]]:
    for cause in view.causes:
        yield cause.first, cause.case_count
    for cause in view.causes:
        for case in cause.cases[1:]:
            yield case, 1


def _annotation(case: CaseView, case_count: int) -> Annotation:
    lines = [
        case.message,
        _where(case),
    ]
    if case_count > 1:
        lines.append(f"{case_count - 1} more with this message.")
    if case.replay:
        lines.append(f"Reproduce: {case.replay}")
    return Annotation(
        level="error",
        file=case.file,
        line=case.line,
        title=one_line(f"{case.name.rpartition('::')[2] or case.name} failed", _TITLE_LIMIT),
        message=block("\n".join(line for line in lines if line), _MESSAGE_LIMIT),
    )


def _where(case: CaseView) -> str:
    """What ran the case and how often, as a sentence; "" where neither is known."""
    words = ", ".join(part for part in (case.part, case.tries) if part)
    return f"{words[:1].upper()}{words[1:]}." if case.part else words
