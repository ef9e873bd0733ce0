"""Cases that simply passed are taken out before the parser; nothing may tell that they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_itest.junit.plain import PlainRuns
from ci_itest.junit.reader import read_report
from ci_itest.junit.values import FileState, ReportFile
from tests.helpers.junit_files import FAILURE, HEAD, document, suite

FILED = '<testcase classname="pkg.T" name="{}" file="t.py" line="3" time="0.25" />'
BARE = '<testcase classname="pkg.T" name="{}" time="0.25"></testcase>'
OTHERS = (
    f'<testcase classname="pkg.T" name="bad" file="t.py" line="4" time="1">{FAILURE}</testcase>',
    '<testcase classname="pkg.T" name="a &amp; b" file="t.py" line="4" time="1"/>',
    '<testcase classname="pkg.T" name="ü" file="t.py" line="4" time="1"/>',
    '<testcase name="turned" classname="pkg.T" time="1"/>',
    "<testcase classname='pkg.T' name='quoted' time='1'/>",
    '<testcase classname="pkg.T" name="more" time="1" status="failed"/>',
    '<testcase classname="pkg.T" name="ISO" file="t.py" line="4" time="PT1S"/>',
    f'<testcase classname="pkg.T" name="nests" time="1"><failure>a {BARE.format("inner")} b</failure></testcase>',
    f"<error message='of the suite'>text {BARE.format('in-text')} after</error>",
    f"<!-- {FILED.format('said')} -->",
    f"<system-out><![CDATA[{FILED.format('printed')}]]></system-out>",
    f"<![CDATA[<!--]]>{FILED.format('after-a-false-start')}<!-- ]]> -->",
    f"<?php {BARE.format('instructed')} <![CDATA[ ?>",
    "</testsuite><testsuite name='other' hostname='b'>",
    "\r\n\t ",
    "<",
    "\x00",
)


def read(path: Path, data: bytes, **options: int) -> ReportFile:
    path.write_bytes(data)
    return replace(read_report(path, **options), digest="")


def slow(text: str) -> bytes:
    """The same document in letters of two bytes, of which the parser gets every element."""
    return ("\ufeff" + text.replace("UTF-8", "UTF-16")).encode("utf-16-le")


pieces = st.lists(st.sampled_from([FILED, FILED, BARE, *OTHERS]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces, st.integers(70, 4_000))
def test_a_document_reads_as_if_the_parser_had_seen_every_case(tmp_path: Path, parts: list[str], size: int) -> None:
    text = document(suite("".join(part.format(f"t{place}") for place, part in enumerate(parts))))

    fast = read(tmp_path / "junit.xml", text.encode(), chunk_bytes=size)

    whole = read(tmp_path / "junit.xml", slow(text))
    if whole.state is FileState.READ:
        assert fast == whole
    else:
        # What had to be mended is said with its encoding; what was found in it is the same.
        assert (fast.state, fast.counts, fast.cases) == (whole.state, whole.counts, whole.cases)


@pytest.mark.parametrize("form", [FILED, BARE, FILED.replace('file="t.py" ', "").replace(' line="3"', "")])
def test_chunks_may_end_anywhere(tmp_path: Path, form: str) -> None:
    text = document(suite("".join(form.format(f"t{number}") for number in range(6)) + OTHERS[0]))
    whole = read(tmp_path / "junit.xml", slow(text))

    for size in range(len(HEAD), len(text) + 1):
        assert read(tmp_path / "junit.xml", text.encode(), chunk_bytes=size) == whole


def test_a_run_of_plain_cases_leaves_one_element_to_the_parser() -> None:
    text = document(suite("".join(FILED.format(f"t{number}") for number in range(1_000))))
    runs = PlainRuns("utf-8")

    thinned = runs.thinned(text.encode()).decode()

    assert thinned == document(suite(f'<{runs.tag} n="1"/>'))
    assert len(runs.take("1")) == 1_000


def test_two_cases_at_the_top_of_a_file_are_two_documents(tmp_path: Path) -> None:
    file = read(tmp_path / "junit.xml", (BARE.format("a") + BARE.format("b")).encode())

    assert [case.name for case in file.cases] == ["a", "b"]
    assert file.remarks == ("It holds 2 documents.",)


def test_no_more_plain_cases_are_taken_than_any_others(tmp_path: Path) -> None:
    text = document(suite("".join(BARE.format(f"t{number}") for number in range(50))))

    file = read(tmp_path / "junit.xml", text.encode(), max_cases=20)

    assert len(file.cases) == 20
    assert "more than 20 test cases" in file.problem
