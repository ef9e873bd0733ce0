"""The lines of a long traceback that a reader needs first."""

from __future__ import annotations

MAX_LINES = 22
LINE_LIMIT = 240
_AFTER = 6


def excerpt(details: str, *, max_lines: int = MAX_LINES) -> str:
    """At most `max_lines` lines around the assertion, with what was left out said.

    pytest marks the failing line with `>` and what went wrong with `E`; the last such lines are the ones that
    explain (a chained exception shows its causes first). Any other text: its end, where tracebacks put the point.
    """
    lines = details.rstrip().splitlines()
    if not lines:
        return ""
    first, last = _around_the_point(lines, max_lines)
    above, below = first, len(lines) - last
    shown = [line[:LINE_LIMIT] + "…" if len(line) > LINE_LIMIT else line for line in lines[first:last]]
    if above:
        shown.insert(0, f"… {above:,} {'line' if above == 1 else 'lines'} above")
    if below:
        shown.append(f"… {below:,} {'line' if below == 1 else 'lines'} below")
    return "\n".join(shown)


def _around_the_point(lines: list[str], max_lines: int) -> tuple[int, int]:
    """First line shown and the one after the last."""
    if len(lines) <= max_lines:
        return 0, len(lines)
    marked = [index for index, line in enumerate(lines) if line.startswith("E ") or line == "E"]
    if not marked:
        return len(lines) - max_lines, len(lines)
    point = _start_of_last_block(marked)
    last = min(max(marked[-1], point) + 1 + _AFTER, len(lines), point + max_lines * 2 // 3)
    first = max(last - max_lines, 0)
    return first, min(max(last, first + max_lines), len(lines))


def _start_of_last_block(marked: list[int]) -> int:
    start = marked[-1]
    for index in reversed(marked):
        if start - index > 1:
            break
        start = index
    return start


def marked_lines(text: str) -> list[tuple[str, str]]:
    """The lines with what they are: `e` what went wrong, `at` where, `cut` what is left out, "" the rest."""
    return [(_mark(line), line) for line in text.split("\n")]


def _mark(line: str) -> str:
    if line.startswith("E ") or line == "E":
        return "e"
    if line.startswith("> "):
        return "at"
    return "cut" if line.startswith("… ") else ""
