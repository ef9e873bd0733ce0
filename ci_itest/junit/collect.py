"""Parser events to the suites and test cases of a JUnit document, as they stand there.

Element names count without their namespace prefix and in lower case. What no producer of JUnit writes is passed over.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter

from ci_itest.junit.numbers import count, seconds
from ci_itest.junit.plain import PlainRun
from ci_itest.junit.texts import TEXT_LIMIT, BoundedText
from ci_itest.junit.values import CaseColumns, ElementCounts, ReportCase, ReportSuite
from ci_itest.model.cases import Outcome

MAX_DEPTH = 512
"""Suites inside each other whose names are kept; a path of 50,000 names would cost their square."""

MAX_CASES = 2_000_000
"""Test cases taken from one file."""

MAX_PROPERTIES = 100

MAX_NAME = 20_000
"""Characters of a name beyond which it is cut: every page, document and history would carry it."""

_NAME_HEAD = 4_000

_RESULTS = {"failure": Outcome.FAILED, "error": Outcome.ERROR}
_BEFORE_THE_PASS = {"flakyfailure": Outcome.FAILED, "flakyerror": Outcome.ERROR, "rerun": Outcome.FAILED}
_AFTER_THE_FAILURE = {"rerunfailure": Outcome.FAILED, "rerunerror": Outcome.ERROR}
_OUTPUTS = frozenset({"system-out", "system-err"})
_TRACES = frozenset({"stacktrace"})
_CASE_CHILDREN = frozenset({*_RESULTS, *_BEFORE_THE_PASS, *_AFTER_THE_FAILURE, "skipped", "ignored"})

PYTEST = "pytest attributes"
GRADLE = "gradle attributes"
_PYTEST_ATTRIBUTES = (
    ["name", "errors", "failures", "skipped", "tests", "time", "timestamp", "hostname"],
    ["errors", "failures", "hostname", "name", "skipped", "tests", "time", "timestamp"],
)
_ENDED_WORDS = frozenset({"aborted", "cancelled", "canceled", "interrupted", "killed"})
_FAILED_WORDS = _ENDED_WORDS | {
    *("fail", "failed", "failure", "error", "errored", "broken", "timeout", "timedout", "timed out", "crashed")
}
_WITHOUT_PLACE = itemgetter("classname", "name", "time")
_WITH_PLACE = itemgetter("classname", "name", "time", "file", "line")
_SKIPPED_WORDS = frozenset({"skipped", "skip", "disabled", "ignored", "notrun", "suppressed", "pending", "todo"})


@dataclass(slots=True)
class RawResult:
    """One `<failure>`, `<error>`, `<skipped>` or retry element of a case or suite.

    Attributes:
        kind: Its element's name.
    """

    kind: str
    outcome: Outcome
    message: str = ""
    type_name: str = ""
    seconds: float = 0.0
    text: BoundedText | None = None
    trace: BoundedText | None = None
    output: BoundedText | None = None


class RawCase(ReportCase, gc=False):
    """One `<testcase>` as written; `ci_itest.junit.attempts` makes the rest of it.

    Attributes:
        status: `failed` or `skipped` where an attribute says so, else "".
        results: Its failures, errors, skips and retries; None for none.
        is_cut: Whether the document ended inside it.
    """

    status: str = ""
    results: list[RawResult] | None = None
    output: BoundedText | None = None
    is_cut: bool = False


@dataclass(slots=True)
class RawSuite:
    """One `<testsuite>` as written.

    Attributes:
        declared_tests: What its attribute says, -1 for nothing.
        declared_bad: Failures and errors of its attributes, -1 for nothing.
        signs: What tells its producer: names of properties, and words found here.
        cases: Places of its own cases in the document's list.
        inner_cases: How many cases it has with those of the suites in it.
    """

    suite: ReportSuite
    parent: int
    declared_tests: int
    declared_bad: int
    classname: str
    file: str
    signs: set[str] = field(default_factory=set)
    first_case: int = 0
    inner_cases: int = 0
    problems: list[RawResult] = field(default_factory=list)


class TooManyCasesError(Exception):
    """The document holds more cases than are taken from one file."""


class Collector:
    """Takes the events of one or several documents; `finish` closes what a broken one left open.

    Attributes:
        cases: All of them.
        opened: By place, in order, those in which something stood, or which say more than a plain case.
    """

    def __init__(self, *, text_limit: int = TEXT_LIMIT, max_cases: int = MAX_CASES) -> None:
        self.suites: list[RawSuite] = []
        self.cases = CaseColumns()
        self.opened: dict[int, RawCase] = {}
        self.roots: list[str] = []
        self.root_name = ""
        self.started_at = ""
        self.root_bad = -1
        self.deepest = 0
        self.is_cut = False
        self.max_cases = max_cases
        self._text_limit = text_limit
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._stack: list[tuple[str, int]] = []
        self._suite = -1
        self._case: RawCase | None = None
        self._result: RawResult | None = None
        self._text: BoundedText | None = None
        self._text_name = ""
        self._has_root = False
        self._is_plain = False

    @property
    def counts(self) -> ElementCounts:
        counts = self._counts
        return ElementCounts(
            testcases=len(self.cases),
            failed=counts["failure"],
            errors=counts["error"],
            skipped=counts["skipped"],
            retries=counts["retry"],
            suite_problems=counts["suite"],
        )

    @property
    def has_report(self) -> bool:
        """Whether there was anything of JUnit, an empty report included."""
        return bool(len(self.cases) or self.suites) or "testsuites" in self.roots

    @property
    def is_open(self) -> bool:
        """Whether a case or a suite has started and not ended."""
        return self._case is not None or bool(self._stack)

    @property
    def bad_elements(self) -> int:
        """`<failure>` and `<error>` elements of cases and suites."""
        return self._counts["bad"] + self._counts["suite"]

    def count_remarks(self) -> list[str]:
        """Where a suite's own count differs from what it holds; the elements count, never the attribute."""
        remarks = []
        declared = held = 0
        for raw in self.suites:
            # pytest counts neither reruns nor second halves of a case, and counts subtests.
            if raw.parent < 0 and raw.declared_tests >= 0 and PYTEST not in raw.signs:
                declared += raw.declared_tests
                held += raw.inner_cases
        if declared != held:
            remarks.append(f"Its own count of tests is {declared:,}; {held:,} stand in it, and these count.")
        return remarks

    def contradiction(self) -> str:
        """Why a document that is whole cannot be believed: it speaks of failures or tests and holds none."""
        top = [raw for raw in self.suites if raw.parent < 0]
        bad = max(self.root_bad, sum(max(raw.declared_bad, 0) for raw in top))
        if bad > 0 and not self.bad_elements and not self._counts["retry"] and not self._counts["worded"]:
            return f"its counts say {bad:,} failed, and no test case in it did"
        tests = sum(max(raw.declared_tests, 0) for raw in top)
        if tests > 0 and not len(self.cases) and not self._counts["suite"]:
            return f"its counts say {tests:,} tests, and it holds none"
        return ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "testcase" and self._case is None and self._has_root:
            self._start_case(attributes)
            return
        self._is_plain = False
        name = self._names.get(tag) or self._short(tag)
        if not self._has_root:
            self._root(name, attributes)
        if self._case is not None:
            self._start_in_case(name, attributes)
        elif name == "testcase":
            self._start_case(attributes)
        elif name == "testsuite":
            self._start_suite(attributes)
        elif self._result is not None:
            self._start_in_result(name, attributes)
        elif name in _RESULTS and self._suite >= 0:
            self._start_suite_problem(name, attributes)
        elif name == "property":
            self._suite_property(attributes)
        elif name == "properties" and self._suite >= 0:
            self.suites[self._suite].signs.add("<properties>")

    @property
    def takes_plain(self) -> bool:
        """Whether plain cases that come now are cases of their suite, and nothing listens to what is between them."""
        return self._has_root and self._case is None and self._text is None

    def add_plain(self, run: PlainRun) -> None:
        """Cases that simply passed, as if each had started and ended; only where `takes_plain`."""
        room = self.max_cases - len(self.cases)
        is_too_long = len(run) > room
        columns = tuple(column[:room] for column in run.columns) if is_too_long else run.columns
        classnames, names, files, lines, seconds = columns
        cases, count = self.cases, len(names)
        cases.suites += [self._suite] * count
        cases.classnames += classnames
        cases.names += names
        cases.files += files or [""] * count
        cases.lines += lines or [""] * count
        cases.seconds += map(float, seconds)
        self._is_plain = False
        if is_too_long:
            raise TooManyCasesError

    def end(self, tag: str) -> None:
        if self._is_plain:
            # Nothing stood in the case that started last: nearly every case.
            self._is_plain = False
            self._case = None
            return
        name = self._names.get(tag) or self._short(tag)
        if name == self._text_name:
            self._text, self._text_name = None, ""
        if name == "testcase":
            self._end_case()
        elif self._result is not None:
            if name == self._result.kind:
                self._result = None
        elif name == "testsuite" and self._case is None and self._stack:
            self._end_suite()

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.add(text)

    def next_document(self) -> None:
        """What follows is another document."""
        self.finish()
        self._has_root = False

    def finish(self) -> None:
        """Close what is open; a case that was open is marked, since nobody knows how it ended."""
        if self._case is not None:
            self._case.is_cut = True
            self.is_cut = True
            self._end_case()
        while self._stack:
            self.is_cut = True
            self._end_suite()
        self._result = self._text = None
        self._is_plain = False

    def _short(self, tag: str) -> str:
        # Attributes and children of foreign namespaces may share a name with ours; no producer does that.
        name = tag.rpartition("}")[2].rpartition(":")[2].lower()
        if len(self._names) < 10_000:
            self._names[tag] = name
        return name

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        self._has_root = True
        self.roots.append(name)
        if name == "testsuites":
            self.root_name = self.root_name or attributes.get("name", "")
            self._note_start(attributes)
            self.root_bad = max(self.root_bad, _declared_bad(attributes))

    def _note_start(self, attributes: dict[str, str]) -> None:
        started = attributes.get("timestamp", "")
        # jest-junit and gtest write 1970 for what never ran, Go the year 1; others no date at all.
        if "1980" < started[:4] <= "2200" and (not self.started_at or started < self.started_at):
            self.started_at = started

    def _start_suite(self, attributes: dict[str, str]) -> None:
        above = self.suites[self._suite].suite.path if self._suite >= 0 else ()
        depth = len(self._stack) + 1
        self.deepest = max(self.deepest, depth)
        path = (*above, bounded_name(attributes.get("name", ""))) if depth <= MAX_DEPTH else above
        raw = RawSuite(
            suite=ReportSuite(path, bounded_name(attributes.get("hostname", ""))),
            parent=self._suite,
            declared_tests=count(attributes.get("tests")),
            declared_bad=_declared_bad(attributes),
            classname=bounded_name(attributes.get("classname", "")),
            file=bounded_name(attributes.get("file") or attributes.get("filepath") or ""),
            first_case=len(self.cases),
        )
        if (
            list(attributes) in _PYTEST_ATTRIBUTES
            or attributes.get("name") == "pytest"
            or self.root_name == "pytest tests"
        ):
            raw.signs.add(PYTEST)
        elif attributes.keys() >= {"hostname", "timestamp", "skipped", "tests"} and "file" not in attributes:
            raw.signs.add(GRADLE)
        self._note_start(attributes)
        self._stack.append(("testsuite", self._suite))
        self._suite = len(self.suites)
        self.suites.append(raw)

    def _end_suite(self) -> None:
        raw = self.suites[self._suite]
        raw.inner_cases = len(self.cases) - raw.first_case
        self._suite = self._stack.pop()[1]

    def _suite_property(self, attributes: dict[str, str]) -> None:
        if self._suite >= 0 and len(self.suites[self._suite].signs) < MAX_PROPERTIES:
            self.suites[self._suite].signs.add(attributes.get("name", ""))

    def _start_suite_problem(self, name: str, attributes: dict[str, str]) -> None:
        self._counts["suite"] += 1
        self._result = self._new_result(name, _RESULTS[name], attributes)
        self.suites[self._suite].problems.append(self._result)

    def _start_case(self, attributes: dict[str, str]) -> None:
        if len(self.cases) >= self.max_cases:
            raise TooManyCasesError
        # Nearly every case of nearly every producer has these attributes and no other. Read in one go and right here: a
        # look-up and a call for each of them costs a fifth of all the reading.
        count = len(attributes)
        try:
            if count == 3:
                classname, name, taken = _WITHOUT_PLACE(attributes)
                file, text, line = "", "", 0
            elif count == 5:
                classname, name, taken, file, text = _WITH_PLACE(attributes)
                line = int(text)
            else:
                self._start_any_case(attributes)
                return
            number = float(taken)
        except (KeyError, ValueError):
            self._start_any_case(attributes)
            return
        if not (0.0 <= number < 1e8 and 0 <= line < 1_000_000_000) or len(name) + len(classname) + len(file) > MAX_NAME:
            self._start_any_case(attributes)
            return
        self._case = RawCase(self._suite, classname, name, file, line, number)
        self.cases.add(self._suite, classname, name, file, text, number)
        self._is_plain = True

    def _start_any_case(self, attributes: dict[str, str]) -> None:
        get = attributes.get
        taken, line = get("time"), get("line")
        case = RawCase(
            self._suite,
            bounded_name(get("classname") or get("class") or ""),
            bounded_name(get("name") or ""),
            bounded_name(get("file") or get("filepath") or ""),
            int(line) if line and line.isdecimal() and len(line) < 10 else 0,
            seconds(taken or ""),
        )
        if taken is None and "duration" in attributes:
            case.seconds = seconds(attributes["duration"])
        if "status" in attributes or "result" in attributes or "success" in attributes:
            case.status = _status(attributes)
        self._case = case
        self.cases.add(case.suite, case.classname, case.name, case.file, str(case.line or ""), case.seconds)

    def _end_case(self) -> None:
        case = self._case
        self._case = None
        if case is not None:
            self.opened[len(self.cases) - 1] = case
            # It may be known only from what stands in the case.
            self.cases.files[-1] = case.file
        if case is None or case.results is None:
            if case is not None and case.status == "failed":
                self._counts["worded"] += 1
        else:
            kinds = [result.kind for result in case.results]
            self._counts["failure"] += "failure" in kinds
            self._counts["error"] += "error" in kinds
            self._counts["skipped"] += "skipped" in kinds
            self._counts["bad"] += kinds.count("failure") + kinds.count("error")
        self._result = self._text = None

    def _start_in_case(self, name: str, attributes: dict[str, str]) -> None:
        case = self._case
        assert case is not None
        if self._result is not None and not (name in _RESULTS and self._result.kind not in _RESULTS):
            self._start_in_result(name, attributes)
        elif name in _CASE_CHILDREN:
            self._start_case_result(case, name, attributes)
        elif name in _OUTPUTS:
            case.output = case.output or BoundedText(self._text_limit)
            self._listen(name, case.output)
        elif name == "property":
            self._case_property(case, attributes)
        elif name == "testcase":
            # No producer nests cases; a file that never closed one is read as if it had.
            case.is_cut = True
            self._end_case()
            self._start_case(attributes)

    def _start_case_result(self, case: RawCase, name: str, attributes: dict[str, str]) -> None:
        outcome = _RESULTS.get(name) or _BEFORE_THE_PASS.get(name) or _AFTER_THE_FAILURE.get(name) or Outcome.SKIPPED
        self._counts["retry"] += name in _BEFORE_THE_PASS or name in _AFTER_THE_FAILURE
        self._result = self._new_result(name, outcome, attributes)
        if case.results is None:
            case.results = []
        case.results.append(self._result)

    def _new_result(self, kind: str, outcome: Outcome, attributes: dict[str, str]) -> RawResult:
        result = RawResult(
            kind,
            outcome,
            message=attributes.get("message") or "",
            type_name=attributes.get("type") or "",
            seconds=seconds(attributes.get("time", "")),
            text=BoundedText(self._text_limit),
        )
        if len(result.message) > self._text_limit:
            result.message = str(_kept(result.message, self._text_limit))
        if self._case is not None and not self._case.line and (line := attributes.get("line")):
            self._case.line = _line(line)
            self._case.file = self._case.file or attributes.get("file") or ""
        self._listen(kind, result.text)
        return result

    def _start_in_result(self, name: str, attributes: dict[str, str]) -> None:
        result = self._result
        assert result is not None
        if name in _TRACES:
            result.trace = result.trace or BoundedText(self._text_limit)
            self._listen(name, result.trace)
        elif name in _OUTPUTS:
            result.output = result.output or BoundedText(self._text_limit)
            self._listen(name, result.output)

    def _listen(self, name: str, text: BoundedText | None) -> None:
        self._text, self._text_name = text, name

    def _case_property(self, case: RawCase, attributes: dict[str, str]) -> None:
        if len(case.properties) < MAX_PROPERTIES:
            case.properties += ((attributes.get("name", ""), attributes.get("value", "")[:1_000]),)


def bounded_name(name: str) -> str:
    """The name; of one that is megabytes long its beginning, and a digest so that two of them stay two."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[:_NAME_HEAD]}… ({len(name):,} characters, {digest})"


def _line(text: str) -> int:
    try:
        return max(int(text), 0)
    except ValueError:
        return 0


def _kept(text: str, limit: int) -> BoundedText:
    kept = BoundedText(limit)
    kept.add(text)
    return kept


def _declared_bad(attributes: dict[str, str]) -> int:
    """Failures and errors that a suite's attributes speak of, -1 where they say nothing."""
    counts = [count(attributes.get(name)) for name in ("failures", "errors")]
    return sum(number for number in counts if number > 0) if any(number >= 0 for number in counts) else -1


def _status(attributes: dict[str, str]) -> str:
    """`failed` or `skipped` where the attributes say so in any of their words, else ""."""
    words = [attributes.get(name, "").strip().lower() for name in ("status", "result")]
    if any(word in _FAILED_WORDS for word in words) or attributes.get("success", "").lower() == "false":
        return "failed"
    return "skipped" if any(word in _SKIPPED_WORDS for word in words) else ""
