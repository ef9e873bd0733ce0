"""What the fixtures noted of a case that failed: a section of its own in the page."""

from __future__ import annotations

from dataclasses import replace

from ci_itest.model.cases import CaseResult
from ci_itest.reporting.failures import Evidence
from ci_itest.reporting.html import html_report
from ci_itest.reporting.view import report_view
from tests.helpers.runs import AT, failed, run

NOTES = (("ci-itest.requests", "GET /<b> -> 500"), ("owner", "team-a"), ("ci-itest.worker", "gw1"))


def noted(name: str = "test_a") -> CaseResult:
    case = failed(name)
    return replace(case, attempts=(replace(case.attempts[0], properties=NOTES),))


def test_only_our_own_properties_are_evidence() -> None:
    view = report_view(run(cases=[noted()]), at=AT)

    assert view.causes[0].first.evidence == (Evidence("requests", "GET /<b> -> 500"), Evidence("worker", "gw1"))


def test_the_page_shows_it_escaped_beside_the_failure() -> None:
    page = html_report(report_view(run(cases=[noted()]), at=AT))

    section = page.partition('class="inner evidence"')[2].partition("</details>")[0]
    assert "What it did: requests, worker" in section
    assert "GET /&lt;b&gt; -&gt; 500" in section
    assert "team-a" not in section


def test_a_failure_without_notes_has_no_such_section() -> None:
    assert 'class="inner evidence"' not in html_report(report_view(run(cases=[failed("test_a")]), at=AT))
