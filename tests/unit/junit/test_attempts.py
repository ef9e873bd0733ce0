from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.junit.reader import read_report
from ci_itest.junit.values import ReportCase
from ci_itest.model.cases import Outcome, Verdict
from tests.helpers.junit_files import FAILURE, case, document, gotestsum, pytest_reruns, suite

ERROR = '<error message="teardown" type="E">late</error>'
PASSED, FAILED, RECOVERED, SKIPPED = Verdict.PASSED, Verdict.FAILED, Verdict.RECOVERED, Verdict.SKIPPED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def cases(folder: Path, text: str) -> tuple[ReportCase, ...]:
    path = folder / "junit.xml"
    path.write_text(text, encoding="utf-8")
    return tuple(read_report(path).cases)


def verdicts(folder: Path, text: str) -> list[Verdict]:
    return [one.verdict for one in cases(folder, text)]


@pytest.mark.parametrize(
    ("body", "verdict", "attempts"),
    [
        ("", PASSED, []),
        (FAILURE, FAILED, ["failed"]),
        (ERROR, FAILED, ["error"]),
        (FAILURE + FAILURE, FAILED, ["failed"]),
        (FAILURE + ERROR, FAILED, ["error"]),
        ("<skipped/>", SKIPPED, ["skipped"]),
        ("<skipped/>" + FAILURE, FAILED, ["failed"]),
        ('<flakyFailure message="1"/>', RECOVERED, ["failed", "passed"]),
        ('<flakyError message="1"/><flakyFailure message="2"/>', RECOVERED, ["error", "failed", "passed"]),
        (FAILURE + '<rerunFailure message="1"/><rerunError message="2"/>', FAILED, ["failed", "failed", "error"]),
        ('<rerunFailure message="1"/>', FAILED, ["failed"]),
        ('<flakyFailure message="1"/>' + FAILURE, FAILED, ["failed", "failed"]),
        ('<skipped/><flakyFailure message="odd"/>', SKIPPED, ["failed", "skipped"]),
    ],
)
def test_what_stands_in_a_case_makes_its_attempts(
    folder: Path, body: str, verdict: Verdict, attempts: list[str]
) -> None:
    (one,) = cases(folder, document(suite(case("a", body))))

    assert one.verdict is verdict
    assert [attempt.outcome for attempt in one.attempts] == attempts


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        (' status="run" result="completed"', PASSED),
        (' status="passed"', PASSED),
        (' status="notrun" result="suppressed"', SKIPPED),
        (' status="disabled"', SKIPPED),
        (' status="failed"', FAILED),
        (' status="Aborted"', FAILED),
        (' result="Timeout"', FAILED),
        (' success="false"', FAILED),
    ],
)
def test_a_case_that_only_its_attributes_judge(folder: Path, more: str, verdict: Verdict) -> None:
    assert verdicts(folder, document(suite(case("a", more=more)))) == [verdict]


def test_a_disabled_case_that_failed_has_failed(folder: Path) -> None:
    assert verdicts(folder, document(suite(case("a", FAILURE, more=' status="disabled"')))) == [FAILED]


def test_the_texts_of_every_attempt_are_kept(folder: Path) -> None:
    body = (
        '<flakyFailure message="first" type="A" time="0.1"><stackTrace><![CDATA[trace 1]]></stackTrace>'
        "<system-out>said 1</system-out></flakyFailure>"
        '<flakyError message="second"><stackTrace>trace 2</stackTrace></flakyError>'
    )

    first, second, _ = cases(folder, document(suite(case("a", body))))[0].attempts

    assert (first.message, first.details, first.output, first.seconds) == ("first", "trace 1", "said 1", 0.1)
    assert (second.message, second.details) == ("second", "trace 2")


def test_a_failure_without_a_message_takes_one_from_its_text(folder: Path) -> None:
    bodies = ("<failure>\n  It broke\nat x</failure>", '<failure message=""/><system-out>a\nlast words\n</system-out>')

    found = cases(folder, document(suite("".join(case(f"t{n}", body) for n, body in enumerate(bodies)))))

    assert [one.attempts[0].message for one in found] == ["It broke", "last words"]


def test_pytest_rerunfailures_counts_tests_and_not_attempts(folder: Path) -> None:
    text = pytest_reruns(
        ["pass"], ["rerun", "pass"], ["rerun", "rerun", "pass"], ["rerun", "rerun", "fail"], declared=4
    )

    found = cases(folder, text)

    assert [one.verdict for one in found] == [PASSED, RECOVERED, RECOVERED, FAILED]
    assert [len(one.attempts) for one in found] == [0, 2, 3, 3]


def test_a_rerun_whose_last_attempt_failed_in_its_teardown_too_is_one_test(folder: Path) -> None:
    (one,) = cases(folder, pytest_reruns(["rerun", "fail", "error"], declared=2))[:1]

    assert [attempt.outcome for attempt in one.attempts] == ["failed", "error"]


def test_pytest_writes_a_failure_and_its_teardowns_as_two_cases_of_one_test(folder: Path) -> None:
    (one,) = cases(folder, pytest_reruns(["fail", "error"], declared=2))

    assert [attempt.outcome for attempt in one.attempts] == [Outcome.ERROR]
    assert one.attempts[0].message == "boom; teardown"


def test_gotestsum_writes_all_failures_first(folder: Path) -> None:
    text = gotestsum(("Fail", "fail"), ("Flaky", "fail"), ("Fail", "fail"), ("Ok", "pass"), ("Flaky", "pass"))

    assert {one.name: one.verdict for one in cases(folder, text)} == {"Fail": FAILED, "Flaky": RECOVERED, "Ok": PASSED}


def test_a_suite_run_twice_holds_no_retries(folder: Path) -> None:
    # go test -count=2: what failed once has failed, though it passed the other time.
    text = gotestsum(("A", "fail"), ("B", "pass"), ("A", "pass"), ("B", "pass"))

    assert verdicts(folder, text).count(FAILED) == 1


@pytest.mark.parametrize("order", [("fail", "pass"), ("pass", "fail"), ("pass", "fail", "pass")])
def test_two_tests_of_one_name_are_two_tests(folder: Path, order: tuple[str, ...]) -> None:
    # jest, Playwright and the JVM allow it; a failure beside a pass must not turn green.
    text = document(suite("".join(case("same", FAILURE if outcome == "fail" else "") for outcome in order)))

    found = cases(folder, text)

    assert [one.ordinal for one in found] == list(range(1, len(order) + 1))
    assert sum(one.verdict is FAILED for one in found) == 1


def test_the_same_line_shows_a_retry(folder: Path) -> None:
    line = ' file="a.js" line="15"'
    text = document(suite(case("same", FAILURE, more=line) + case("same", more=line)))

    assert verdicts(folder, text) == [RECOVERED]


def test_different_lines_show_two_tests(folder: Path) -> None:
    text = document(suite(case("same", FAILURE, more=' line="15"') + case("same", more=' line="19"')))

    assert sorted(verdicts(folder, text)) == [FAILED, PASSED]


def test_the_same_case_in_two_suites_is_two_cases(folder: Path) -> None:
    text = document(suite(case("a", FAILURE), name="chromium"), suite(case("a"), name="firefox"))

    assert verdicts(folder, text) == [FAILED, PASSED]


def test_a_suite_that_failed_outside_its_tests_is_a_failed_case(folder: Path) -> None:
    text = document(suite('<error message="set-up failed">trace</error>', tests=0), suite(case("a")))

    found = {one.name: one.verdict for one in cases(folder, text)}

    assert found == {"a": PASSED, "<suite>": FAILED}
