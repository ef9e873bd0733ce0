"""Which files a pattern of the settings means, and what is in them: for keys of what is kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ci_itest.bypass.globs import matches
from ci_itest.errors import SettingsError

_NEVER = frozenset({".git", ".venv", "node_modules", "__pycache__", ".ci-itest"})


def digests_of(pattern: str, root: Path, *, place: str) -> list[tuple[str, str]]:
    """Path from the root and SHA-256 of each file that a pattern means, in order.

    Args:
        place: Where the settings have the pattern, for the error.

    Raises:
        SettingsError: It means no file, so that nothing would ever renew what is kept.
    """
    found = sorted(path for path in _files(root, pattern) if matches(path, pattern))
    if not found:
        raise SettingsError(
            f"`{pattern}`, {place}, means no file.",
            hint="Patterns are read from the folder of the settings; correct it or take it out.",
        )
    return [(path, hashlib.sha256((root / path).read_bytes()).hexdigest()) for path in found]


def _files(root: Path, pattern: str) -> Iterable[str]:
    """Files below the pattern's folders that have no wildcard in their name."""
    start = root
    for part in pattern.removeprefix("./").removeprefix("/").split("/"):
        if any(character in part for character in "*?["):
            break
        start = start / part
    if start.is_file():
        yield start.relative_to(root).as_posix()
        return
    waiting = [start] if start.is_dir() else []
    while waiting:
        for path in waiting.pop().iterdir():
            if path.is_dir() and not path.is_symlink() and path.name not in _NEVER:
                waiting.append(path)
            elif path.is_file():
                yield path.relative_to(root).as_posix()
