"""A run as the templates may use it: every number counted, every sentence worded, here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ci_itest import __version__
from ci_itest.model.cases import NEVER_RAN, CaseId, CaseResult, Verdict
from ci_itest.model.run import Conclusion, Finding, Run, conclusion_of
from ci_itest.model.table import CaseTable
from ci_itest.reporting.causes import Cause, group_by_cause
from ci_itest.reporting.comparison import Base, Change, ChangeView, Comparison, change_views, compare
from ci_itest.reporting.coverage import CoverageView, coverage_view
from ci_itest.reporting.failures import (
    MAX_LISTED,
    CaseContext,
    CaseView,
    CauseView,
    FindingView,
    NamedCount,
    ServiceLog,
    by_file,
    case_view,
    cause_views,
    finding_views,
    skip_groups,
    slowest,
)
from ci_itest.reporting.headline import Advice, Counts, advice, evidence, headline, result_counts_words, verdict_words
from ci_itest.reporting.judged import JudgedView, judged_view
from ci_itest.reporting.legs import LegsView, legs_view
from ci_itest.reporting.links import Links
from ci_itest.reporting.shards import (
    ServiceView,
    ShardView,
    phase_kinds,
    plan_words,
    service_views,
    shard_views,
    tally,
    wall_seconds,
)
from ci_itest.reporting.timeline import TimelineView, timeline_view
from ci_itest.reporting.wording import duration, moment, number, plural

__all__ = ["Fact", "Links", "ReportView", "ServiceLog", "report_view"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about the run; url "" where there is nothing to point to."""

    label: str
    value: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything a page, a comment or a summary shows.

    Attributes:
        title: What the settings call the report.
        sign: One character that goes with the verdict.
        verdict: The conclusion in a word.
        headline: The run in a line.
        subline: Its size and time.
        reason: Why the tests were not run; "" when they were.
        advice: What to do next.
        evidence: What the results say about whose fault it is.
        causes: Failures by cause, the first of `cause_count`.
        recovered: Cases that failed and then passed, the first of `counts.recovered`; so are the other lists.
        interrupted: Cases that had begun and left no result.
        missing: Cases without a result, by file, the first of `missing_file_count` files.
        plan_words: How well the plan held.
        phase_kinds: Phases that the shards' bars show.
        shards_reported: `8 of 8 shards`.
        replay_target: What `ci-itest replay` takes for this run, "" when there is nothing.
        cases: Every case of the run, for the list of all.
        shard_labels: By suite and index; of merged files their names.
        base: The run this one was compared with, in words; "" when it was compared with none.
        changes: What changed since, most urgent first.
        legs: Tests of a build matrix, a column for each file; None where no test stands in two files.
        timeline: Shards, services, workers and long tests on one axis of time; None where nothing says when.
        judged: What failed together, what flakes and what takes another time than it did.
        coverage: What of the app the tests reached; None where no fixture looked.
        part_word: What the labels name, "shard"; "" where they speak for themselves.
    """

    title: str
    conclusion: Conclusion
    sign: str
    verdict: str
    headline: str
    subline: str
    reason: str
    counts: Counts
    counts_words: str
    advice: tuple[Advice, ...]
    evidence: tuple[str, ...]
    findings: tuple[FindingView, ...]
    finding_count: int
    causes: tuple[CauseView, ...]
    cause_count: int
    recovered: tuple[CaseView, ...]
    quarantined: tuple[CaseView, ...]
    missing: tuple[NamedCount, ...]
    missing_file_count: int
    interrupted: tuple[CaseView, ...]
    skipped: tuple[NamedCount, ...]
    slowest: tuple[CaseView, ...]
    shards: tuple[ShardView, ...]
    shards_reported: str
    plan_words: tuple[str, ...]
    phase_kinds: tuple[str, ...]
    services: tuple[ServiceView, ...]
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    links: Links
    replay_target: str
    wall: str
    updated: str
    tool: str
    cases: CaseTable
    shard_labels: Mapping[tuple[str, int], str]
    part_word: str
    base: str
    changes: tuple[ChangeView, ...]
    legs: LegsView | None = None
    judged: JudgedView = field(default_factory=JudgedView)
    timeline: TimelineView | None = None
    coverage: CoverageView | None = None


def report_view(
    run: Run,
    *,
    at: str,
    links: Links | None = None,
    title: str = "Integration tests",
    logs: Mapping[CaseId, Sequence[ServiceLog]] | None = None,
    bypass_reason: str = "",
    table: CaseTable | None = None,
    file_labels: Mapping[tuple[str, int], str] | None = None,
    base: Base | None = None,
    fails_on_new_only: bool = False,
    file_folders: Mapping[int, str] | None = None,
) -> ReportView:
    """What people are shown of a run.

    Args:
        at: When the report is made, UTC, ISO 8601.
        links: Where things are; None on a laptop.
        logs: What services wrote while a case ran, for the cases that failed.
        bypass_reason: Who let the tests be skipped and by which rule; "" when they were not.
        table: The run's cases where they do not stand in the run itself.
        base: An earlier run of the base branch to compare with.
        fails_on_new_only: Whether failures that the complete base has too let the run pass.
        file_folders: Where those files lie, seen from the page, by number; their cases' attachments lie beside them.
        file_labels: Names of the files that a run without shards was merged from, by suite and number.
    """
    links = links or Links()
    tallies = tally(run.cases)
    cases = CaseTable.of(run.cases) if table is None else table
    shards = shard_views(run, tallies)
    labels: Mapping[tuple[str, int], str] = {(shard.suite, shard.index): shard.label for shard in shards}
    part_word, replay_target = "shard", links.replay_target or run.run_id
    if file_labels is not None:
        is_one = len(set(file_labels.values())) < 2
        labels, part_word, replay_target = {} if is_one else file_labels, "", ""
    context = CaseContext(
        links=links,
        labels=labels,
        logs=logs or {},
        replay_target=replay_target,
        part_word=part_word,
        judged={cause.case: cause for cause in run.judged.causes},
        folders=file_folders or {},
    )
    verdicts = {verdict: cases.with_verdict(verdict) for verdict in Verdict if verdict is not Verdict.PASSED}
    failures = verdicts[Verdict.FAILED]
    counts = Counts(**{verdict.value: cases.count(verdict) for verdict in Verdict})
    comparison = compare(cases, base, is_complete=not run.findings) if base is not None else None
    conclusion = _conclusion(run, counts, bypass_reason)
    forgives = fails_on_new_only and base is not None and base.is_complete and comparison is not None
    only_old = forgives and comparison is not None and not comparison.count(Change.NEW_FAILURE)
    if only_old and conclusion is Conclusion.FAILURE:
        conclusion = Conclusion.SUCCESS
    causes = group_by_cause(failures)
    if comparison is not None:
        causes = _new_first(causes, comparison)
    views = cause_views(causes, context)
    lost = [result.case.node_id for result in verdicts[Verdict.MISSING]]
    missing, missing_file_count = by_file(lost, limit=MAX_LISTED)
    sign, verdict = verdict_words(conclusion)
    reported = _shards_reported(run, len(shards)) if file_labels is None else _files_reported(file_labels)
    wall = wall_seconds(run) if file_labels is None else sum(cases.seconds)
    return ReportView(
        title=title,
        conclusion=conclusion,
        sign=sign,
        verdict=verdict,
        headline=_headline(conclusion, counts, run.findings, len(causes)),
        subline=_subline(counts, reported, _took(wall, is_work=file_labels is not None))
        if len(cases) or shards
        else "",
        reason=bypass_reason,
        counts=counts,
        counts_words=result_counts_words(counts),
        advice=advice(
            conclusion,
            counts,
            run.findings,
            first_replay=views[0].first.replay if views else "",
            first_name=views[0].first.short_name if views else "",
        ),
        evidence=evidence(
            failures,
            causes,
            cases_of_shard={key: sums.case_count for key, sums in tallies.items()},
            labels=labels,
            is_judged=run.judged.is_known,
            comparison=comparison,
        ),
        findings=finding_views(run.findings),
        finding_count=len(run.findings),
        causes=views,
        cause_count=len(causes),
        recovered=_views(verdicts[Verdict.RECOVERED], context),
        quarantined=_views(verdicts[Verdict.QUARANTINED], context),
        missing=missing,
        missing_file_count=missing_file_count,
        interrupted=_views([result for result in verdicts[Verdict.MISSING] if _was_running(result)], context),
        skipped=skip_groups(verdicts[Verdict.SKIPPED]),
        slowest=slowest(cases, context),
        shards=shards,
        shards_reported=reported,
        plan_words=plan_words(run),
        phase_kinds=phase_kinds(shards),
        services=service_views(run.shards),
        facts=_facts(run, links),
        notes=run.notes,
        links=links,
        replay_target=context.replay_target,
        wall=duration(wall),
        updated=moment(at),
        tool=f"ci-itest {__version__}",
        cases=cases,
        shard_labels=labels,
        part_word=part_word,
        base=comparison.base_words if comparison else "",
        changes=change_views(comparison) if comparison else (),
        legs=legs_view(cases) if file_labels is not None else None,
        judged=judged_view(run.judged),
        timeline=timeline_view(run),
        coverage=coverage_view(run.coverage),
    )


def _headline(conclusion: Conclusion, counts: Counts, findings: Sequence[Finding], cause_count: int) -> str:
    if conclusion is Conclusion.SUCCESS and counts.failed:
        return f"No new failure: {plural(counts.failed, 'test')} failed as on the base branch"
    return headline(conclusion, counts, findings, cause_count)


def _new_first(causes: Sequence[Cause], comparison: Comparison) -> tuple[Cause, ...]:
    """The causes that hold a new failure before those that the base has too."""

    def is_old(cause: Cause) -> bool:
        return all(comparison.of_case.get(result.case) is Change.STILL_FAILING for result in cause.cases)

    return tuple(sorted(causes, key=is_old))


def _conclusion(run: Run, counts: Counts, bypass_reason: str) -> Conclusion:
    if bypass_reason:
        return Conclusion.BYPASSED
    return conclusion_of(has_findings=bool(run.findings), failed_count=counts.failed, case_count=counts.total)


def _files_reported(labels: Mapping[tuple[str, int], str]) -> str:
    return plural(len({number for _, number in labels}), "file")


def _was_running(missing: CaseResult) -> bool:
    return missing.note not in ("", NEVER_RAN)


def _views(results: Sequence[CaseResult], context: CaseContext) -> tuple[CaseView, ...]:
    return tuple(case_view(result, context) for result in results[:MAX_LISTED])


def _shards_reported(run: Run, shard_count: int) -> str:
    if shard_count == len(run.shards):
        return plural(shard_count, "shard")
    return f"{number(len(run.shards))} of {plural(shard_count, 'shard')}"


def _subline(counts: Counts, parts_reported: str, took: str) -> str:
    return f"{plural(counts.total, 'test')} in {parts_reported}, {took}"


def _took(seconds: float, *, is_work: bool) -> str:
    """How long a run took; of files nobody knows what ran beside what, so their tests' work is told."""
    return f"{duration(seconds)} of work" if is_work else duration(seconds)


def _facts(run: Run, links: Links) -> tuple[Fact, ...]:
    commit = links.head_sha or run.commit
    facts = (
        Fact("Branch", run.branch),
        Fact("Commit", commit[:10], links.commit_url),
        Fact("Run", run.run_id, links.run_url),
        Fact("Attempt", str(run.run_attempt)),
        Fact("Started", moment(run.started_at)),
        Fact("Plan", run.plan_digest[:12]),
        *(Fact("Report", name, address) for name, address in links.pages),
        Fact("Made by", f"ci-itest {__version__}"),
    )
    return tuple(fact for fact in facts if fact.value)
