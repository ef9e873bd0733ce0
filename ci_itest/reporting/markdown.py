"""The pull-request comment and the job summaries, cut to GitHub's limits with what was cut said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ci_itest.model.run import Conclusion, ShardResult, ShardState, StopReason
from ci_itest.reporting.sanitise import block, marker_word, one_line
from ci_itest.reporting.shards import services_of
from ci_itest.reporting.templates import render_markdown
from ci_itest.reporting.view import ReportView
from ci_itest.reporting.wording import duration, joined, plural

COMMENT_CHARACTERS = 60_000
"""GitHub refuses a comment above 65,536; the rest is room for a line that somebody adds."""

SUMMARY_BYTES = 900 * 1024
"""GitHub drops a whole job summary above 1 MiB."""

_FENCE = re.compile(r" *(`{3,}|~{3,})")

_SIGNS = {
    Conclusion.SUCCESS: "✅",
    Conclusion.FAILURE: "❌",
    Conclusion.INCOMPLETE: "⚠️",
    Conclusion.NOTHING: "⚠️",
    Conclusion.BYPASSED: "⏭️",
}


@dataclass(frozen=True, slots=True)
class Room:
    """How much of each list is shown.

    Attributes:
        causes: Reasons of failure, with their message.
        excerpts: Of these, how many with the lines around the assertion.
        rows: Cases of one cause.
        listed: Recovered, quarantined, skipped and missing entries, each.
        outputs: How many causes with captured output and service logs.
    """

    causes: int
    excerpts: int
    rows: int
    listed: int
    outputs: int


# What goes first when the text is too long: output and excerpts beyond the tenth cause, then the lists, then the rows
# of a cause beyond ten, then causes. The last step is a few kilobytes whatever the run holds.
_STEPS = (
    Room(causes=200, excerpts=200, rows=50, listed=200, outputs=3),
    Room(causes=200, excerpts=10, rows=50, listed=50, outputs=1),
    Room(causes=200, excerpts=10, rows=50, listed=10, outputs=0),
    Room(causes=100, excerpts=10, rows=10, listed=10, outputs=0),
    Room(causes=50, excerpts=5, rows=5, listed=10, outputs=0),
    Room(causes=20, excerpts=2, rows=3, listed=5, outputs=0),
    Room(causes=10, excerpts=0, rows=2, listed=3, outputs=0),
)
_SUMMARY_STEPS = (Room(causes=200, excerpts=200, rows=50, listed=200, outputs=200), *_STEPS)


@dataclass(frozen=True, slots=True)
class MarkdownPage:
    """What the Markdown templates are given.

    Attributes:
        marker: What finds the comment again; "" in a summary.
        sign: The verdict as a character.
        room: How much of each list to show.
        more_url: Where the rest is, "" when nowhere.
    """

    view: ReportView
    marker: str
    sign: str
    room: Room
    more_url: str


@dataclass(frozen=True, slots=True)
class ShardPage:
    """What a shard says in its own job: five lines."""

    sign: str
    headline: str
    work: str
    services: str
    message: str
    bundle: str


def comment(view: ReportView, *, key: str, overrides: Mapping[str, str] | None = None) -> str:
    """The pull-request comment, COMMENT_CHARACTERS at most; its first line is the hidden marker of `key`.

    Args:
        key: Tells this comment from other workflows' on the same pull request.
        overrides: The user's templates by name, from the base commit.
    """
    marker = comment_marker(key)
    for room in _STEPS:
        if not overrides and room is not _STEPS[-1] and _least_length(view, room) > COMMENT_CHARACTERS:
            continue
        text = _render("comment.md.j2", view, marker=marker, room=room, overrides=overrides)
        if not text.startswith(marker):
            # A user's template may leave it out, and then no later run would find the comment.
            text = f"{marker}\n{text}"
        # GitHub's limit is written in characters and has been seen to be counted in UTF-16 units.
        if _utf16_length(text) <= COMMENT_CHARACTERS:
            return text
    return _cut_at_line(text, COMMENT_CHARACTERS)


def _least_length(view: ReportView, room: Room) -> int:
    """Characters that names and excerpts alone take, so that what cannot fit is not rendered to be thrown away."""
    causes = view.causes[: room.causes]
    names = sum(len(one_line(case.name)) for cause in causes for case in cause.cases[: room.rows])
    return names + sum(len(block(cause.first.excerpt)) for cause in causes[: room.excerpts])


def comment_marker(key: str) -> str:
    """The first line of the comment of `key`, by which it is found again."""
    return f"<!-- ci-itest:report key={marker_word(key)} -->"


def summary(view: ReportView, *, overrides: Mapping[str, str] | None = None) -> str:
    """The report job's summary, SUMMARY_BYTES at most: the comment's text with more of it, shards and slowest tests."""
    for room in _SUMMARY_STEPS:
        text = _render("summary.md.j2", view, marker="", room=room, overrides=overrides)
        if len(text.encode()) <= SUMMARY_BYTES:
            return text
    return _cut_at_line(text, SUMMARY_BYTES // 4)


def _render(name: str, view: ReportView, *, marker: str, room: Room, overrides: Mapping[str, str] | None) -> str:
    page = MarkdownPage(
        view=view,
        marker=marker,
        sign=_SIGNS[view.conclusion],
        room=room,
        more_url=view.links.report_url or view.links.run_url,
    )
    return _tidy(render_markdown(name, {"page": page, "view": view, "room": room}, overrides=overrides))


def _tidy(text: str) -> str:
    """One blank line where templates left several, none at the end of a line; what stands in a fence is left alone."""
    kept: list[str] = []
    fence = ""
    for line in text.strip().split("\n"):
        if fence:
            fence = "" if line.strip() == fence else fence
            kept.append(line)
            continue
        if match := _FENCE.match(line):
            fence = match[1]
        line = line.rstrip()
        if line or kept[-1:] != [""]:
            kept.append(line)
    return "\n".join(kept) + "\n"


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut_at_line(text: str, limit: int) -> str:
    """Only reached with a user's template that ignores its room: whole lines, and the cut said."""
    said = "\n\n…the rest of this text is too long for GitHub.\n"
    kept = text[: (limit - len(said)) // 2]
    return kept[: kept.rfind("\n")] + said


def shard_summary(shard: ShardResult, *, failed_count: int, recovered_count: int = 0, bundle: str = "") -> str:
    """Five lines for a shard's own job: how it went, its time, its services, what stopped it, where its bundle is."""
    case_count = len({attempt.case for attempt in shard.attempts}) or len(shard.collected)
    page = ShardPage(
        sign=_SIGNS[_shard_conclusion(shard, failed_count)],
        headline=_shard_headline(shard, case_count, failed_count, recovered_count),
        work=_shard_work(shard),
        services=services_of(shard),
        message=shard.message,
        bundle=bundle,
    )
    return render_markdown("shard_summary.md.j2", {"page": page}).strip() + "\n"


def _shard_conclusion(shard: ShardResult, failed_count: int) -> Conclusion:
    if shard.stop_reason is not StopReason.NONE or shard.state is not ShardState.FINISHED:
        return Conclusion.INCOMPLETE
    return Conclusion.FAILURE if failed_count else Conclusion.SUCCESS


def _shard_headline(shard: ShardResult, case_count: int, failed_count: int, recovered_count: int) -> str:
    parts = [plural(case_count, "test")]
    if failed_count:
        parts.append(f"{failed_count:,} failed")
    if recovered_count:
        parts.append(f"{recovered_count:,} passed only after a retry")
    if shard.stop_reason is not StopReason.NONE:
        parts.append(f"stopped: {shard.stop_reason.value}")
    elif shard.state is not ShardState.FINISHED:
        parts.append("did not finish")
    return f"Shard {shard.label}: {', '.join(parts)}"


def _shard_work(shard: ShardResult) -> str:
    phases = [f"{phase.name} {duration(phase.seconds)}" for phase in shard.phases if phase.seconds > 0]
    words = f"{duration(shard.seconds)} with {plural(shard.workers, 'worker')}"
    return f"{words}: {joined(phases)}" if phases else words
