"""Templates and the values they are given: two sides that must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from ci_itest.model.run import Run
from ci_itest.reporting.html import HtmlPage, html_report
from ci_itest.reporting.markdown import MarkdownPage, comment, shard_summary, summary
from ci_itest.reporting.templates import template_folder, template_text
from ci_itest.reporting.view import Links, ReportView, ServiceLog, report_view
from tests.helpers.runs import AT, EVERY_RUN, LINKS, failing_run, run, shard

TEMPLATES = sorted(path.name for path in template_folder().glob("*.*"))

RUNS: dict[str, Callable[[], Run]] = {
    **EVERY_RUN,
    "nothing": run,
    "no-shard": lambda: Run(run_id="", commit="", started_at=""),
}


def views(of: Run) -> Iterator[ReportView]:
    logs = {one.case: [ServiceLog("postgres", "a line")] for one in of.cases}
    yield report_view(of, at=AT, links=LINKS, logs=logs)
    yield report_view(of, at=AT, links=Links())
    yield report_view(of, at=AT, bypass_reason="somebody set the label")


@pytest.mark.parametrize("name", RUNS)
def test_every_template_renders_with_nothing_undefined(name: str) -> None:
    of = RUNS[name]()

    for view in views(of):
        assert view.headline in html_report(view)
        assert view.headline.split()[0] in comment(view, key="k")
        assert summary(view)


@pytest.mark.parametrize("message", ["", "stopped"])
def test_the_shards_summary_renders(message: str) -> None:
    assert shard_summary(shard(message=message), failed_count=0)


def test_templates_show_every_field_of_what_they_are_given() -> None:
    # What no template uses is computed for nobody; these are used by the code beside the templates.
    used_by_code = {"cases", "shard_labels", "replay_target", "wall", "verdict", "conclusion", "shards_reported"}
    written = "".join(template_text(name) for name in TEMPLATES if name.endswith(".j2"))

    unused = {
        f"{kind}.{field.name}"
        for kind, of in (("view", ReportView), ("page", HtmlPage), ("page", MarkdownPage))
        for field in fields(of)
        if f"{kind}.{field.name}" not in written and field.name not in used_by_code | {"view", "room", "shares"}
    }

    assert unused == set()


def test_the_checkouts_templates_are_found() -> None:
    assert template_folder() == Path(__file__).parents[2] / "report_templates"


def test_style_and_script_cannot_end_their_element() -> None:
    assert "</" not in template_text("report.js")
    assert "</" not in template_text("report.css")


def test_style_and_script_load_nothing() -> None:
    for name in ("report.js", "report.css"):
        text = template_text(name)
        assert "url(" not in text
        assert "://" not in text
        assert "@import" not in text


def test_every_phase_and_verdict_of_the_page_has_its_colour() -> None:
    style = template_text("report.css")
    view = report_view(failing_run(), at=AT)

    kinds = {phase.kind for one in view.shards for phase in one.phases}

    assert all(f".{kind} {{ fill:" in style for kind in (*kinds, "other", "planned"))
