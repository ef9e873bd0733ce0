"""The section on integration coverage."""

from __future__ import annotations

from dataclasses import replace

from ci_itest.model.coverage import READ, IntegrationCoverage
from ci_itest.reporting.coverage import MAX_ROWS, CoverageRow, coverage_view
from ci_itest.reporting.html import html_report
from ci_itest.reporting.view import report_view
from tests.helpers.runs import AT, result, run

COVERAGE = IntegrationCoverage(
    {"routes": ("GET /orders", "POST /<b>"), "tables": ("orders", "stock")},
    {"routes": {"GET /orders": 2}, "tables": {"orders": 1}, READ: {"orders": 3, "stock": 1}, "queues": {"placed": 1}},
)


def test_what_was_used_is_told_by_kind() -> None:
    view = coverage_view(COVERAGE)

    assert view is not None
    assert (view.percent, view.missed_count) == ("75 %", 1)
    assert [(kind.title, kind.summary, kind.missed) for kind in view.kinds] == [
        ("Routes", "1 of 2", ("POST /<b>",)),
        ("Tables", "2 of 2", ()),
        ("Queues", "1", ()),
    ]
    assert view.kinds[0].used == (CoverageRow("GET /orders", "2 requests"),)
    assert [row.words for row in view.kinds[1].used] == ["read and written to by 1 test", "read"]


def test_no_more_rows_than_a_page_can_show() -> None:
    view = coverage_view(IntegrationCoverage({"routes": tuple(f"GET /{number}" for number in range(900))}))

    assert view is not None
    assert (len(view.kinds[0].missed), view.kinds[0].missed_count) == (MAX_ROWS, 900)


def test_a_run_without_any_has_no_section() -> None:
    assert coverage_view(None) is None
    assert coverage_view(IntegrationCoverage()) is None


def test_the_page_escapes_the_names_of_routes() -> None:
    page = html_report(report_view(replace(run(cases=[result("test_a")]), coverage=COVERAGE), at=AT))

    section = page.partition('id="coverage"')[2].partition("</section>")[0]
    assert "POST /&lt;b&gt;" in section
    assert "<b>" not in section
