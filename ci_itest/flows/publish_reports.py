"""Merged JUnit files to what people and tools read, written in pieces so that a million cases stay small."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.flows.publish import Published, ReportFormat, write_report
from ci_itest.garbage import uncollected
from ci_itest.junit.merged import MergedSource, merged_junit
from ci_itest.reporting.comparison import Base
from ci_itest.reporting.view import Links, report_view
from ci_itest.wire import encode_document, to_json

if TYPE_CHECKING:
    from ci_itest.flows.merge_reports import MergedReports
    from ci_itest.model.cases import CaseResult
    from ci_itest.model.table import CaseTable

_PIECE = 5_000


def publish_reports(
    merged: MergedReports,
    *,
    folder: Path,
    title: str,
    key: str,
    at: str,
    links: Links | None = None,
    formats: Collection[ReportFormat] = tuple(ReportFormat),
    base: Base | None = None,
    fails_on_new_only: bool = False,
    templates: Mapping[str, str] | None = None,
) -> Published:
    """Write the report of merged files into a folder.

    Args:
        key: Tells the comments of two workflows apart.
        at: When the report is made, UTC ISO 8601.
        formats: What to write.
        base: An earlier run to compare with.
        fails_on_new_only: Whether failures that the base has too let the run pass.
        templates: The user's own by name.

    Raises:
        FileError: The folder cannot be written to.
    """
    with uncollected():
        view = report_view(
            merged.run,
            at=at,
            links=links,
            title=title,
            table=merged.cases,
            file_labels=merged.labels,
            base=base,
            fails_on_new_only=fails_on_new_only,
            file_folders=_folders(merged, seen_from=folder),
        )
        return write_report(
            view,
            folder=folder,
            key=key,
            at=at,
            started_at=merged.run.started_at,
            templates=templates or {},
            junit=lambda: merged_junit(_sources(merged), name=title),
            run=lambda: _run_document(merged),
            formats=formats,
        )


def _folders(merged: MergedReports, *, seen_from: Path) -> dict[int, str]:
    """Where each file lies, as an address relative to the report's folder."""
    page = seen_from.resolve()
    return {
        number: os.path.relpath(report.path.parent.resolve(), page).replace(os.sep, "/")
        for number, report in enumerate(merged.reports, start=1)
    }


def _sources(merged: MergedReports) -> Iterator[MergedSource]:
    """The files whose cases count; one that doubles another is not written twice."""
    for report in merged.reports:
        if report.is_counted:
            yield MergedSource(
                path=report.path,
                label=report.label,
                state=report.state,
                counts=report.counts,
                cases=partial(_results, merged.cases, report.rows),
                attempt=merged.run.run_attempt,
                problem_is_its_end="cut off" in report.problem and not report.has_remarks,
            )


def _results(cases: CaseTable, rows: range) -> Iterable[CaseResult]:
    return map(cases.result, rows)


def _run_document(merged: MergedReports) -> Iterator[bytes]:
    """The run's document with its cases put in, piece by piece."""
    head, _, tail = encode_document(merged.run).partition(b'"cases": []')
    yield head + b'"cases": ['
    for first in range(0, len(merged.cases), _PIECE):
        places = range(first, min(first + _PIECE, len(merged.cases)))
        data = to_json([merged.cases.result(place) for place in places])[1:-1]
        yield b"," + data if first else data
    yield b"]" + tail
