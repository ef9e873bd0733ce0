from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ci_itest.junit.attempts import MAX_ATTEMPTS
from ci_itest.junit.collect import MAX_DEPTH
from ci_itest.junit.mend import MAX_QUOTED
from ci_itest.junit.reader import read_report
from ci_itest.junit.values import ElementCounts, FileState, ReportFile
from ci_itest.model.cases import Verdict
from tests.helpers.junit_files import (
    CUT,
    ENCODED,
    ENTITIES,
    FAILURE,
    HUNDRED,
    NO_REPORT,
    NOT_WELL_FORMED,
    ODD,
    TWO,
    case,
    document,
    suite,
)

Read = Callable[[bytes | str], ReportFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(data: bytes | str) -> ReportFile:
        path = tmp_path / "junit.xml"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read_report(path)

    return read_bytes


def verdicts(file: ReportFile) -> list[Verdict]:
    return [one.verdict for one in file.cases]


@pytest.mark.parametrize("name", [*ENCODED, *NOT_WELL_FORMED, *ODD])
def test_every_case_and_failure_is_found_whatever_the_file_is_written_in(read: Read, name: str) -> None:
    file = read({**ENCODED, **NOT_WELL_FORMED, **ODD}[name])

    assert (file.counts.testcases, file.counts.failed) == (2, 1)
    assert verdicts(file) == [Verdict.PASSED, Verdict.FAILED]
    assert file.problem == ""


@pytest.mark.parametrize("name", NOT_WELL_FORMED)
def test_a_mended_file_says_so(read: Read, name: str) -> None:
    file = read(NOT_WELL_FORMED[name])

    assert file.state is FileState.REPAIRED or name == "a blank line first"
    assert file.remarks or name == "a blank line first"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("utf-8 with a mark", "fails ünd 🐳"),
        ("utf-16 little", "fails ünd 🐳"),
        ("utf-16 that is utf-8", "fails ünd 🐳"),
        ("latin-1", "fails ünd"),
        ("latin-1 that says utf-8", "fails ünd"),
        ("gbk", "fails 错nd"),
    ],
)
def test_names_keep_their_letters(read: Read, name: str, expected: str) -> None:
    assert read(ENCODED[name]).cases[1].name == expected


@pytest.mark.parametrize("name", ENTITIES)
def test_a_document_type_with_entities_is_refused_and_shown_as_written(read: Read, name: str) -> None:
    started = time.process_time()
    file = read(ENTITIES[name])

    assert file.state is FileState.REFUSED
    assert "entities" in file.problem
    assert file.counts.testcases == 1
    texts = "".join(attempt.details + attempt.message for one in file.cases for attempt in one.attempts)
    assert "root:" not in texts
    assert len(texts) < 100_000
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", CUT)
def test_what_came_before_a_cut_is_kept_and_the_cut_is_said(read: Read, name: str) -> None:
    data, begun = CUT[name]

    file = read(data)

    assert file.counts.testcases == begun
    assert f"cut off after {begun} test cases" in file.problem
    assert file.state is FileState.REPAIRED


def test_a_case_in_which_the_file_ends_did_not_pass(read: Read) -> None:
    last = read(CUT["in a start tag"][0]).cases[-1]

    assert last.verdict is Verdict.FAILED
    assert "cut off" in last.note


@pytest.mark.parametrize("name", NO_REPORT)
def test_what_is_no_report_is_named_for_what_it_is(read: Read, name: str) -> None:
    data, word = NO_REPORT[name]

    file = read(data)

    assert file.state is FileState.REFUSED
    assert word in file.problem
    assert not file.cases


def test_an_empty_report_of_a_runner_is_a_report(read: Read) -> None:
    file = read(document(suite("", name="pytest", tests=0)))

    assert (file.state, file.problem, len(file.cases)) == (FileState.READ, "", 0)


def test_several_documents_in_one_file_all_count(read: Read) -> None:
    file = read(TWO * 3)

    assert file.counts == ElementCounts(testcases=6, failed=3)
    assert "It holds 3 documents." in file.remarks


def test_a_document_that_breaks_off_before_the_next_is_cut_off(read: Read) -> None:
    file = read(TWO[: TWO.index("</testsuite>")] + TWO)

    assert file.counts.testcases == 4
    assert "cut off" in file.problem


def test_a_case_without_any_suite_counts(read: Read) -> None:
    assert verdicts(read('<testcase name="lonely"/>')) == [Verdict.PASSED]


def test_failures_that_only_the_counts_know_make_the_file_doubtful(read: Read) -> None:
    assert "2 failed" in read(document(suite(case("a"), tests=3, failures=2))).problem


def test_tests_that_only_the_counts_know_make_the_file_doubtful(read: Read) -> None:
    assert "holds none" in read(document(suite("", tests=7))).problem


def test_counts_that_differ_are_said_and_not_believed(read: Read) -> None:
    file = read(document(suite(case("a") + case("b", FAILURE), tests=999, failures=0)))

    assert file.problem == ""
    assert any("999" in remark for remark in file.remarks)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = read_report(tmp_path / "gone.xml")

    assert file.state is FileState.REFUSED
    assert "cannot be read" in file.problem


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    assert read_report(tmp_path).state is FileState.REFUSED


def test_more_cases_than_are_taken_are_said(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(HUNDRED, encoding="utf-8")

    file = read_report(tmp_path / "junit.xml", max_cases=10)

    assert file.counts.testcases == 10
    assert "left out" in file.problem


def test_a_file_beyond_the_size_that_is_read_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(HUNDRED, encoding="utf-8")

    assert "cut off" in read_report(tmp_path / "junit.xml", max_bytes=2_000).problem


def test_a_long_text_keeps_its_head_and_its_tail(read: Read) -> None:
    body = "<failure><![CDATA[first" + "log line\n" * 200_000 + "last]]></failure>"

    (attempt,) = read(document(suite(case("a", body)))).cases[0].attempts

    assert attempt.details.startswith("first")
    assert attempt.details.endswith("last")
    assert "characters left out" in attempt.details
    assert len(attempt.details) < 70_000


def test_suites_nested_beyond_reason_are_read_and_said(read: Read) -> None:
    deep = "<testsuite name='n'>" * 20_000 + case("deep") + "</testsuite>" * 20_000

    file = read(f"<testsuites>{deep}</testsuites>")

    assert [one.name for one in file.cases] == ["deep"]
    assert len(file.suites[-1].path) == MAX_DEPTH
    assert any("nested 20,000 deep" in remark for remark in file.remarks)


def test_no_bytes_make_the_reader_fail(read: Read) -> None:
    chance = random.Random(7)
    pieces = [
        TWO.encode(),
        HUNDRED.encode()[:3000],
        *NOT_WELL_FORMED.values(),
        *(data for data, _ in NO_REPORT.values()),
    ]
    for _ in range(400):
        data = bytearray(chance.choice(pieces))
        for _ in range(chance.randint(1, 12)):
            place = chance.randrange(len(data) + 1)
            data[place : place + chance.randint(0, 9)] = chance.choice(
                [
                    b"<",
                    b">",
                    b"&",
                    b"]]>",
                    b"<!--",
                    b"<![CDATA[",
                    b'"',
                    b"\0",
                    b"\xff",
                    b"<testcase",
                    b"</testsuite>",
                    b"<?xml ",
                ]
            )

        file = read(bytes(data))

        assert file.state in FileState
        assert file.problem or file.state is not FileState.REFUSED


def test_names_of_megabytes_are_cut_and_stay_apart(read: Read) -> None:
    first, second = "n" * 3_000_000 + "1", "n" * 3_000_000 + "2"

    file = read(document(suite(case(first) + case(second, FAILURE))))

    names = [one.name for one in file.cases]
    assert all(len(name) < 5_000 and name.startswith("nnnn") for name in names)
    assert len(set(names)) == 2
    assert verdicts(file) == [Verdict.PASSED, Verdict.FAILED]


def test_a_case_that_was_tried_a_thousand_times_keeps_its_first_and_last_attempts(read: Read) -> None:
    tries = "".join(case("a", f'<failure message="try {number}"/>', more=' line="7"') for number in range(1_000))

    file = read(document(suite(tries + case("a", more=' line="7"'))))

    (one,) = file.cases
    assert len(one.attempts) == MAX_ATTEMPTS
    assert (one.attempts[0].message, one.attempts[-2].message) == ("try 0", "try 999")
    assert one.verdict is Verdict.RECOVERED


def test_thousands_of_documents_in_one_file_are_all_read(read: Read) -> None:
    file = read("\n".join(f"<testsuite>{case(f't{number}')}</testsuite>" for number in range(2_000)))

    assert len(file.cases) == 2_000
    assert file.problem == ""
    assert "It holds 2000 documents." in file.remarks


@pytest.mark.parametrize("sign", ["<", "&"])
def test_a_report_that_is_drowned_in_bare_signs_is_not_whole(read: Read, sign: str) -> None:
    file = read(f"<testsuite>{case('a')}{sign * (MAX_QUOTED + 10)}{case('b', FAILURE)}</testsuite>")

    assert "cut off after 1 test case" in file.problem
