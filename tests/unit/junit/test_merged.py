from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from ci_itest.junit.merged import MergedSource, merged_junit
from ci_itest.junit.reader import read_report
from ci_itest.model.cases import CaseResult
from tests.helpers.junit_files import CUT, ENCODED, ENTITIES, FAILURE, NOT_WELL_FORMED, ODD, TWO, case
from tests.helpers.runs import failed, result

FLAKY = '<flakyFailure message="f"><stackTrace>st</stackTrace></flakyFailure>'
RICH = (
    '<testsuites name="all" uuid="u-1"><properties><property name="root" value="r"/></properties>'
    '<testsuite name="s" id="7" package="p" file="a.py" timestamp="2026-11-21T10:00:00">'
    '<properties><property name="p1" value="v1"/></properties>'
    + case("a", "<system-out>said</system-out>", more=' assertions="3"')
    + case("b", FAILURE + FLAKY)
    + "<system-out>suite out</system-out><system-err>suite err</system-err>"
    '<error message="set-up">why</error>'
    '<testsuite name="inner"><testcase name="deep"/></testsuite></testsuite></testsuites>'
)


def source(path: Path, *, cases: tuple[CaseResult, ...] = (), **facts: str) -> MergedSource:
    read = read_report(path)
    return MergedSource(
        path=path,
        label=path.name,
        state=read.state,
        counts=read.counts,
        cases=lambda: cases,
        shard=facts.get("shard", ""),
    )


def written(folder: Path, *contents: bytes | str, shard: str = "") -> ElementTree.Element:
    sources = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.xml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        sources.append(source(path, shard=shard, cases=(result("test_a"), failed("test_b"))))
    return ElementTree.fromstring(b"".join(merged_junit(sources)))


def elements(root: ElementTree.Element) -> list[tuple[str, tuple[tuple[str, str], ...], str]]:
    """What stands in a document, in order, without what the merge adds."""
    return [
        (one.tag, tuple(sorted(one.attrib.items())), (one.text or "").strip())
        for one in root.iter()
        if not str(one.get("name")).startswith(("ci-itest.", "testsuites."))
    ]


def test_every_element_attribute_and_text_comes_through(tmp_path: Path) -> None:
    merged = written(tmp_path, RICH)

    before = [one for one in elements(ElementTree.fromstring(RICH)) if one[0] not in ("testsuites", "properties")]
    after = elements(merged)
    assert [one for one in before if one not in after and one[1] != (("name", "root"), ("value", "r"))] == []


def test_what_stood_on_the_root_becomes_properties_of_its_suites(tmp_path: Path) -> None:
    properties = {one.get("name"): one.get("value") for one in written(tmp_path, RICH).iter("property")}

    assert properties["testsuites.name"] == "all"
    assert properties["testsuites.uuid"] == "u-1"
    assert properties["testsuites.property.root"] == "r"


def test_a_suite_says_its_file_and_its_shard(tmp_path: Path) -> None:
    properties = {one.get("name"): one.get("value") for one in written(tmp_path, TWO, shard="3/8").iter("property")}

    assert (properties["ci-itest.file"], properties["ci-itest.shard"], properties["ci-itest.attempt"]) == (
        "0.xml",
        "3/8",
        "1",
    )


def test_suites_of_one_name_stay_apart(tmp_path: Path) -> None:
    merged = written(tmp_path, RICH, RICH, RICH)

    assert len(merged.findall("testsuite")) == 3
    assert len(list(merged.iter("system-err"))) == 3
    assert merged.get("tests") == "9"


@pytest.mark.parametrize("name", [*ENCODED, *NOT_WELL_FORMED, *ODD])
def test_cases_of_files_in_any_state_are_all_there(tmp_path: Path, name: str) -> None:
    merged = written(tmp_path, {**ENCODED, **NOT_WELL_FORMED, **ODD}[name])

    assert len(list(merged.iter("testcase"))) == 2
    assert len(list(merged.iter("failure"))) == 1


@pytest.mark.parametrize("name", CUT)
def test_cut_files_keep_what_they_held(tmp_path: Path, name: str) -> None:
    data, _ = CUT[name]

    assert len(list(written(tmp_path, data).iter("testcase"))) >= 2


@pytest.mark.parametrize("name", ENTITIES)
def test_refused_files_are_written_from_what_the_reader_made_of_them(tmp_path: Path, name: str) -> None:
    merged = written(tmp_path, ENTITIES[name])

    assert [one.get("name") for one in merged.iter("testcase")] == ["test_a", "test_b"]


def test_cases_without_a_suite_get_one(tmp_path: Path) -> None:
    merged = written(tmp_path, '<testcase name="lonely"/>', '<testsuites><testcase name="bare"/></testsuites>')

    assert [one.get("name") for one in merged.findall("testsuite/testcase")] == ["lonely", "bare"]


def test_the_merged_file_is_one_that_the_reader_reads(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.xml" for number in range(2)]
    paths[0].write_text(RICH, encoding="utf-8")
    paths[1].write_text(TWO, encoding="utf-8")
    out = tmp_path / "merged.xml"

    out.write_bytes(b"".join(merged_junit([source(path) for path in paths])))

    one, two, both = (read_report(path) for path in (*paths, out))
    assert both.counts.testcases == one.counts.testcases + two.counts.testcases
    assert both.counts.retries == one.counts.retries
    assert both.counts.suite_problems == one.counts.suite_problems
    assert sorted(map(str, (c.verdict for c in both.cases))) == sorted(
        map(str, (c.verdict for c in (*one.cases, *two.cases)))
    )


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    assert ElementTree.tostring(written(tmp_path, RICH)) == ElementTree.tostring(written(tmp_path, RICH))
