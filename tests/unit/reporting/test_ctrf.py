from __future__ import annotations

import json
from typing import Any

from ci_itest.model.cases import CaseResult, Outcome, Verdict
from ci_itest.model.table import CaseTable
from ci_itest.reporting.ctrf import ctrf_report
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import AT, failed, failing_run, missing, recovered, result, skipped


def written(*cases: CaseResult) -> dict[str, Any]:
    data = b"".join(ctrf_report(CaseTable.of(cases), started_at="2026-03-04T10:34:12+00:00", at=AT))
    document: dict[str, Any] = json.loads(data)
    return document


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document["results"]["tests"]}


def test_every_case_is_there_with_its_status() -> None:
    document = written(
        result("a"),
        failed("b"),
        recovered("c"),
        skipped("d"),
        missing("e"),
        result("f", [Outcome.FAILED], verdict=Verdict.QUARANTINED),
    )

    assert {name: one["status"] for name, one in by_name(document).items()} == {
        "a": "passed",
        "b": "failed",
        "c": "passed",
        "d": "skipped",
        "e": "other",
        "f": "other",
    }
    assert document["results"]["summary"] == {
        "tests": 6,
        "passed": 2,
        "failed": 1,
        "skipped": 1,
        "pending": 0,
        "other": 2,
        "flaky": 1,
        "suites": 1,
        "start": 1772620452000,
        "stop": 1772620860000,
        "duration": 1500,
    }


def test_a_retry_keeps_every_attempt() -> None:
    one = by_name(written(recovered("a", "TimeoutError: 5 s", details="trace", output="said\ntwice")))["a"]

    assert (one["flaky"], one["retries"], one["message"], one["trace"]) == (True, 1, "TimeoutError: 5 s", "trace")
    assert one["stdout"] == ["said", "twice"]
    assert [(attempt["attempt"], attempt["status"]) for attempt in one["retryAttempts"]] == [
        (1, "failed"),
        (2, "passed"),
    ]


def test_file_classes_and_line_are_told() -> None:
    one = by_name(written(failed("TestCart::test_adds", file="tests/test_cart.py", line=12)))["test_adds"]

    assert (one["filePath"], one["suite"], one["line"]) == (
        "tests/test_cart.py",
        ["tests/test_cart.py", "TestCart"],
        12,
    )


def test_the_document_says_what_it_is() -> None:
    document = written(*failing_run().cases)

    assert (document["reportFormat"], document["specVersion"]) == ("CTRF", "1.0.0")
    assert document["results"]["tool"]["name"] == "ci-itest"


def test_text_of_any_kind_gives_a_document() -> None:
    written(*(failed(f"a{text}", f"m{text}", details=text, output=text) for text in (*HOSTILE, "\ud83d")))
