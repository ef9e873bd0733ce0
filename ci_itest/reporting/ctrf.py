"""A run in the Common Test Report Format (https://ctrf.io), for the tools that read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ci_itest import __version__
from ci_itest.model.cases import Attempt, CaseResult, Outcome, Verdict
from ci_itest.model.table import CaseTable
from ci_itest.reporting.sanitise import visible

SPEC_VERSION = "1.0.0"

_STATUS = {
    Verdict.PASSED: "passed",
    Verdict.RECOVERED: "passed",
    Verdict.FAILED: "failed",
    Verdict.SKIPPED: "skipped",
    # Neither counts as a failure of the tests in their own numbers; both are said in `rawStatus`.
    Verdict.QUARANTINED: "other",
    Verdict.MISSING: "other",
}
_ATTEMPT_STATUS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "failed",
    Outcome.SKIPPED: "skipped",
}
_TRACE_LIMIT = 16_000
_PIECE = 5_000


def ctrf_report(cases: CaseTable, *, started_at: str, at: str) -> Iterator[bytes]:
    """The document in pieces.

    Args:
        started_at: When the run started, UTC ISO 8601; "" where nobody knows.
        at: When the report is made, UTC ISO 8601.
    """
    counts = {verdict: cases.count(verdict) for verdict in Verdict}
    start = _milliseconds(started_at) or _milliseconds(at)
    duration = round(sum(cases.seconds) * 1000)
    summary = {
        "tests": len(cases),
        **{
            status: sum(count for verdict, count in counts.items() if _STATUS[verdict] == status)
            for status in ("passed", "failed", "skipped", "pending", "other")
        },
        "flaky": counts[Verdict.RECOVERED],
        "suites": len(cases.groups),
        "start": start,
        "stop": max(_milliseconds(at), start),
        "duration": duration,
    }
    head = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "timestamp": at,
        "generatedBy": f"ci-itest {__version__}",
        "results": {"tool": {"name": "ci-itest", "version": __version__}, "summary": summary, "tests": []},
    }
    yield msgspec.json.encode(head).removesuffix(b"]}}")
    for first in range(0, len(cases), _PIECE):
        tests = [_test(cases, place) for place in range(first, min(first + _PIECE, len(cases)))]
        data = msgspec.json.encode(tests)[1:-1]
        yield b"," + data if first else data
    yield b"]}}\n"


def _test(cases: CaseTable, place: int) -> dict[str, Any]:
    group, verdict = cases.groups[cases.group_of[place]], cases.verdict(place)
    test: dict[str, Any] = {
        "name": _shown(cases.names[place]) or "(no name)",
        "status": _STATUS[verdict],
        "duration": round(cases.seconds[place] * 1000),
    }
    if suite := [_shown(part) for part in (group.file, *group.prefix.split("::")) if part]:
        test["suite"] = suite
    if group.file:
        test["filePath"] = _shown(group.file)
    result = cases.results.get(place)
    if result is not None:
        test |= _details(result)
    return test


def _details(result: CaseResult) -> dict[str, Any]:
    explains, last = result.first_bad or result.last, result.last
    details: dict[str, Any] = {"rawStatus": result.verdict.value}
    if explains is not None:
        details |= _texts(explains)
        if explains.line:
            details["line"] = explains.line
    elif result.note:
        details["message"] = _shown(result.note)
    if result.verdict is Verdict.RECOVERED:
        details["flaky"] = True
    if len(result.attempts) > 1 and last is not None:
        details["retries"] = len(result.attempts) - 1
        details["retryAttempts"] = [_attempt(attempt) for attempt in result.attempts]
    return details


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": max(attempt.number, 1),
        "status": _ATTEMPT_STATUS[attempt.outcome],
        "duration": round(attempt.seconds * 1000),
        **_texts(attempt),
    }


def _texts(attempt: Attempt) -> dict[str, Any]:
    texts: dict[str, Any] = {}
    if attempt.message:
        texts["message"] = _shown(attempt.message)
    if attempt.details:
        texts["trace"] = _shown(attempt.details[:_TRACE_LIMIT])
    if attempt.output:
        texts["stdout"] = _shown(attempt.output[:_TRACE_LIMIT]).splitlines()
    return texts


def _shown(text: str) -> str:
    return visible(text)


def _milliseconds(iso: str) -> int:
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return 0
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
