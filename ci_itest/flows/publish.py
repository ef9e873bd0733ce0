"""`Run` to what people and machines read: HTML page, comment, summary, annotations, outputs, exit code."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from ci_itest.errors import ExitCode
from ci_itest.flows.folders import PAGE
from ci_itest.junit.writer import run_junit_xml
from ci_itest.model.cases import CaseId, CaseResult, Verdict
from ci_itest.model.run import Conclusion, Run
from ci_itest.reporting.badge import badge
from ci_itest.reporting.comparison import Base
from ci_itest.reporting.ctrf import ctrf_report
from ci_itest.reporting.html import html_report
from ci_itest.reporting.inline import Annotation, inline_annotations
from ci_itest.reporting.markdown import comment, summary
from ci_itest.reporting.view import Links, ReportView, ServiceLog, report_view
from ci_itest.wire import encode_document, write_pieces

_EXIT_CODES = {
    Conclusion.SUCCESS: ExitCode.OK,
    Conclusion.BYPASSED: ExitCode.OK,
    Conclusion.FAILURE: ExitCode.TESTS_FAILED,
    Conclusion.INCOMPLETE: ExitCode.INCOMPLETE,
    Conclusion.NOTHING: ExitCode.NOTHING_TO_RUN,
}


class ReportFormat(StrEnum):
    """What a report can be written as."""

    PAGE = "page"
    COMMENT = "comment"
    SUMMARY = "summary"
    JUNIT = "junit"
    CTRF = "ctrf"
    RUN = "run"
    BADGE = "badge"


FILE_NAMES = {
    ReportFormat.PAGE: PAGE,
    ReportFormat.COMMENT: "comment.md",
    ReportFormat.SUMMARY: "summary.md",
    ReportFormat.JUNIT: "junit.xml",
    ReportFormat.CTRF: "ctrf.json",
    ReportFormat.RUN: "run.json",
    ReportFormat.BADGE: "badge.svg",
}

Pieces = Callable[[], Iterable[bytes]]
"""A file's content, made when it is written."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written.

    Attributes:
        comment: Markdown of the pull-request comment.
        summary: Markdown of the job summary.
        annotations: At most ten, for the run's page.
        view: All that the report says, for a caller that shows it elsewhere.
        is_quiet: Whether the comment has nothing to say that must be said (all green).
    """

    page: Path
    comment: str
    summary: str
    annotations: tuple[Annotation, ...]
    view: ReportView
    is_quiet: bool

    @property
    def exit_code(self) -> ExitCode:
        return _EXIT_CODES[self.view.conclusion]


def publish(
    run: Run,
    *,
    folder: Path,
    title: str,
    key: str,
    at: str,
    links: Links | None = None,
    bypass_reason: str = "",
    base: Base | None = None,
    fails_on_new_only: bool = False,
    templates: Mapping[str, str] | None = None,
    attachments: Mapping[int, str] | None = None,
) -> Published:
    """Write the report's files into a folder: report.html, comment.md, summary.md, junit.xml, ctrf.json,
    run.json, badge.svg.

    Args:
        key: Tells the comments of two workflows apart.
        at: When the report is made, UTC ISO 8601.
        bypass_reason: Who let the suite be skipped and by which rule; "" when it ran.
        base: An earlier run of the base branch to compare with.
        fails_on_new_only: Whether failures that a complete base has too let the run pass.
        templates: The user's own by name; what is wrong with one is said in the report, and ours is used.
        attachments: Shard index to the folder, seen from the page, that the paths of its cases' attachments start at.

    Raises:
        FileError: The folder cannot be written to.
    """
    view = report_view(
        run,
        at=at,
        links=links,
        title=title,
        logs=logs_of_failures(run),
        bypass_reason=bypass_reason,
        base=base,
        fails_on_new_only=fails_on_new_only,
        file_folders=attachments,
    )
    return write_report(
        view,
        folder=folder,
        key=key,
        at=at,
        started_at=run.started_at,
        templates=templates or {},
        junit=lambda: [run_junit_xml(run)],
        run=lambda: [encode_document(run)],
    )


def write_report(
    view: ReportView,
    *,
    folder: Path,
    key: str,
    at: str,
    started_at: str,
    templates: Mapping[str, str],
    junit: Pieces,
    run: Pieces,
    formats: Collection[ReportFormat] = tuple(ReportFormat),
) -> Published:
    """Write what a view says, and the two documents that hold more than a view, into a folder.

    Args:
        started_at: When the run began, UTC ISO 8601; "" when nobody knows.
        junit: The merged JUnit file.
        run: The run's own document.
        formats: What to write.

    Raises:
        FileError: The folder cannot be written to.
    """
    view, own = with_templates(view, templates)
    published = Published(
        page=folder / FILE_NAMES[ReportFormat.PAGE],
        comment=comment(view, key=key, overrides=own),
        summary=summary(view, overrides=own),
        annotations=inline_annotations(view),
        view=view,
        is_quiet=says_nothing_new(view),
    )
    writers: dict[ReportFormat, Pieces] = {
        ReportFormat.PAGE: lambda: [html_report(view, overrides=own).encode()],
        ReportFormat.COMMENT: lambda: [published.comment.encode()],
        ReportFormat.SUMMARY: lambda: [published.summary.encode()],
        ReportFormat.JUNIT: junit,
        ReportFormat.CTRF: lambda: ctrf_report(view.cases, started_at=started_at, at=at),
        ReportFormat.RUN: run,
        ReportFormat.BADGE: lambda: [badge(view.title, view.conclusion, view.counts).encode()],
    }
    for kind in formats:
        write_pieces(folder / FILE_NAMES[kind], writers[kind]())
    return published


def with_templates(view: ReportView, templates: Mapping[str, str]) -> tuple[ReportView, Mapping[str, str]]:
    """The user's templates that can be used, and the view with what is wrong with the others."""
    if not templates:
        return view, {}
    from ci_itest.flows.user_templates import usable

    found = usable(templates, view)
    return replace(view, notes=(*found.troubles, *view.notes)), found.texts


def logs_of_failures(run: Run) -> Mapping[CaseId, Sequence[ServiceLog]]:
    """For every case that failed what its shard's services wrote meanwhile, else the ends of their logs.

    Of the ends, a case whose time is known has those alone that report an error: a server that died before it began
    explains it, one that started and ended well does not. A case that was running when its shard ended has the ends,
    too.
    """
    slices: dict[tuple[str, int, str], list[ServiceLog]] = {}
    for shard in run.shards:
        for one in shard.service_slices:
            slices.setdefault((shard.suite, shard.index, one.case), []).append(ServiceLog(one.service, one.text))
    tails = {
        (shard.suite, shard.index): tuple(ServiceLog(tail.service, tail.text) for tail in shard.service_tails)
        for shard in run.shards
        if shard.service_tails
    }
    return {
        result.case: logs
        for result in run.cases
        if (result.verdict is Verdict.FAILED or (result.verdict is Verdict.MISSING and result.note))
        and (
            logs := slices.get((result.case.suite, result.shard, result.case.node_id))
            or _ends(result, tails.get((result.case.suite, result.shard), ()))
        )
    }


def _ends(result: CaseResult, tails: Sequence[ServiceLog]) -> Sequence[ServiceLog]:
    if not any(attempt.outcome.is_bad and attempt.started_at for attempt in result.attempts):
        return tails
    return [tail for tail in tails if tail.telling]


def outputs_of(published: Published, *, comment_url: str) -> Mapping[str, str]:
    """Outputs of the report job."""
    counts = published.view.counts
    return {
        "conclusion": published.view.conclusion,
        "passed": str(counts.passed),
        "failed": str(counts.failed),
        "recovered": str(counts.recovered),
        "skipped": str(counts.skipped),
        "missing": str(counts.missing),
        "quarantined": str(counts.quarantined),
        "flaky": str(published.view.judged.sure_count),
        "report-path": str(published.page),
        "comment-url": comment_url,
    }


def says_nothing_new(view: ReportView) -> bool:
    """Whether the comment has nothing that must be said (all green, at once)."""
    is_green = view.conclusion in (Conclusion.SUCCESS, Conclusion.BYPASSED)
    return is_green and not view.counts.recovered and not view.counts.failed
