"""One test: its last results on all branches, its pace, how it stands, and what to do about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Response

from ci_itest.history.rows import to_epoch
from ci_itest.history.views.case import LAST_RESULTS, CaseView, PastResult, case_view
from ci_itest.history.views.cases import search_cases
from ci_itest.model.cases import Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.reporting.links import replay_command
from ci_itest.reporting.wording import duration, plural
from ci_itest.service.pages import words
from ci_itest.service.pages.addresses import Addresses
from ci_itest.service.pages.pictures import Spark, Step, Strip, change_point, spark, strip
from ci_itest.service.pages.shell import Visited

router = APIRouter()

_SHOWN = 100
_FAILURES = 20


@dataclass(frozen=True, slots=True)
class Durations:
    """What the test took in the runs that it passed at once.

    Attributes:
        chart: For the script that draws it: times in seconds since 1970, durations, and the change.
        step: Where it changes; None where it does not.
        step_us: When the first run after the change started.
    """

    count: int
    middle: float
    step: Step | None
    step_us: int
    spark: Spark
    chart: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Failures that said the same.

    Attributes:
        message: "" where no text is kept of them any more.
        results: The newest first.
        causes: What their reports put them down to, in words.
    """

    message: str
    results: tuple[PastResult, ...]
    causes: str


@router.get("/cases")
def cases(visit: Visited, q: str = "", after: int = 0) -> Response:
    """Tests by name."""
    with visit.reading() as connection:
        found = search_cases(
            connection, visit.repository.id, text=q[:200], limit=_SHOWN + 1, after=min(max(after, 0), 2**31 - 1)
        )
    return visit.render(
        "cases.html.j2",
        title="Tests",
        tab="cases",
        text=q[:200],
        after=after,
        found=found[:_SHOWN],
        has_more=len(found) > _SHOWN,
    )


@router.get("/cases/{case_id}")
def case(visit: Visited, case_id: int, branch: str = "") -> Response:
    """One test."""
    with visit.reading() as connection:
        view = case_view(connection, visit.repository, case_id) if 0 < case_id < 2**31 else None
    if view is None:
        raise HTTPException(
            404, "There is no such test in this repository; its results may be older than what is kept."
        )
    shown = [result for result in view.results if not branch or result.branch == branch]
    failed = [result for result in shown if result.failed_attempts]
    return visit.render(
        "case.html.j2",
        title=view.case.name[:120],
        tab="cases",
        view=view,
        results=shown,
        failures=_failures(failed),
        most_listed=_FAILURES,
        failed_count=len(failed),
        branch=branch,
        branches=_branches(view.results),
        headline=_headline(view),
        standing=_standing(view),
        strip=_strip(shown, visit.addresses),
        causes=_causes(failed),
        durations=_durations(shown),
        command=_command(failed or shown, view),
        until_us=to_epoch(view.entry.expires_at) if view.entry else 0,
        last_results=LAST_RESULTS,
    )


def _branches(results: Sequence[PastResult]) -> list[tuple[str, int]]:
    return Counter(result.branch for result in results).most_common(30)


def _headline(view: CaseView) -> str:
    standing = view.standing
    if standing is None:
        if any(result.failed_attempts for result in view.results):
            return "Not suspected of failing by itself"
        return "Healthy" if view.results else "No result is kept of it any more"
    if standing.broken_on_main > 0.5:
        return f"Broken on main ({words.percent(standing.broken_on_main)} sure)"
    word = "Flaky" if standing.is_flaky else "Suspect"
    return f"{word}: fails by itself in {words.percent(standing.rate)} of its runs"


def _standing(view: CaseView) -> str:
    """The sentence under the headline."""
    standing = view.standing
    if standing is None:
        return "The model finds no sign that it fails for no reason of its code."
    low, high = words.percent(standing.rate_low), words.percent(standing.rate_high)
    runs = plural(standing.main_runs, "run")
    return (
        f"Between {low} and {high}, with 19 of 20 chances. "
        f"It failed in {standing.main_failures:,} of {runs} on the default branch; "
        f"that it fails by itself is {words.percent(standing.probability)} sure."
    )


def _strip(results: Sequence[PastResult], addresses: Addresses) -> Strip:
    """The oldest result on the left."""
    fields = []
    for result in reversed(results):
        cause = f", {words.cause(result.cause)}" if result.cause else ""
        text = f"{words.moment(result.started_us)} · {result.branch}: {result.verdict.value}{cause}"
        kind = _kind(result)
        fields.append((kind, text[:300], addresses.run(result.run_id, result.run_attempt) if kind != "passed" else ""))
    counts = Counter(result.verdict.value for result in results)
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return strip(fields, label=f"The last {plural(len(results), 'result')}: {said or 'none'}.", step=5.0, gap=1.0)


def _kind(result: PastResult) -> str:
    """A field's colour: by cause where a failure has one."""
    if result.verdict is Verdict.FAILED and result.cause in (CauseKind.FLAKY, CauseKind.ENVIRONMENT):
        return "flaked" if result.cause is CauseKind.FLAKY else "outside"
    return result.verdict.value


def _causes(failed: Sequence[PastResult]) -> list[tuple[str, int, float]]:
    """Words, count and share of each cause."""
    counts = Counter(words.cause(result.cause) or "not judged" for result in failed)
    return [(word, count, count / len(failed)) for word, count in counts.most_common()]


def _failures(failed: Sequence[PastResult]) -> list[Failure]:
    """By what they said, the most frequent first."""
    groups: dict[str, list[PastResult]] = {}
    for result in failed:
        groups.setdefault(result.message, []).append(result)
    ordered = sorted(groups.items(), key=lambda pair: (not pair[0], -len(pair[1])))
    return [
        Failure(message, tuple(results), ", ".join(f"{word} {count}" for word, count, _ in _causes(results)))
        for message, results in ordered
    ]


def _durations(results: Sequence[PastResult]) -> Durations:
    passed = [result for result in reversed(results) if result.verdict is Verdict.PASSED and result.attempts == 1]
    seconds = [result.seconds for result in passed]
    step = change_point(seconds)
    middle = sorted(seconds)[len(seconds) // 2] if seconds else 0.0
    label = (
        f"{plural(len(seconds), 'duration')} from {duration(min(seconds))} to {duration(max(seconds))}"
        if seconds
        else ""
    )
    chart = {
        "x": [result.started_us // 1_000_000 for result in passed],
        "y": [round(taken, 4) for taken in seconds],
        "step": {"at": passed[step.place].started_us // 1_000_000, "before": step.before, "after": step.after}
        if step
        else None,
        "unit": "s",
        "label": "duration",
    }
    return Durations(
        count=len(seconds),
        middle=middle,
        step=step,
        step_us=passed[step.place].started_us if step else 0,
        spark=spark(seconds, label=label, width=600, height=120),
        chart=json.dumps(chart),
    )


def _command(results: Sequence[PastResult], view: CaseView) -> str:
    """What runs its newest failure again, or its newest run where it never failed."""
    newest = next((result for result in results if result.shard), None)
    if newest is None:
        return ""
    return replay_command(newest.run_id, suite=view.case.suite, shard=newest.shard, only=view.case)
