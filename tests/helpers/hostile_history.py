"""A history in which every text that a project can choose tries to break out of the page it is shown on."""

from __future__ import annotations

from dataclasses import replace

from ci_itest.history.sql import SqlHistory
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.judged import CaseCause, CauseKind, Judged, SlowedCase
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import PhaseTime, Run, ServiceTime
from tests.helpers.history import result, run, shard, started_at
from tests.helpers.hostile import HOSTILE

HOSTILE_REPOSITORY = '"><img src=x onerror="window.__pwned=1">/<script>window.__pwned=1<'
_RUNS = 24
_FLAKY = (7, 8, 10)
_FAILED, _PASSED = Outcome.FAILED, Outcome.PASSED
_WORST = '"><img src=x onerror="window.__pwned=1">'


def fill(history: SqlHistory, *, day: int) -> None:
    """Record runs whose cases, files, branches, commits, ids, texts, owners and reasons are hostile.

    Args:
        day: Of January 2026, on which the last run starts.
    """
    for number in range(_RUNS):
        history.record(_run(number, day=day), repository=HOSTILE_REPOSITORY, recorded_at=started_at(day))
        history.learn(repository=HOSTILE_REPOSITORY, is_main=lambda branch: branch == "main")
    history.set_codeowners(f"* {_WORST.replace(' ', '')} @<script>\n", repository=HOSTILE_REPOSITORY)
    for number, text in enumerate(HOSTILE):
        _quarantine(history, _name(number, text), text, day=day)
        _bypass(history, number, text, day=day)


def _name(number: int, text: str) -> CaseId:
    return CaseId("main" if number % 2 else text, f"tests/{text}.py", f"test_{number}{text}")


def _run(number: int, *, day: int) -> Run:
    text = HOSTILE[(number * 7) % len(HOSTILE)]
    names = [_name(place, other) for place, other in enumerate(HOSTILE)]
    cases = [
        result(
            name.name,
            *_outcomes(place, number),
            suite=name.suite,
            file=name.file,
            message=HOSTILE[place],
            details=HOSTILE[place] * 3,
        )
        for place, name in enumerate(names)
    ]
    phases = [PhaseTime(text or "p", 3.0), PhaseTime("images", 2.0)]
    shards = [
        replace(shard(1, suite=suite, wall=60, planned=50, phases=phases), services=(ServiceTime(text, text, "", 1.0),))
        for suite in sorted({name.suite for name in names})
    ]
    judged = Judged(
        causes=tuple(CaseCause(name, CauseKind.FLAKY, 0.9) for name in names),
        slowed=(SlowedCase(names[number], 1.0, 3.0, 5),),
    )
    # Every third run is of the default branch, without which nothing is slow and nothing has a course.
    made = run(f"{number}{text}", *cases, day=day, branch="main" if number % 3 else text or "b", shards=shards)
    return replace(
        made, commit=f"{number}{text}", judged=judged, started_at=f"2026-01-{day:02}T08:{number:02}:00+00:00"
    )


def _outcomes(place: int, number: int) -> tuple[Outcome, ...]:
    """Some flake in every third run; every other fails once, so that its text is shown."""
    if place in _FLAKY:
        return (_FAILED, _PASSED) if number % 3 == 0 else (_PASSED,)
    return (_FAILED, _FAILED) if place % _RUNS == number else (_PASSED,)


def _quarantine(history: SqlHistory, case: CaseId, text: str, *, day: int) -> None:
    entry = QuarantineEntry(
        case=case,
        reason=text,
        added_at=started_at(day),
        expires_at=started_at(day + 2),
        evidence=text,
        owner=text,
        issue_url=text,
        added_by=text,
    )
    history.quarantine(entry, repository=HOSTILE_REPOSITORY)


def _bypass(history: SqlHistory, number: int, text: str, *, day: int) -> None:
    record = BypassRecord(
        run_id=f"b{number}{text}",
        run_attempt=1,
        pull_request=number + 1,
        commit=text,
        branch=text,
        actor=text,
        rule=text,
        label=text,
        reason=text,
        at=started_at(day),
        merged_as=text,
    )
    history.record_bypass(record, repository=HOSTILE_REPOSITORY)
