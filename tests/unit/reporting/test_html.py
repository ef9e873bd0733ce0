from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from ci_itest.model.run import Finding, FindingKind, PhaseTime, Run, ServiceTime, ShardResult
from ci_itest.reporting.html import BLOCK_CHARACTERS, TEXT_CHARACTERS, html_report
from ci_itest.reporting.view import ServiceLog, report_view
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import (
    AT,
    EVERY_RUN,
    LINKS,
    failed,
    failing_run,
    missing,
    recovered,
    result,
    run,
    shard,
    skipped,
)


class Page(HTMLParser):
    """Tags, attributes and the text of each script and style of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.words = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.words += data

    def unpacked(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.raw[name])))

    @property
    def texts(self) -> dict[int, Any]:
        """The texts of all blocks, each case where the page's script looks for it."""
        starts: list[int] = self.unpacked("case-data")["textStarts"]
        found: dict[int, Any] = {}
        for block, (first, end) in enumerate(pairwise([*starts, 10**9])):
            texts = {int(place): text for place, text in self.unpacked(f"case-texts-{block}").items()}
            assert all(first <= place < end for place in texts)
            found |= texts
        return found

    @property
    def policy(self) -> str:
        return next(
            attrs["content"] or "" for tag, attrs in self.tags if attrs.get("http-equiv") == "Content-Security-Policy"
        )


def page(of: Run, **options: Any) -> Page:
    return Page(html_report(report_view(of, at=AT, links=LINKS, **options)))


@pytest.mark.parametrize("name", EVERY_RUN)
def test_the_policy_allows_this_pages_own_style_and_script_alone(name: str) -> None:
    shown = page(EVERY_RUN[name]())

    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(shown.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in shown.policy
    assert shown.policy.startswith("default-src 'none';")
    assert "unsafe" not in shown.policy


@pytest.mark.parametrize("name", EVERY_RUN)
def test_the_page_asks_for_nothing_and_runs_nothing_inline(name: str) -> None:
    for tag, attrs in page(EVERY_RUN[name]()).tags:
        assert tag not in ("img", "iframe", "object", "embed", "base", "form")
        assert "src" not in attrs
        assert not [one for one in attrs if one.startswith("on") or one == "style"]
        if tag == "link":
            assert attrs["href"] == "data:,"


def test_the_page_is_whole_without_javascript() -> None:
    words = page(failing_run()).words

    assert "3 of 61 tests failed, 2 causes" in words
    assert "ci-itest replay 123456789/1 --only 'tests/orders/test_api.py::test_creates_order[eu]'" in words
    assert "assert 409 == 201" in words
    assert "TimeoutError: index not ready after 5 s" in words
    assert "needs a licence key" in words


def test_the_service_log_stands_beside_the_failure() -> None:
    of = failing_run()
    case = next(one.case for one in of.cases if one.case.name == "test_creates_order[eu]")

    assert "ERROR: duplicate key" in page(of, logs={case: [ServiceLog("postgres", "ERROR: duplicate key")]}).words


def test_every_case_is_in_the_list() -> None:
    of = failing_run()

    data = page(of).unpacked("case-data")

    names = [data["group"][group] + name for group, name in zip(data["of"], data["name"], strict=True)]
    assert names == [one.case.node_id for one in of.cases]
    assert data["verdict"] == "".join(one.verdict.value[0] for one in of.cases)
    assert [data["shards"][index] for index in data["shard"]] == [f"{one.shard}/2" for one in of.cases]


def test_the_texts_of_a_failure_are_in_the_list() -> None:
    of = failing_run()
    place = next(number for number, one in enumerate(of.cases) if one.case.name == "test_creates_order[eu]")

    text = page(of).texts[place]

    assert text["replay"].endswith("test_creates_order[eu]'")
    assert dict(text["texts"])["Output"] == "POST /orders 409"
    assert text["attempts"][0].startswith("Attempt 1: failed, 0.25 s: AssertionError: 409 == 201")


def test_texts_beyond_the_pages_room_are_left_out_and_said_so() -> None:
    details = "".join(f"{number:015}\n" for number in range(1_000))
    count = TEXT_CHARACTERS // len(details) + 60
    of = run(cases=[failed(f"test_{number:05}", "trouble with the stock", details=details) for number in range(count)])

    texts = page(of).texts

    cut = [one for one in texts.values() if one.get("cut")]
    assert 0 < len(cut) < 120
    assert all(one["attempts"] for one in cut)


def test_long_texts_are_packed_in_blocks_that_are_opened_one_by_one() -> None:
    details = "".join(f"{number:015}\n" for number in range(900))
    of = run(
        passed=50,
        cases=[failed(f"test_{number:03}", "trouble with the stock", details=details) for number in range(150)],
    )

    shown = page(of)

    blocks = [name for name in shown.raw if name.startswith("case-texts-")]
    sizes = [len(json.dumps(shown.unpacked(name))) for name in blocks]
    assert len(blocks) > 3
    assert max(sizes) < BLOCK_CHARACTERS * 1.2
    assert all(dict(text["texts"])["Details"] == details.strip() for text in shown.texts.values())
    assert len(shown.texts) == 150


def hostile_shard(word: str) -> ShardResult:
    """A shard whose message, services and phases are somebody else's words."""
    services = (ServiceTime(f"v{word}", f"i{word}", f"d{word}", ready_seconds=1.0),)
    return replace(
        shard(message=f"s{word}"), services=services, phases=(PhaseTime("services", 2.0), PhaseTime(word, 1))
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_tag_and_no_attribute(text: str) -> None:
    def shown(word: str) -> set[tuple[str, tuple[str, ...]]]:
        cases = [
            failed(
                f"a{word}",
                f"m{word}",
                details=f"E {word}\n> {word}",
                output=f"o{word}",
                file=f"tests/f{word}.py",
                line=3,
            ),
            recovered(f"b{word}", f"m{word}"),
            skipped(f"c{word}", f"m{word}"),
            missing(f"d{word}", f"m{word}"),
        ]
        finding = Finding(FindingKind.MISSING_CASE, f"f{word}", items=(f"tests/f{word}.py::d",))
        of = run(passed=2, cases=cases, findings=[finding], notes=[f"n{word}"], shards=[hostile_shard(word)])
        parsed = page(of, title=f"t{word}", logs={cases[0].case: [ServiceLog(f"l{word}", f"x{word}")]})
        return {(tag, tuple(sorted(attrs))) for tag, attrs in parsed.tags}

    # Long text folds, a path may be broken, and no text leaves a block out, so a hostile page may have fewer kinds of
    # elements, never others.
    assert shown(text) <= shown("word/word") | shown("word\n" * 60)


def test_equal_runs_give_equal_pages() -> None:
    assert html_report(report_view(failing_run(), at=AT)) == html_report(report_view(failing_run(), at=AT))


def test_the_script_knows_no_way_to_make_markup_of_text() -> None:
    script = page(failing_run()).raw["script"]

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


def test_a_run_without_cases_has_no_list() -> None:
    assert "case-data" not in page(run()).raw


def test_a_passed_case_costs_a_few_bytes() -> None:
    few, many = (
        len(html_report(report_view(run(cases=[result(f"test_{n}") for n in range(count)]), at=AT)))
        for count in (1_000, 11_000)
    )

    assert (many - few) / 10_000 < 30


def test_a_long_name_in_a_finding_goes_on_in_the_next_line_between_its_words() -> None:
    finding = Finding(FindingKind.STOPPED_SHARD, "Shard 1/1 died in tests/test_cart.py::test_two<b>.")

    page = html_report(report_view(run(passed=1, findings=[finding]), at=AT))

    assert "tests/<wbr>test_<wbr>cart.py::<wbr>test_<wbr>two&lt;b&gt;." in page
    assert finding.message in Page(page).words
