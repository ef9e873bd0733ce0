"""What failed tests left (screenshots, traces, videos), out of the bundles into the report's folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ci_itest.errors import FileError
from ci_itest.model.run import Run
from ci_itest.reporting.attachments import attachments_of

FOLDER = "attachments"
"""In the report's folder; a bundle's files keep their path below it."""

MAX_FILE_BYTES = 50 * 1024 * 1024
MAX_TOTAL_BYTES = 500 * 1024 * 1024
_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".webm", ".mp4", ".zip", ".txt", ".md", ".json", ".log", ".har"}
)
"""Nothing that a browser would run as a page: bundles are written by anybody's code."""


def keep_attachments(run: Run, bundles: Path, folder: Path) -> dict[int, str]:
    """Copy what the run's failed cases name and the bundles hold.

    Returns:
        Shard index to the folder that its paths start at, seen from the page; empty when there is nothing.

    Raises:
        FileError: The report's folder cannot be written to.
    """
    left = MAX_TOTAL_BYTES
    for name in _named(run):
        source = _source(name, bundles)
        if source is None or (size := source.stat().st_size) > min(MAX_FILE_BYTES, left):
            continue
        left -= size
        target = folder / FOLDER / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise FileError(f"Cannot write {target}: {error.strerror}.") from error
    return {shard.index: FOLDER for shard in run.shards} if left < MAX_TOTAL_BYTES else {}


def _named(run: Run) -> Iterator[str]:
    for result in run.cases:
        if result.first_bad is not None:
            yield from (attachment.name for attachment in attachments_of(result, folder=None))


def _source(name: str, bundles: Path) -> Path | None:
    """The file of a bundle that a test named; None for anything else, whatever the name says."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix.lower() not in _ENDINGS:
        return None
    source = bundles / path
    is_plain = source.is_file() and not source.is_symlink() and source.resolve().is_relative_to(bundles.resolve())
    return source if is_plain else None
