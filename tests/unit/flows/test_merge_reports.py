from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ci_itest.flows.merge_reports import MergedReports, find_reports, labels_of, merge_reports
from ci_itest.model.cases import Verdict
from ci_itest.model.run import Conclusion, FindingKind, RunFacts, conclusion_of
from tests.helpers.junit_files import CUT, ENTITIES, FAILURE, NO_REPORT, case, document, gotestsum, suite

FACTS = RunFacts(run_id="", commit="c0ffee", started_at="2026-11-21T10:00:00+00:00")
GREEN = document(suite(case("a") + case("b"), tests=2, failures=0))


def merged(folder: Path, files: Mapping[str, str | bytes]) -> MergedReports:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    found, searched = find_reports([folder])
    return merge_reports(found, FACTS, searched=searched)


def conclusion(reports: MergedReports) -> Conclusion:
    return conclusion_of(
        has_findings=bool(reports.run.findings),
        failed_count=reports.cases.count(Verdict.FAILED),
        case_count=len(reports.cases),
    )


def names(reports: MergedReports) -> list[str]:
    return [one.case.node_id for one in reports.cases]


def test_green_files_make_a_green_run(tmp_path: Path) -> None:
    reports = merged(tmp_path, {"1.xml": GREEN, "2.xml": document(suite(case("c")))})

    assert conclusion(reports) is Conclusion.SUCCESS
    assert names(reports) == ["pkg.T::a", "pkg.T::b", "pkg.T::c"]


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_is_cut_off_is_never_green(tmp_path: Path, name: str) -> None:
    data = CUT[name][0].replace(b"<failure", b"<properties").replace(b"</failure", b"</properties")

    reports = merged(tmp_path, {"good.xml": GREEN, "cut.xml": data})

    assert conclusion(reports) is Conclusion.INCOMPLETE
    assert "cut.xml" in reports.run.findings[0].message


@pytest.mark.parametrize("name", [*NO_REPORT, *ENTITIES])
def test_a_refused_file_is_never_green(tmp_path: Path, name: str) -> None:
    data = {**{one: content for one, (content, _) in NO_REPORT.items()}, **ENTITIES}[name]
    path = tmp_path / "refused.xml"
    path.write_bytes(data)

    reports = merge_reports([path], FACTS)

    assert [finding.kind for finding in reports.run.findings] == [FindingKind.UNREADABLE_REPORT]


def test_a_missing_file_is_never_green(tmp_path: Path) -> None:
    reports = merge_reports([tmp_path / "gone.xml"], FACTS)

    assert conclusion(reports) is Conclusion.INCOMPLETE


def test_a_doubled_file_is_never_green_and_counts_once(tmp_path: Path) -> None:
    reports = merged(tmp_path, {"shard-1/junit.xml": GREEN, "shard-2/junit.xml": GREEN})

    assert [finding.kind for finding in reports.run.findings] == [FindingKind.DOUBLED_FILE]
    assert "shard-2/junit.xml is the same file as shard-1/junit.xml" in reports.run.findings[0].message
    assert len(reports.cases) == 2


def test_equal_files_without_cases_are_no_trouble(tmp_path: Path) -> None:
    nothing = document(suite("", name="pytest", tests=0))

    assert not merged(tmp_path, {"1.xml": nothing, "2.xml": nothing, "3.xml": GREEN}).run.findings


def test_a_file_named_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(GREEN, encoding="utf-8")

    found, _ = find_reports([path, tmp_path, tmp_path / "." / "a.xml"])

    assert found == [path]


def test_files_without_a_case_are_not_green(tmp_path: Path) -> None:
    assert conclusion(merged(tmp_path, {"1.xml": document(suite("", tests=0))})) is Conclusion.NOTHING


def test_the_same_case_in_two_files_is_two_results(tmp_path: Path) -> None:
    # A matrix leg's failure must not be taken for an attempt that the other leg's pass makes good.
    bad = document(suite(case("a", FAILURE) + case("b")))

    reports = merged(tmp_path, {"py311/junit.xml": bad, "py312/junit.xml": GREEN})

    assert conclusion(reports) is Conclusion.FAILURE
    assert [(one.case.suite, one.case.name, one.verdict.value) for one in reports.cases] == [
        ("py311/junit.xml", "pkg.T::a", "failed"),
        ("py311/junit.xml", "pkg.T::b", "passed"),
        ("py312/junit.xml", "pkg.T::a", "passed"),
        ("py312/junit.xml", "pkg.T::b", "passed"),
    ]
    assert any("2 files hold tests of the same names" in note for note in reports.run.notes)


def test_tests_of_one_name_in_one_file_keep_apart(tmp_path: Path) -> None:
    text = document(suite(case("a") + case("a", FAILURE), name="chromium"), suite(case("a"), name="firefox"))

    reports = merged(tmp_path, {"junit.xml": text})

    assert len(set(names(reports))) == 3
    assert reports.cases.count(Verdict.FAILED) == 1


def test_retries_become_one_recovered_case(tmp_path: Path) -> None:
    reports = merged(tmp_path, {"junit.xml": gotestsum(("Flaky", "fail"), ("Ok", "pass"), ("Flaky", "pass"))})

    (recovered,) = reports.cases.with_verdict(Verdict.RECOVERED)
    assert [attempt.number for attempt in recovered.attempts] == [1, 2]
    assert conclusion(reports) is Conclusion.SUCCESS


@pytest.mark.parametrize(
    ("attributes", "classname", "expected"),
    [
        (' file="tests/test_a.py" line="9"', "tests.test_a.TestX", "tests/test_a.py::TestX::t"),
        (' file="tests/test_a.py" line="9"', "tests.test_a", "tests/test_a.py::t"),
        (' file="./src/a.test.js"', "t", "src/a.test.js::t"),
        (' file="src\\FooTest.php"', "FooTest", "src/FooTest.php::FooTest::t"),
        ("", "com.acme.FooTest", "com.acme.FooTest::t"),
        ("", "", "outer::t"),
    ],
)
def test_a_case_is_named_as_its_own_tool_would(tmp_path: Path, attributes: str, classname: str, expected: str) -> None:
    text = document(suite(case("t", classname=classname, more=attributes), name="outer"))

    assert names(merged(tmp_path, {"junit.xml": text})) == [expected]


def test_what_stands_beside_reports_in_a_folder_is_passed_over_and_said(tmp_path: Path) -> None:
    reports = merged(tmp_path, {"TEST-a.xml": GREEN, "failsafe-summary.xml": "<failsafe-summary result='0'/>"})

    assert not reports.run.findings
    assert any("failsafe-summary.xml was passed over" in note for note in reports.run.notes)


def test_the_same_file_named_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "failsafe-summary.xml"
    path.write_text("<failsafe-summary result='0'/>", encoding="utf-8")

    assert merge_reports([path], FACTS).run.findings


def test_the_reports_own_folder_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "junit.xml").write_text(GREEN, encoding="utf-8")

    assert find_reports([tmp_path], without=tmp_path / "report") == ([], [])


def test_files_are_called_by_what_tells_them_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "1" / "junit.xml", tmp_path / "a" / "2" / "junit.xml"]

    assert labels_of(paths) == ["1/junit.xml", "2/junit.xml"]
    assert labels_of(paths[:1]) == ["junit.xml"]


def test_a_folder_of_ten_thousand_files_is_read(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}.xml").write_text(document(suite(case(f"t{number}"))), encoding="utf-8")

    assert len(merged(tmp_path, {}).cases) == 10_000


def test_texts_stay_within_their_room_however_many_tests_fail(tmp_path: Path) -> None:
    long = f"<failure message='m'>{'x' * 60_000}</failure>"
    files = {f"{n}.xml": document(suite("".join(case(f"t{n}-{m}", long) for m in range(10)))) for n in range(30)}

    reports = merged(tmp_path, files)

    kept = sum(len(attempt.details) for one in reports.cases.results.values() for attempt in one.attempts)
    assert reports.cases.count(Verdict.FAILED) == 300
    assert kept < 8_000_000
