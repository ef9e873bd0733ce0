"""Path patterns as people know them from .gitignore and workflow files, always from the repository's root."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(path: str, pattern: str) -> bool:
    """Whether a path ("docs/a.md") is meant by a pattern.

    `*` and `?` stand for characters of one name, `[ab]` for one of these, `**` as a whole name for any number of
    folders, none included; at the end it means everything below. A pattern that ends with a slash does too.
    Upper and lower case differ. A `*` takes a leading dot as any other character.
    """
    pattern = pattern.removeprefix("./").removeprefix("/")
    if pattern.endswith("/"):
        pattern += "**"
    return _match(path.split("/"), pattern.split("/")) if pattern else False


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns means the path."""
    return any(matches(path, pattern) for pattern in patterns)


def _match(names: list[str], patterns: list[str]) -> bool:
    # The set of names reached so far, one pattern after the other: linear in names times patterns, where
    # trying every length of every `**` would be exponential.
    reached = {0}
    for index, pattern in enumerate(patterns):
        is_last = index == len(patterns) - 1
        if pattern == "**":
            lowest = min(reached) + (1 if is_last else 0)
            reached = set(range(lowest, len(names) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(names) and fnmatchcase(names[at], pattern)}
        if not reached:
            return False
    return len(names) in reached
