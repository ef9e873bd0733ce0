"""Uploads that did not reach the service, kept in folders until they do."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ci_itest.errors import CiItestError, FileError
from ci_itest.model.upload import Upload
from ci_itest.wire import decode_upload, write_whole

UNSENT = "unsent"
"""Name of the folder, inside a report and beside the cached history."""

_SUFFIX = ".upload.json"
MAX_FILES = 200
_MAX_BYTES = 256 * 1024 * 1024


def keep(document: bytes, upload: Upload, *, folders: Iterable[Path]) -> tuple[Path, ...]:
    """Keep an upload's document in each folder; where it was kept."""
    name = hashlib.sha256(f"{upload.run_id}\0{upload.run_attempt}".encode()).hexdigest()[:24] + _SUFFIX
    kept = []
    for folder in folders:
        with contextlib.suppress(FileError):
            write_whole(folder / name, document)
            kept.append(folder / name)
    return tuple(kept)


def send_again(folders: Iterable[Path], send: Callable[[bytes, Upload], bool]) -> int:
    """Send what is kept, the oldest first, and drop what was taken or will never be; how many were sent.

    Args:
        send: Whether the service is done with it; False ends the sending.
    """
    count = 0
    done: set[str] = set()
    for path in sorted(_kept(folders), key=_age):
        if path.name not in done:
            try:
                document = path.read_bytes()
                upload = decode_upload(document)
            except (OSError, CiItestError):
                path.unlink(missing_ok=True)
                continue
            if not send(document, upload):
                break
            count += 1
            done.add(path.name)
        with contextlib.suppress(OSError):
            path.unlink()
    return count


def _kept(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        found = sorted(folder.glob(f"*{_SUFFIX}"))[:MAX_FILES]
        yield from (path for path in found if path.is_file() and path.stat().st_size <= _MAX_BYTES)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
