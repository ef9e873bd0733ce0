"""Test cases as written to tests with attempts: how each producer writes a retry, and when two elements are one test.

A retry written inside a case (Surefire, nextest, Gradle with mergeReruns, Playwright) says what it is. A retry written
as one more `<testcase>` of the same name does not, and two tests may share a name, so that a failure beside a pass can
be either. It counts as a retry only where something shows it; where nothing does, both are tests of their own and the
failure stands: a test run must not turn green because two tests are called the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ci_itest.junit.collect import GRADLE, PYTEST, RawCase, RawResult, RawSuite
from ci_itest.junit.values import CaseColumns, ReportAttempt, ReportCase, ReportCases
from ci_itest.model.cases import Outcome, Verdict

SUITE_CASE = "<suite>"
"""Name of the case that stands for a suite which failed outside its tests (its set-up, its process)."""

CUT_NOTE = "the report was cut off here"

MAX_ATTEMPTS = 200
"""Attempts of one case that are kept."""

Groups = dict[tuple[int, str, str, str], list[RawCase]]
"""Elements by suite, class, name and file."""

_FINAL = ("failure", "error")
_BEFORE = ("flakyfailure", "flakyerror", "rerun")
_AFTER = ("rerunfailure", "rerunerror")
_SKIPS = ("skipped", "ignored")


def cases_of(columns: CaseColumns, opened: Mapping[int, RawCase], suites: Sequence[RawSuite]) -> ReportCases:
    """The tests, in the order in which they first stand in the document.

    Args:
        opened: By place, all of the cases that are more than a plain pass.
    """
    if not _has_namesakes(columns):
        return ReportCases(columns, {place: _case(raw) for place, raw in opened.items()})
    groups: Groups = {}
    for place in range(len(columns)):
        raw = opened.get(place) or RawCase(*columns.row(place))
        groups.setdefault((raw.suite, raw.classname, raw.name, raw.file), []).append(raw)
    hidden = _hidden_reruns(groups, suites)
    twice_passed = {key[0] for key, cases in groups.items() if len(cases) > 1 and not any(map(_is_bad, cases))}
    found = ReportCases()
    for case in _grouped(groups, suites, hidden, twice_passed):
        found.append(case)
    return found


def _has_namesakes(columns: CaseColumns) -> bool:
    """Whether two elements have the same suite, class, name and file."""
    if len(set(columns.names)) == len(columns):
        return False
    keys = zip(columns.suites, columns.classnames, columns.names, columns.files, strict=True)
    return len(set(keys)) < len(columns)


def _grouped(
    groups: Groups,
    suites: Sequence[RawSuite],
    hidden: set[int],
    twice_passed: set[int],
) -> Iterable[ReportCase]:
    for (suite, *_), cases in groups.items():
        if len(cases) == 1:
            yield _case(cases[0])
        elif suite in hidden and _is_rerun_without_words(cases):
            yield _with_unknown_reruns(cases)
        elif _is_torn_down(cases, _is_pytest(suites, suite)):
            yield _torn_down(cases)
        elif all(map(_is_bad, cases)) or _are_retries(cases, suites, suite, suite in twice_passed):
            yield _retried(cases)
        else:
            for ordinal, case in enumerate(cases, start=1):
                one = _case(case)
                one.ordinal = ordinal
                yield one


def suite_cases(suites: Sequence[RawSuite]) -> Iterable[ReportCase]:
    """A failed case for each suite that says it failed outside its tests."""
    for place, raw in enumerate(suites):
        if raw.problems:
            attempt = _joined([_attempt(problem, "") for problem in raw.problems])
            case = ReportCase(place, raw.classname, SUITE_CASE, raw.file, 0, 0.0)
            case.verdict, case.attempts = Verdict.FAILED, (attempt,)
            yield case


def _case(raw: RawCase) -> ReportCase:
    """One element as one test; the second time as it is."""
    if raw.attempts or raw.note:
        return raw
    if raw.results is not None or raw.status or raw.is_cut:
        raw.attempts, raw.verdict = _attempts(raw)
        raw.note = CUT_NOTE if raw.is_cut else ""
        raw.results = raw.output = None
    return raw


def _attempts(raw: RawCase) -> tuple[tuple[ReportAttempt, ...], Verdict]:
    """The attempts inside one element, and what they come to."""
    results = raw.results or []
    output = str(raw.output) if raw.output else ""
    before = [_attempt(result, "") for result in results if result.kind in _BEFORE]
    after = [_attempt(result, "") for result in results if result.kind in _AFTER]
    final = [_attempt(result, output) for result in results if result.kind in _FINAL]
    skips = [_attempt(result, output) for result in results if result.kind in _SKIPS]
    if not final and raw.status == "failed" and not skips and not before:
        final = [
            ReportAttempt(Outcome.FAILED, message="the report calls it failed and does not say why", output=output)
        ]
    if not final and raw.is_cut:
        final = [ReportAttempt(Outcome.ERROR, message=f"no result: {CUT_NOTE}", output=output)]
    if final:
        attempts, verdict = (*before, _joined(final), *after), Verdict.FAILED
    elif after:
        attempts, verdict = (*before, *after), Verdict.FAILED
    elif skips or raw.status == "skipped":
        skip = skips[0] if skips else ReportAttempt(Outcome.SKIPPED)
        attempts, verdict = (*before, skip), Verdict.SKIPPED
    elif before:
        attempts, verdict = (*before, ReportAttempt(Outcome.PASSED)), Verdict.RECOVERED
    else:
        return (), Verdict.PASSED
    return _timed(attempts, raw.seconds), verdict


def _timed(attempts: tuple[ReportAttempt, ...], seconds: float) -> tuple[ReportAttempt, ...]:
    """The case's own time on its last attempt that has none; a single attempt took it all."""
    for place in reversed(range(len(attempts))):
        if not attempts[place].seconds:
            timed = replace(attempts[place], seconds=seconds)
            return (*attempts[:place], timed, *attempts[place + 1 :])
    return attempts


def _attempt(result: RawResult, output: str) -> ReportAttempt:
    text = str(result.trace or "").strip("\r\n") or str(result.text or "").strip("\r\n")
    if not text.strip():
        text = ""
    message = result.message.strip()
    own_output = str(result.output) if result.output else output
    if not message:
        message = _first_line(text) or (_last_line(output) if result.outcome.is_bad else "")
    if result.type_name and result.outcome.is_bad and message in ("", "Failed"):
        message = " ".join(word for word in (result.type_name, message) if word)
    return ReportAttempt(result.outcome, result.seconds, message, text, own_output)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()[:1_000]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].strip()[:1_000]


def _joined(attempts: Sequence[ReportAttempt]) -> ReportAttempt:
    """Several failures of one execution as one: an error outweighs a failure, every text is kept."""
    if len(attempts) == 1:
        return attempts[0]
    is_error = any(attempt.outcome is Outcome.ERROR for attempt in attempts)
    messages = dict.fromkeys(attempt.message for attempt in attempts if attempt.message)
    details = [attempt.details or attempt.message for attempt in attempts if attempt.details or attempt.message]
    return ReportAttempt(
        Outcome.ERROR if is_error else Outcome.FAILED,
        sum(attempt.seconds for attempt in attempts),
        "; ".join(messages),
        "\n\n".join(details),
        attempts[0].output,
    )


def _is_bad(raw: RawCase) -> bool:
    if raw.is_cut or (raw.results is None and raw.status == "failed"):
        return True
    return raw.results is not None and any(result.kind in (*_FINAL, *_AFTER) for result in raw.results)


def _is_plain(raw: RawCase) -> bool:
    return raw.results is None and not raw.status and not raw.is_cut


def _is_pytest(suites: Sequence[RawSuite], suite: int) -> bool:
    return suite >= 0 and PYTEST in suites[suite].signs


def _hidden_reruns(groups: Groups, suites: Sequence[RawSuite]) -> set[int]:
    """Suites in which pytest-rerunfailures wrote earlier attempts as further cases without a word.

    pytest counts no rerun in `tests`, so that such a suite holds more cases than it says, those whose teardown failed
    after they had not counted.
    """
    torn_down: dict[int, int] = {}
    for (suite, *_), cases in groups.items():
        torn_down[suite] = torn_down.get(suite, 0) + _is_torn_down(cases, is_pytest=True)
    return {
        suite
        for suite, halves in torn_down.items()
        if _is_pytest(suites, suite) and 0 < suites[suite].declared_tests < suites[suite].inner_cases - halves
    }


def _is_rerun_without_words(cases: Sequence[RawCase]) -> bool:
    return all(map(_is_plain, cases[:-1])) or (
        len(cases) > 2 and all(map(_is_plain, cases[:-2])) and _is_torn_down(cases[-2:], is_pytest=True)
    )


def _with_unknown_reruns(cases: Sequence[RawCase]) -> ReportCase:
    """Attempts that failed without a word, then the one that counts."""
    pair = cases[-2:] if _is_torn_down(cases[-2:], is_pytest=True) else cases[-1:]
    last = _torn_down(pair) if len(pair) == 2 else _case(pair[0])
    earlier = tuple(
        ReportAttempt(Outcome.FAILED, case.seconds, "failed and was run again; the report does not say why")
        for case in cases[: len(cases) - len(pair)]
    )
    return _as_retried(last, earlier)


def _is_torn_down(cases: Sequence[RawCase], is_pytest: bool) -> bool:
    """pytest writes a test that failed and whose teardown then failed too as two cases of one name."""
    if not is_pytest or len(cases) != 2:
        return False
    first, second = ({result.kind for result in case.results or ()} for case in cases)
    return "failure" in first and second == {"error"}


def _torn_down(cases: Sequence[RawCase]) -> ReportCase:
    first, second = (_case(case) for case in cases)
    first.attempts = (_joined([*first.attempts, *second.attempts]),)
    first.seconds += second.seconds
    first.properties += second.properties
    return first


def _are_retries(cases: Sequence[RawCase], suites: Sequence[RawSuite], suite: int, has_twice_passed: bool) -> bool:
    """Whether cases of one name are attempts at one test: the last failed or all others did, and something says so.

    Nobody tries a test again that has passed. Where a suite holds one name twice and both passed, its names are not
    unique (or the suite was run several times over, `go test -count=2`), and a failure is no earlier attempt.
    """
    if not _is_bad(cases[-1]) and (has_twice_passed or not all(map(_is_bad, cases[:-1]))):
        return False
    if any(case.line > 0 for case in cases):
        return len({case.line for case in cases}) == 1
    return suite >= 0 and _writes_retries_as_cases(suites[suite], _is_pytest(suites, suite))


def _writes_retries_as_cases(suite: RawSuite, is_pytest: bool) -> bool:
    """gotestsum, pytest with its flaky plugins, and Gradle without mergeReruns."""
    is_go = any(sign.startswith(("go.version", "goversion")) for sign in suite.signs)
    is_gradle = {GRADLE, "<properties>"} == suite.signs
    return is_go or is_pytest or is_gradle


def _retried(cases: Sequence[RawCase]) -> ReportCase:
    last = _case(cases[-1])
    earlier: list[ReportAttempt] = []
    for case in cases[:-1]:
        one = _case(case)
        earlier += one.attempts or (ReportAttempt(Outcome.PASSED, one.seconds),)
        last.seconds += one.seconds
        last.properties = last.properties or one.properties
        last.line = last.line or one.line
    return _as_retried(last, tuple(earlier), adds_seconds=False)


def _bounded(attempts: tuple[ReportAttempt, ...]) -> tuple[ReportAttempt, ...]:
    """The first and the last attempts of one that was tried thousands of times, which no producer does."""
    if len(attempts) <= MAX_ATTEMPTS:
        return attempts
    return (*attempts[: MAX_ATTEMPTS // 2], *attempts[-MAX_ATTEMPTS // 2 :])


def _as_retried(last: ReportCase, earlier: tuple[ReportAttempt, ...], *, adds_seconds: bool = True) -> ReportCase:
    if adds_seconds:
        last.seconds += sum(attempt.seconds for attempt in earlier)
    own = last.attempts or (ReportAttempt(Outcome.PASSED, max(last.seconds - sum(a.seconds for a in earlier), 0.0)),)
    last.attempts = _bounded((*earlier, *own))
    if last.verdict is Verdict.PASSED:
        last.verdict = Verdict.RECOVERED
    return last
