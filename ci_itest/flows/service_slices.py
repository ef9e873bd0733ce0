"""What every service wrote while a failed case ran: its log's lines from the case's span of time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ci_itest.model.cases import Attempt
from ci_itest.model.run import ServiceSlice

MAX_CASES = 50
MAX_LINES = 30
MAX_CHARACTERS = 3_000
MAX_ALL_CHARACTERS = 60_000
_SLACK_SECONDS = 0.05  # the engine stamps a line when it reads it, a moment after it was written


def service_slices(logs: Mapping[str, Path], attempts: Iterable[Attempt]) -> tuple[ServiceSlice, ...]:
    """For the first failed attempt of each case, the lines of each log that were written while it ran.

    Args:
        logs: By service, its log; each line begins with its time in UTC and a space.

    Returns:
        Within the bounds of a bundle; of a long span the last lines, with how many went before.
    """
    spans = dict(_spans(attempts))
    if not spans:
        return ()
    found = []
    for service, path in logs.items():
        stamps, lines = _stamped(path)
        for case, (start, end) in spans.items():
            within = lines[bisect_left(stamps, start) : bisect_right(stamps, end)]
            if within:
                found.append(ServiceSlice(case, service, _shown(within)))
    order = {case: place for place, case in enumerate(spans)}
    return bounded_slices(sorted(found, key=lambda one: order[one.case]))


def bounded_slices(slices: Iterable[ServiceSlice]) -> tuple[ServiceSlice, ...]:
    """The same within their bounds, whoever wrote them."""
    kept, left = [], MAX_ALL_CHARACTERS
    for one in slices:
        text = one.text[-min(MAX_CHARACTERS, left) :] if left else ""
        left -= len(text)
        if text:
            kept.append(ServiceSlice(one.case[:1_000], one.service[:100], text))
    return tuple(kept)


def service_logs(folder: Path, app_logs: Iterable[Path]) -> dict[str, Path]:
    """By service, in order of their names, its log in a bundle; apps behind them."""
    found = {path.stem: path for path in sorted(folder.glob("*.log"))}
    return found | {path.stem.removeprefix("app-"): path for path in app_logs if path.is_file()}


def _spans(attempts: Iterable[Attempt]) -> Iterator[tuple[str, tuple[float, float]]]:
    """The case's node id, and from when to when it ran, in seconds since 1970."""
    seen: set[str] = set()
    for attempt in attempts:
        case = attempt.case.node_id
        start = _seconds(attempt.started_at)
        if attempt.outcome.is_bad and start is not None and case not in seen:
            seen.add(case)
            yield case, (start - _SLACK_SECONDS, start + attempt.seconds + _SLACK_SECONDS)
            if len(seen) == MAX_CASES:
                return


def _stamped(path: Path) -> tuple[list[float], list[str]]:
    """Times and lines of a log; a line without a time belongs to the one before."""
    stamps: list[float] = []
    lines: list[str] = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return stamps, lines
    for line in text.splitlines():
        stamp, _, words = line.partition(" ")
        seconds = _seconds(stamp)
        if seconds is None:
            seconds, words = (stamps[-1] if stamps else 0.0), line
        # Two streams of a container may be written out of order by a hair.
        stamps.append(max(seconds, stamps[-1]) if stamps else seconds)
        lines.append(words)
    return stamps, lines


def _seconds(stamp: str) -> float | None:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _shown(lines: list[str]) -> str:
    gone = len(lines) - MAX_LINES
    if gone <= 0:
        return "\n".join(lines)
    return "\n".join([f"… {gone} lines before …", *lines[-MAX_LINES:]])
