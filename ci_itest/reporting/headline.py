"""What a run comes to, in a sentence; whose fault it may be; and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ci_itest.model.cases import CaseResult
from ci_itest.model.run import Conclusion, Finding, FindingKind
from ci_itest.reporting.causes import Cause
from ci_itest.reporting.comparison import Comparison, verdict_on_failures
from ci_itest.reporting.wording import joined, number, plural

_SHARD_TROUBLE = (FindingKind.MISSING_SHARD, FindingKind.STOPPED_SHARD)
_ENOUGH_TO_SUSPECT = 3

_WORDS = {
    Conclusion.SUCCESS: ("✓", "Passed"),
    Conclusion.FAILURE: ("✕", "Failed"),
    Conclusion.INCOMPLETE: ("!", "Incomplete"),
    Conclusion.NOTHING: ("!", "Nothing ran"),
    Conclusion.BYPASSED: ("→", "Bypassed"),
}

_ADVICE = {
    FindingKind.MISSING_SHARD: "Re-run the failed jobs: only the shards without results run again.",
    FindingKind.STOPPED_SHARD: "See why the shard stopped, then re-run the failed jobs.",
    FindingKind.UNREADABLE_BUNDLE: "Re-run the failed jobs: the shard's results could not be read.",
    FindingKind.WRONG_PLAN: "Re-run all jobs, so that every shard works by one plan.",
    FindingKind.DOUBLED_SHARD: "Re-run all jobs, and check that no other job uploads results under the same name.",
    FindingKind.UNKNOWN_SHARD: "Check that no other workflow's results were downloaded, then re-run all jobs.",
    FindingKind.UNLISTED_FILE: "Check that every shard checks out the same commit.",
    FindingKind.UNCLAIMED_FILE: "Check that every shard checks out the same commit.",
    FindingKind.DOUBLED_FILE: "Check that every shard checks out the same commit.",
    FindingKind.FILE_NEVER_RUN: "Look at the shard's log for what the test runner said of the file.",
    FindingKind.MISSING_CASE: "Look at the log of the shard that was to run the tests without a result.",
    FindingKind.DOUBLED_CASE: "Give the tests names that differ, so that each has one result.",
    FindingKind.NO_PLAN: "Re-run all jobs: without a plan nothing can be shown to be complete.",
    FindingKind.FAILED_JOB: "Look at the log of the job that failed, then re-run the failed jobs.",
    FindingKind.LOW_COVERAGE: "Write a test for what is not reached; `ci-itest new test NAME` begins one.",
    FindingKind.UNREADABLE_REPORT: "Look at what the test runner wrote: its report could not be read.",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cases came to each verdict."""

    passed: int = 0
    failed: int = 0
    recovered: int = 0
    skipped: int = 0
    quarantined: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.recovered + self.skipped + self.quarantined + self.missing

    @property
    def ran(self) -> int:
        """Cases that ran to an end."""
        return self.passed + self.failed + self.recovered + self.quarantined


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do next.

    Attributes:
        command: To copy; "" where there is none.
    """

    text: str
    command: str = ""


def verdict_words(conclusion: Conclusion) -> tuple[str, str]:
    """Sign and word of a conclusion."""
    return _WORDS[conclusion]


def headline(conclusion: Conclusion, counts: Counts, findings: Sequence[Finding], cause_count: int) -> str:
    """The run in one line, its worst news first."""
    match conclusion:
        case Conclusion.SUCCESS:
            return _good_news(counts)
        case Conclusion.FAILURE:
            return _failures(counts, cause_count) + _recovered_too(counts)
        case Conclusion.INCOMPLETE:
            return " · ".join(
                [f"Incomplete: {_incomplete(findings)}", *([_failures(counts, cause_count)] if counts.failed else [])]
            )
        case Conclusion.NOTHING:
            return "No test ran"
        case Conclusion.BYPASSED:
            return "Bypassed: the tests were not run"


def _good_news(counts: Counts) -> str:
    good = counts.passed + counts.recovered
    if counts.recovered:
        words = f"All {plural(good, 'test')} passed, {number(counts.recovered)} only after a retry"
    elif good:
        words = f"{plural(good, 'test')} passed"
    else:
        words = f"Nothing failed: {plural(counts.skipped + counts.quarantined, 'test')} skipped or quarantined"
    return f"{words} · {number(counts.quarantined)} failed in quarantine" if counts.quarantined and good else words


def _failures(counts: Counts, cause_count: int) -> str:
    whole = f" of {number(counts.ran)}" if counts.ran > counts.failed else ""
    noun = "test" if (counts.ran if whole else counts.failed) == 1 else "tests"
    words = f"{number(counts.failed)}{whole} {noun} failed"
    return f"{words}, {plural(cause_count, 'cause')}" if counts.failed > 1 and cause_count < counts.failed else words


def _recovered_too(counts: Counts) -> str:
    return f" · {number(counts.recovered)} passed only after a retry" if counts.recovered else ""


def _incomplete(findings: Sequence[Finding]) -> str:
    missing = [finding.shard for finding in findings if finding.kind is FindingKind.MISSING_SHARD and finding.shard]
    stopped = [finding.shard for finding in findings if finding.kind is FindingKind.STOPPED_SHARD and finding.shard]
    parts = []
    if missing:
        parts.append(f"{_shards(missing)} left no results")
    if stopped:
        parts.append(f"{_shards(stopped)} {'was' if len(stopped) == 1 else 'were'} stopped")
    if parts:
        return ", ".join(parts)
    return (
        findings[0].message.rstrip(".") if len(findings) == 1 else f"{plural(len(findings), 'thing')} missing or wrong"
    )


def _shards(labels: Sequence[str]) -> str:
    if len(labels) > 3:
        return plural(len(labels), "shard")
    return f"{'shard' if len(labels) == 1 else 'shards'} {joined(labels)}"


def result_counts_words(counts: Counts) -> str:
    """`4,774 passed, 2 failed, 1 recovered, 37 skipped`: every verdict that occurs, none that does not."""
    named = (
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (counts.recovered, "recovered on retry"),
        (counts.quarantined, "failed in quarantine"),
        (counts.skipped, "skipped"),
        (counts.missing, "without a result"),
    )
    return ", ".join(f"{number(count)} {word}" for count, word in named if count)


def advice(
    conclusion: Conclusion,
    counts: Counts,
    findings: Sequence[Finding],
    *,
    first_replay: str,
    first_name: str,
) -> tuple[Advice, ...]:
    """What to do next, most urgent first; empty when there is nothing to do."""
    todo = [Advice(text) for text in dict.fromkeys(_ADVICE[kind] for kind in _kinds_to_act_on(findings))]
    if counts.failed and first_replay:
        what = "the failure" if counts.failed == 1 else "the first failure"
        todo.append(Advice(f"Reproduce {what} on your machine, with the same services, order and seeds:", first_replay))
    elif counts.failed:
        todo.append(Advice(f"Start with {first_name}."))
    if conclusion is Conclusion.SUCCESS and counts.recovered:
        tests, they = ("the test", "it blocks") if counts.recovered == 1 else ("the tests", "they block")
        todo.append(Advice(f"Look at {tests} that passed only after a retry, before {they} someone."))
    if conclusion is Conclusion.NOTHING:
        todo.append(Advice("Check `tests` and `markers` in ci-itest.toml: they select no test."))
    return tuple(todo)


def _kinds_to_act_on(findings: Sequence[Finding]) -> list[FindingKind]:
    """The kinds of the findings; cases that are missing with their whole shard ask for nothing of their own."""
    kinds = [finding.kind for finding in findings]
    is_shard_trouble = any(kind in _SHARD_TROUBLE for kind in kinds)
    return [kind for kind in kinds if not (is_shard_trouble and kind is FindingKind.MISSING_CASE)]


def evidence(
    failures: Sequence[CaseResult],
    causes: Sequence[Cause],
    *,
    cases_of_shard: Mapping[tuple[str, int], int],
    labels: Mapping[tuple[str, int], str],
    comparison: Comparison | None = None,
    is_judged: bool = False,
) -> tuple[str, ...]:
    """What the results say about whose fault the failures are, one sentence each; nothing is guessed."""
    if not failures:
        return ()
    sentences = [_retries(failures), _one_shard(failures, cases_of_shard, labels), _one_cause(failures, causes)]
    found = tuple(sentence for sentence in sentences if sentence)
    if comparison is not None:
        return (verdict_on_failures(comparison), *found)
    if is_judged:  # each failure has its own cause, from earlier runs
        return found
    return (*found, "These results were not compared with the default branch: a failure may be older than this change.")


def _retries(failures: Sequence[CaseResult]) -> str:
    tried = [result for result in failures if len(result.attempts) > 1]
    if not tried:
        return "No failure was tried again, so a flaky test cannot be told from a broken one."
    lasting = sum(all(attempt.outcome.is_bad for attempt in result.attempts) for result in tried)
    if lasting != len(failures):
        return f"{number(lasting)} of {plural(len(failures), 'failure')} came back on every attempt."
    if len(failures) == 1:
        return "The failure came back on every attempt: chance is an unlikely reason."
    return f"All {number(len(failures))} failures came back on every attempt: chance is an unlikely reason."


def _one_shard(
    failures: Sequence[CaseResult],
    cases_of_shard: Mapping[tuple[str, int], int],
    labels: Mapping[tuple[str, int], str],
) -> str:
    shards = {(result.case.suite, result.shard) for result in failures}
    if len(shards) != 1 or len(failures) < _ENOUGH_TO_SUSPECT or len(cases_of_shard) < 2:
        return ""
    key = next(iter(shards))
    label = labels.get(key, "")
    if len(failures) >= cases_of_shard.get(key, 0) > 0:
        return f"Every test of shard {label} failed and no other shard's: look at that shard's services first."
    return f"All failures are on shard {label}: its services are worth a look."


def _one_cause(failures: Sequence[CaseResult], causes: Sequence[Cause]) -> str:
    if not causes or len(failures) < _ENOUGH_TO_SUSPECT:
        return ""
    largest = causes[0]
    files = {result.case.file for result in largest.cases}
    if len(largest.cases) < _ENOUGH_TO_SUSPECT or len(files) < 2:
        return ""
    of_all = number(len(failures))
    share = f"all {of_all}" if len(largest.cases) == len(failures) else f"{number(len(largest.cases))} of the {of_all}"
    where = plural(len(files), "file")
    return f"One message explains {share} failures, in {where}: something they share is the likely reason."
