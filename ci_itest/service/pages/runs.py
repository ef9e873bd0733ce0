"""Runs: the list and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, HTTPException, Response

from ci_itest.history.views.runs import OneRun, RunCase, RunRow, RunShard, branches, one_run, run_page
from ci_itest.model.cases import Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Conclusion, shard_label
from ci_itest.reporting.links import replay_command
from ci_itest.reporting.shards import BAR_WIDTH
from ci_itest.reporting.wording import difference, duration, number, plural
from ci_itest.service.pages import words
from ci_itest.service.pages.shell import Visited

router = APIRouter()

_CAUSES = frozenset(kind.value for kind in CauseKind)

_SHOWN = 50
_MOST_BAD = 200
_KINDS = ("boot", "images", "services", "prepare", "app", "tests", "clean-up")
SIGNS = {
    Conclusion.SUCCESS.value: ("✓", "good"),
    Conclusion.FAILURE.value: ("✕", "bad"),
    Conclusion.INCOMPLETE.value: ("!", "warn"),
    Conclusion.NOTHING.value: ("–", "muted"),
    Conclusion.BYPASSED.value: ("–", "muted"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One phase in a shard's bar."""

    kind: str
    text: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ShardLine:
    """One shard of a run.

    Attributes:
        held: Its tests' work against the plan.
        planned_width: Length of the line that shows what was planned, 0 without.
        picture: The bar in words.
    """

    label: str
    wall: str
    work: str
    planned: str
    held: str
    phases: tuple[Piece, ...]
    planned_width: float
    picture: str


@router.get("/runs")
def runs(visit: Visited, branch: str = "", conclusion: str = "", before: str = "") -> Response:
    """Runs, the newest first."""
    known = conclusion if conclusion in {one.value for one in Conclusion} else ""
    with visit.reading() as connection:
        found = run_page(
            connection,
            visit.repository.id,
            limit=_SHOWN + 1,
            branch=branch[:500],
            conclusion=known,
            before=_place(before),
        )
        names = branches(connection, visit.repository.id, since_us=visit.since(90))
    shown = found[:_SHOWN]
    return visit.render(
        "runs.html.j2",
        title="Runs",
        tab="runs",
        runs=shown,
        signs=SIGNS,
        branch=branch,
        branches=names if branch in names or not branch else (branch, *names),
        conclusion=known,
        conclusions=[one.value for one in Conclusion if one is not Conclusion.BYPASSED],
        before=f"{shown[-1].started_us}.{shown[-1].number}" if len(found) > _SHOWN else "",
        is_first_page=not before,
    )


def _place(before: str) -> tuple[int, int] | None:
    """Where the page begins; from the beginning for what is no place."""
    parts = before.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        return None
    return int(parts[0]), min(int(parts[1]), 2**31 - 1)


@router.get("/runs/{attempt}/{run_id:path}")
def run(visit: Visited, attempt: int, run_id: str) -> Response:
    """One run."""
    with visit.reading() as connection:
        found = (
            one_run(connection, visit.repository.id, run_id=run_id, attempt=attempt, most_bad=_MOST_BAD)
            if 0 <= attempt < 2**31
            else None
        )
    if found is None:
        raise HTTPException(404, f"No run {run_id[:80]} is kept here; it may be older than what is kept.")
    row = found.row
    groups = _groups(found.bad)
    return visit.render(
        "run.html.j2",
        title=f"Run {run_id[:60]}",
        tab="runs",
        run=row,
        sign=SIGNS.get(row.conclusion, ("–", "muted")),
        headline=headline(row),
        groups=groups,
        slowest=found.slowest,
        bad_count=row.failed + row.recovered + row.quarantined + row.missing,
        most_bad=_MOST_BAD,
        shards=shard_lines(found.shards),
        phase_kinds=_KINDS,
        command=_command(found),
        said=[_said(kind, text) for kind, text in found.words],
    )


def headline(row: RunRow) -> str:
    """The run in a sentence, as the report says it."""
    ran = row.passed + row.failed + row.recovered + row.quarantined
    if row.conclusion == Conclusion.INCOMPLETE.value:
        return f"Incomplete: {plural(row.missing, 'test')} missing" if row.missing else "Incomplete run"
    if row.failed:
        return f"{number(row.failed)} of {plural(ran, 'test')} failed"
    return f"All {plural(ran, 'test')} passed" if ran else "Nothing ran"


def _said(kind: str, text: str) -> tuple[str, str, str]:
    """What a report said beside its cases: what it is, a word for the style, the sentence."""
    if kind == "finding":
        return "Incomplete", "bad", text
    if kind in _CAUSES:
        return words.cause(CauseKind(kind)).capitalize(), "warn", text
    return "Note", "muted", text


def _groups(bad: Sequence[RunCase]) -> list[tuple[str, str, list[RunCase]]]:
    """Cases that did not simply pass: title, a word for the style, cases."""
    titles = (
        (Verdict.FAILED, "Failed", "bad"),
        (Verdict.MISSING, "Missing", "bad"),
        (Verdict.RECOVERED, "Passed only after a retry", "warn"),
        (Verdict.QUARANTINED, "Failed in quarantine, not counted", "muted"),
    )
    found = ((title, kind, [case for case in bad if case.verdict is verdict]) for verdict, title, kind in titles)
    return [group for group in found if group[2]]


def _command(found: OneRun) -> str:
    first = next((case for case in found.bad if case.shard and case.verdict is Verdict.FAILED), None)
    if first is None:
        shard = next(iter(found.shards), None)
        return replay_command(found.row.run_id, suite=shard.suite, shard=shard.index) if shard else ""
    return replay_command(found.row.run_id, suite=first.case.suite, shard=first.shard, only=first.case)


def shard_lines(shards: Sequence[RunShard]) -> tuple[ShardLine, ...]:
    """Shards with their bars, all to one scale."""
    longest = max((shard.wall_seconds for shard in shards), default=0.0) or 1.0
    return tuple(_shard_line(shard, longest) for shard in shards)


def _shard_line(shard: RunShard, longest: float) -> ShardLine:
    scale, x, pieces = BAR_WIDTH / longest, 0.0, []
    for phase in shard.phases:
        if phase.name.startswith("service:") or phase.seconds <= 0:
            continue
        width = phase.seconds * scale
        kind = phase.name if phase.name in _KINDS else "other"
        pieces.append(Piece(kind, f"{phase.name} {duration(phase.seconds)}", round(x, 1), round(width, 1)))
        x += width
    planned = shard.planned_seconds
    # The plan foretells work, not wall time: what its tests took has the same share of the bar's length.
    tests = sum(phase.seconds for phase in shard.phases if phase.name == "tests")
    before = sum(phase.seconds for phase in shard.phases if not phase.name.startswith(("service:", "tests", "clean")))
    as_planned = before + tests * planned / shard.work_seconds if planned and shard.work_seconds else 0.0
    label = shard_label(shard.suite, shard.index, shard.count)
    return ShardLine(
        label=label,
        wall=duration(shard.wall_seconds),
        work=duration(shard.work_seconds),
        planned=duration(planned) if planned else "",
        held=difference(shard.work_seconds, planned),
        phases=tuple(pieces),
        planned_width=round(min(as_planned * scale, BAR_WIDTH), 1),
        picture=f"Shard {label}: " + (", ".join(piece.text for piece in pieces) or "no phases recorded"),
    )
