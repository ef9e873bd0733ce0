from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.flows.merge_reports import merge_reports
from ci_itest.flows.publish import ReportFormat
from ci_itest.flows.publish_reports import publish_reports
from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict
from ci_itest.model.run import RunFacts
from ci_itest.reporting.attachments import MAX_ATTACHMENTS, attachments_of
from tests.helpers.junit_files import case, document, suite

CASE = CaseId("main", "a.spec.ts", "fails")


def left(*outputs: str, folder: str | None = "..") -> dict[str, str]:
    attempts = tuple(Attempt(CASE, Outcome.FAILED, output=output) for output in outputs)
    found = attachments_of(CaseResult(CASE, attempts, Verdict.FAILED), folder=folder)
    return {one.name: one.url for one in found}


def test_every_file_of_every_attempt_is_named_once() -> None:
    found = left("text\n[[ATTACHMENT|shots/a b.png]]\n", "[[ATTACHMENT|shots/a b.png]]\n[[ATTACHMENT|trace.zip]]")

    assert found == {"shots/a b.png": "./../shots/a%20b.png", "trace.zip": "./../trace.zip"}


@pytest.mark.parametrize("path", ["javascript:alert(1)", "https://evil.example/", "/etc/passwd", "C:/x", "a\u202eb"])
def test_what_is_no_relative_path_is_named_and_not_linked(path: str) -> None:
    assert left(f"[[ATTACHMENT|{path}]]") == {path: ""}


def test_where_the_files_are_not_known_they_are_named_alone() -> None:
    assert left("[[ATTACHMENT|a.png]]", folder=None) == {"a.png": ""}


def test_a_case_has_a_bounded_number_of_them() -> None:
    assert len(left("".join(f"[[ATTACHMENT|{number}.png]]" for number in range(1_000)))) == MAX_ATTACHMENTS


def test_the_page_links_a_failures_screenshot_beside_its_junit_file(tmp_path: Path) -> None:
    inside = '<failure message="broken here"/><system-out>[[ATTACHMENT|shots/a.png]]</system-out>'
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "junit.xml"
    path.write_text(document(suite(case("a", inside))))

    merged = merge_reports([path], RunFacts("", "", ""))
    published = publish_reports(merged, folder=tmp_path / "out", title="T", key="k", at="", formats=[ReportFormat.PAGE])

    assert '<a href="./../results/shots/a.png">shots/a.png</a>' in published.page.read_text()
