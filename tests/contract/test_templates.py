"""Templates and the values they are given: two sides that must agree."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from ci_itest.flows.user_templates import REPLACEABLE, usable
from ci_itest.model.run import Run
from ci_itest.reporting.attachments import Attachment
from ci_itest.reporting.comparison import ChangeView
from ci_itest.reporting.failures import CaseView, CauseView, FindingView, NamedCount
from ci_itest.reporting.headline import Advice, Counts
from ci_itest.reporting.html import HtmlPage, html_report
from ci_itest.reporting.judged import FlakyView, JudgedView, PaceView
from ci_itest.reporting.legs import LegCell, LegRow, LegsView
from ci_itest.reporting.markdown import MarkdownPage, Room, comment, shard_summary, summary
from ci_itest.reporting.shards import PhaseView, ServiceView, ShardView
from ci_itest.reporting.templates import template_folder, template_text
from ci_itest.reporting.timeline import Bar, Lane, ShardTimeline, Tick, TimelineView
from ci_itest.reporting.view import Fact, Links, ReportView, ServiceLog, report_view
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


DOCS = Path(__file__).parents[2] / "docs" / "templates.md"
VALUES: tuple[tuple[str, str, type], ...] = (
    ("`view`, in all templates", "view", ReportView),
    ("`page`, in report.html.j2", "page", HtmlPage),
    ("`page`, in comment.md.j2 and summary.md.j2", "page", MarkdownPage),
    ("`room`, in comment.md.j2 and summary.md.j2", "room", Room),
    ("an entry of `view.causes`", "cause", CauseView),
    ("a case: `cause.first`, `cause.cases`, `view.recovered`, `view.slowest` …", "case", CaseView),
    ("an entry of `view.findings`", "finding", FindingView),
    ("an entry of `view.shards`", "shard", ShardView),
    ("an entry of `shard.phases`", "phase", PhaseView),
    ("an entry of `view.services`", "service", ServiceView),
    ("an entry of `view.changes`", "change", ChangeView),
    ("an entry of `view.missing`, `view.skipped`, `finding.groups`", "group", NamedCount),
    ("an entry of `case.attachments`", "file", Attachment),
    ("`view.legs`", "legs", LegsView),
    ("an entry of `view.legs.rows`", "row", LegRow),
    ("an entry of `row.cells`", "cell", LegCell),
    ("`view.judged`", "judged", JudgedView),
    ("an entry of `view.judged.flaky`", "item", FlakyView),
    ("an entry of `view.judged.pace`", "item", PaceView),
    ("`view.timeline`", "timeline", TimelineView),
    ("an entry of `view.timeline.shards`", "shard", ShardTimeline),
    ("an entry of `shard.lanes`", "lane", Lane),
    ("an entry of `lane.bars`", "bar", Bar),
    ("an entry of `view.timeline.ticks`", "tick", Tick),
    ("`view.counts`", "counts", Counts),
    ("an entry of `view.advice`", "item", Advice),
    ("an entry of `view.facts`", "fact", Fact),
)


def meanings(of: type) -> dict[str, str]:
    """What the docstring says of each attribute."""
    _, _, listed = inspect.cleandoc(of.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.+?)(?=^    \w|\Z)", listed, re.MULTILINE | re.DOTALL)
    return {name: " ".join(words.split()) for name, words in entries}


def values_table(title: str, name: str, of: type) -> str:
    known = meanings(of)
    rows = [
        f"| `{name}.{field.name}` | {known.get(field.name, '').replace('|', chr(92) + '|')} |" for field in fields(of)
    ]
    return "\n".join([f"### {title}", "", "| value | |", "| --- | --- |", *rows])


def blocks_table() -> str:
    rows = []
    for name in REPLACEABLE:
        blocks = re.findall(r"{% block (\w+) %}", template_text(name))
        rows.append(f"| `{name}` | {', '.join(f'`{block}`' for block in blocks)} |")
    return "\n".join(["## Blocks", "", "| template | blocks, in order |", "| --- | --- |", *rows])


@pytest.mark.parametrize("part", ["blocks", "values"])
def test_the_page_on_templates_lists_what_they_are_given(part: str, update_golden: bool) -> None:
    values = "\n\n".join(["## Values", *(values_table(*entry) for entry in VALUES)])
    wanted = blocks_table() if part == "blocks" else values
    between = re.compile(rf"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.DOTALL)
    if update_golden:
        text = DOCS.read_text()
        DOCS.write_text(between.sub(lambda found: f"{found[1]}{wanted}\n{found[2]}", text))

    found = between.search(DOCS.read_text())

    assert found is not None
    assert found[0] == f"<!-- {part} -->\n{wanted}\n<!-- /{part} -->"


@pytest.mark.parametrize("name", REPLACEABLE)
def test_each_block_can_be_replaced_by_itself(name: str) -> None:
    view = next(views(failing_run()))

    for block in re.findall(r"{% block (\w+) %}", template_text(name)):
        mine = f'{{% extends "ci-itest/{name}" %}}{{% block {block} %}}Words of the team.{{% endblock %}}'
        found = usable({name: mine}, view)

        assert found.troubles == ()
        assert list(found.texts) == [name]
