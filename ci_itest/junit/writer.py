"""A run's cases as one JUnit file for other tools, retries kept the way Surefire writes them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ci_itest.model.cases import Attempt, CaseResult, Outcome, Verdict
from ci_itest.model.run import Run

if TYPE_CHECKING:
    from ci_itest.junit import elements

_TEXT_LIMIT = 64 * 1024
_MESSAGE_LIMIT = 4 * 1024
# XML 1.0 knows no other control character, no lone surrogate and no non-character, escaped or not.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(slots=True)
class _Counts:
    """What a suite's attributes say; counted here, since junitparser recounts a suite for each case it is given."""

    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0
    started_at: str = ""

    def add(self, other: _Counts) -> None:
        self.tests += other.tests
        self.failures += other.failures
        self.errors += other.errors
        self.skipped += other.skipped
        self.seconds += other.seconds


@dataclass(slots=True)
class _Suite:
    """A test suite that is being filled."""

    element: Any
    counts: _Counts = field(default_factory=_Counts)


def junit_xml(
    cases: Iterable[CaseResult], *, name: str = "ci-itest", shard_labels: Mapping[tuple[str, int], str] | None = None
) -> bytes:
    """The cases as JUnit XML: a testsuite for each suite, shard and file, in the order of the cases.

    An earlier attempt is a `flakyFailure` or `flakyError` where the case passed in the end, a `rerunFailure` or
    `rerunError` where it did not. A case without a result is an error, one that failed in quarantine is skipped:
    a tool that reads only the counts comes to our verdict.

    Args:
        name: Of the whole document.
        shard_labels: What shards are called, by suite and index; the index where it is not given.
    """
    from ci_itest.junit import elements

    labels = shard_labels or {}
    suites: dict[tuple[str, int, str], _Suite] = {}
    for result in cases:
        key = (result.case.suite, result.shard, result.case.file)
        suite = suites.get(key)
        if suite is None:
            label = labels.get(key[:2], str(result.shard) if result.shard else "none")
            suite = suites[key] = _Suite(_suite_element(elements, result, label))
        seconds = result.seconds
        _count(suite.counts, result, seconds)
        # Not add_testcase(): that recounts the suite, which makes a file of n cases cost n * n.
        suite.element.append(_case_element(elements, result, seconds))
    return _document(elements, name, suites.values())


def run_junit_xml(run: Run) -> bytes:
    """A merged run as one JUnit file."""
    return junit_xml(run.cases, shard_labels={(shard.suite, shard.index): shard.label for shard in run.shards})


def _document(library: Any, name: str, suites: Iterable[_Suite]) -> bytes:
    total = _Counts()
    document = library.JUnitXml(name)
    for suite in suites:
        _write_counts(suite.element, suite.counts)
        if suite.counts.started_at:
            suite.element.timestamp = suite.counts.started_at
        # JUnit has no skipped at the root; readers of it add the suites up.
        total.add(suite.counts)
        document.append(suite.element)
    document.tests, document.failures, document.errors = total.tests, total.failures, total.errors
    document.time = round(total.seconds, 3)
    output = io.BytesIO()
    document.write(output)
    return output.getvalue() + b"\n"


def _write_counts(element: Any, counts: _Counts) -> None:
    element.tests, element.failures = counts.tests, counts.failures
    element.errors, element.skipped = counts.errors, counts.skipped
    element.time = round(counts.seconds, 3)


def _count(counts: _Counts, result: CaseResult, seconds: float) -> None:
    counts.tests += 1
    counts.seconds += seconds
    match result.verdict:
        case Verdict.PASSED:
            pass
        case Verdict.FAILED:
            is_error = result.last is not None and result.last.outcome is Outcome.ERROR
            counts.errors += is_error
            counts.failures += not is_error
        case Verdict.MISSING:
            counts.errors += 1
        case Verdict.SKIPPED | Verdict.QUARANTINED:
            counts.skipped += 1
    if result.attempts and not counts.started_at:
        counts.started_at = _clean(result.attempts[0].started_at)


def _suite_element(library: Any, result: CaseResult, label: str) -> elements.SuiteElement:
    case = result.case
    element = library.SuiteElement(_clean(case.file or case.suite))
    if case.file:
        element.file = _clean(case.file)
    element.add_property("suite", _clean(case.suite))
    element.add_property("shard", _clean(label))
    return element  # type: ignore[no-any-return]


def _case_element(library: Any, result: CaseResult, seconds: float) -> elements.CaseElement:
    case, last = result.case, result.last
    element = library.CaseElement(_clean(case.name), classname=_clean(_class_name(result)), time=round(seconds, 3))
    if case.file:
        element.file = _clean(case.file)
    line = next((attempt.line for attempt in result.attempts if attempt.line), 0)
    if line:
        element.line = str(line)
    for name, value in _properties(result):
        element.add_property(name, value)
    if result.verdict is Verdict.PASSED and not (last and last.output):
        return element  # type: ignore[no-any-return]
    for final in _final_results(library, result):
        element.append(final)
    for attempt in result.attempts[:-1]:
        if attempt.outcome.is_bad:
            element.append(_interim(library, attempt, is_flaky=last is not None and not last.outcome.is_bad))
    if last is not None and last.output:
        element.append(library.SystemOut(_text(last.output)))
    return element  # type: ignore[no-any-return]


def _class_name(result: CaseResult) -> str:
    """File and classes with dots, as pytest writes it: what tools that know no `file` group by."""
    case = result.case
    file = case.file.removesuffix(".py").replace("/", ".")
    classes = case.name.partition("[")[0].rpartition("::")[0].replace("::", ".")
    return f"{file}.{classes}" if file and classes else file or classes or case.suite


def _properties(result: CaseResult) -> list[tuple[str, str]]:
    properties = []
    if len(result.attempts) > 1:
        properties.append(("attempts", str(len(result.attempts))))
    if result.verdict in (Verdict.QUARANTINED, Verdict.MISSING):
        properties.append(("verdict", result.verdict.value))
    if result.last is not None:
        properties += [(_clean(name), _clean(value)) for name, value in result.last.properties]
    return properties


def _final_results(library: Any, result: CaseResult) -> list[Any]:
    last = result.last
    match result.verdict:
        case Verdict.MISSING:
            return [
                _result(library.Error(_message(f"no result{f': {result.note}' if result.note else ''}"), "missing"))
            ]
        case Verdict.QUARANTINED:
            return [_result(library.Skipped(_message(f"failed in quarantine: {last.message if last else ''}")))]
        case Verdict.SKIPPED:
            return [_result(library.Skipped(_message(last.message if last else "")))]
        case Verdict.FAILED if last is not None:
            kind = library.Error if last.outcome is Outcome.ERROR else library.Failure
            return [_result(kind(_message(last.message), _type(last.message)), last.details)]
    return []


def _result(element: Any, details: str = "") -> Any:
    if details:
        element.text = _text(details)
    return element


def _interim(library: Any, attempt: Attempt, *, is_flaky: bool) -> Any:
    kinds = {
        (True, Outcome.FAILED): library.TimedFlakyFailure,
        (True, Outcome.ERROR): library.TimedFlakyError,
        (False, Outcome.FAILED): library.TimedRerunFailure,
        (False, Outcome.ERROR): library.TimedRerunError,
    }
    element = kinds[is_flaky, attempt.outcome](_message(attempt.message), _type(attempt.message))
    element.time = round(attempt.seconds, 3)
    if attempt.details:
        element.stack_trace = _text(attempt.details)
    if attempt.output:
        element.append(library.SystemOut(_text(attempt.output)))
    return element


def _type(message: str) -> str | None:
    """The exception's name where the message starts with one, as pytest's do."""
    name, colon, _ = message.partition(":")
    return _clean(name) if colon and name.replace(".", "").replace("_", "").isalnum() and len(name) < 200 else None


def _message(text: str) -> str:
    return _clean(_cut(text, _MESSAGE_LIMIT))


def _text(text: str) -> str:
    return _clean(_cut(text, _TEXT_LIMIT))


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 3
    return f"{text[:head]}\n… {len(text) - limit:,} characters left out …\n{text[head - limit :]}"


def _clean(text: str) -> str:
    """The text with what XML cannot hold as `\\uXXXX`."""
    if text.isascii() and text.isprintable():
        return text
    return _NOT_XML.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
