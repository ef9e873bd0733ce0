from __future__ import annotations

import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.junit.writer import junit_xml, run_junit_xml
from ci_itest.model.cases import Attempt, CaseResult, Outcome, Verdict
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import case_id, failed, failing_run, killed_shard_run, missing, recovered, result, skipped

GOLDEN = Path(__file__).parents[2] / "golden" / "reports"


def parsed(*cases: CaseResult) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(cases))


def only(parent: ElementTree.Element, path: str) -> ElementTree.Element:
    (found,) = parent.iterfind(path)
    return found


def counts(element: ElementTree.Element) -> dict[str, str]:
    return {name: element.attrib[name] for name in ("tests", "failures", "errors", "skipped") if name in element.attrib}


def test_a_run_is_written_as_it_was_read_and_approved(update_golden: bool) -> None:
    golden, written = GOLDEN / "failing.junit.xml", run_junit_xml(failing_run())
    if update_golden:
        golden.write_bytes(written)

    assert written == golden.read_bytes()


def test_each_suite_shard_and_file_is_a_testsuite() -> None:
    document = parsed(
        result("a", file="tests/a.py", shard=1),
        result("b", file="tests/a.py", shard=2),
        result("c", file="tests/c.py", shard=1),
        result("d", file="tests/c.py", shard=1),
        result("e", file="tests/c.py", shard=1, suite="e2e"),
    )

    assert [(suite.get("file"), suite.get("tests")) for suite in document] == [
        ("tests/a.py", "1"),
        ("tests/a.py", "1"),
        ("tests/c.py", "2"),
        ("tests/c.py", "1"),
    ]


def test_a_suite_says_its_shard_as_people_read_it() -> None:
    document = ElementTree.fromstring(run_junit_xml(failing_run()))

    labels = {one.get("value") for one in document.iterfind("testsuite/properties/property[@name='shard']")}

    assert labels == {"1/2", "2/2"}


def test_the_counts_are_those_of_the_cases() -> None:
    cases = [
        result("passes"),
        failed("fails"),
        failed("fails_again", tries=3),
        result("errs", [Outcome.ERROR], message="fixture"),
        recovered("recovers"),
        skipped("skips"),
        missing("is_missing", shard=1),
        result("quarantined", [Outcome.FAILED], verdict=Verdict.QUARANTINED),
    ]

    document = parsed(*cases)

    assert counts(document[0]) == {"tests": "8", "failures": "2", "errors": "2", "skipped": "2"}
    assert counts(document) == {"tests": "8", "failures": "2", "errors": "2"}
    for tag, count in (("failure", 2), ("error", 2), ("skipped", 2)):
        assert len(list(document.iterfind(f"testsuite/testcase/{tag}"))) == count


def test_an_attempt_that_failed_before_a_pass_is_a_flaky_failure() -> None:
    case = only(parsed(recovered("a", "TimeoutError: 5 s", details="trace", output="said")), "testsuite/testcase")

    flaky = only(case, "flakyFailure")

    assert case.find("failure") is None
    assert (flaky.get("message"), flaky.get("type"), flaky.get("time")) == ("TimeoutError: 5 s", "TimeoutError", "0.25")
    assert (flaky.findtext("stackTrace"), flaky.findtext("system-out")) == ("trace", "said")


def test_an_attempt_that_failed_before_a_failure_is_a_rerun() -> None:
    case = only(parsed(failed("a", "KeyError: 'sku'", tries=3, details="trace")), "testsuite/testcase")

    assert len(list(case.iterfind("rerunFailure"))) == 2
    assert only(case, "failure").text == "trace"
    assert only(case, "properties/property[@name='attempts']").get("value") == "3"


def test_an_error_before_a_pass_is_a_flaky_error() -> None:
    case = only(parsed(result("a", [Outcome.ERROR, Outcome.PASSED], message="boom")), "testsuite/testcase")

    assert only(case, "flakyError").get("message") == "boom"


def test_a_missing_case_is_an_error_that_says_why() -> None:
    error = only(
        ElementTree.fromstring(run_junit_xml(killed_shard_run())),
        ".//error[@message='no result: was running when the shard was stopped']",
    )

    assert error.get("type") == "missing"


def test_a_failure_in_quarantine_counts_as_skipped() -> None:
    case = only(
        parsed(result("a", [Outcome.FAILED], message="late", verdict=Verdict.QUARANTINED)), "testsuite/testcase"
    )

    assert only(case, "skipped").get("message") == "failed in quarantine: late"
    assert case.find("failure") is None


def test_a_case_is_found_by_file_line_and_class() -> None:
    case = only(
        parsed(failed("TestCart::test_adds[a::b]", file="tests/shop/test_cart.py", line=7)), "testsuite/testcase"
    )

    assert (case.get("classname"), case.get("name")) == ("tests.shop.test_cart.TestCart", "TestCart::test_adds[a::b]")
    assert (case.get("file"), case.get("line")) == ("tests/shop/test_cart.py", "7")


def test_what_a_test_recorded_is_kept() -> None:
    one = Attempt(case=case_id("a"), outcome=Outcome.PASSED, properties=(("ticket", "ABC-1"),), output="hello")

    case = only(parsed(CaseResult(one.case, (one,), Verdict.PASSED, shard=1)), "testsuite/testcase")

    assert only(case, "properties/property[@name='ticket']").get("value") == "ABC-1"
    assert case.findtext("system-out") == "hello"


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_well_formed_and_comes_back_readable(text: str) -> None:
    document = parsed(
        failed(f"n{text}", text, details=text, output=text, tries=2, file=f"f{text}"),
        recovered(f"r{text}", text),
        missing(f"m{text}", text),
        skipped(f"s{text}", text),
    )

    assert len(list(document.iterfind("testsuite/testcase"))) == 4
    assert not any("\x1b" in (part or "") for one in document.iter() for part in (one.text, *one.attrib.values()))


def test_a_novel_of_output_keeps_its_head_and_its_tail() -> None:
    text = only(parsed(failed("a", output="head" + "x" * 1_000_000 + "tail")), "testsuite/testcase").findtext(
        "system-out"
    )

    assert text is not None
    assert text.startswith("head")
    assert text.endswith("tail")
    assert len(text) < 70_000


def test_time_grows_with_the_cases_and_not_with_their_square() -> None:
    def seconds(count: int) -> float:
        cases = [result(f"test_{number}") for number in range(count)]
        start = time.process_time()
        junit_xml(cases)
        return time.process_time() - start

    seconds(200)

    # Eight times the cases in one suite: 64 times as long if each case made the suite be counted anew.
    assert seconds(8_000) < 24 * max(seconds(1_000), 0.005)


def test_no_case_makes_an_empty_document() -> None:
    document = parsed()

    assert document.tag == "testsuites"
    assert counts(document) == {"tests": "0", "failures": "0", "errors": "0"}


def test_the_start_of_a_suite_is_its_first_attempts() -> None:
    one = replace(result("a").attempts[0], started_at="2026-03-04T10:35:00+00:00")

    document = parsed(CaseResult(one.case, (one,), Verdict.PASSED, shard=1))

    assert document[0].get("timestamp") == "2026-03-04T10:35:00+00:00"
