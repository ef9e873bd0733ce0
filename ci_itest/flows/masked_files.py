"""Secrets out of the files that tests left in a bundle: of texts, and of the texts inside ZIP files, traces mostly.

Pictures and films stay as they are: what they show cannot be read here.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from ci_itest.errors import FileError
from ci_itest.masking import Masker
from ci_itest.wire import write_whole

MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
"""Of one ZIP file, with what is packed inside it."""

_MOST_NESTED = 2
"""A blob report holds the traces, which are ZIP files themselves."""

_NOT_TEXT = (b"\x89PNG", b"\xff\xd8\xff", b"\x1aE\xdf\xa3", b"GIF8", b"RIFF", b"wOF2", b"\x1f\x8b")


_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for a file that is cut off, encrypted or packed in a way it does not know."""


class _TooMuchError(Exception):
    """A ZIP file holds more than we unpack."""


def mask_files(folder: Path, mask: Masker) -> tuple[str, ...]:
    """Mask every file below a folder, each whole or not at all.

    Returns:
        What was removed because nobody can tell what is in it (a ZIP file that is cut off or too large), in words.

    Raises:
        FileError: A file cannot be read or written.
    """
    return tuple(words for path in sorted(_files(folder)) if (words := _mask_file(path, mask)))


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (path for name in names if (path := Path(parent, name)).is_file() and not path.is_symlink())


def _mask_file(path: Path, mask: Masker) -> str:
    """What is wrong with a file that had to be removed, "" for one that is as it should be."""
    try:
        if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
            return _mask_zip_file(path, mask)
        data = path.read_bytes()
        if (masked := _masked(data, mask)) is not data:
            write_whole(path, masked)
        return ""
    except OSError as error:
        raise FileError(f"Cannot mask {path}: {error.strerror}.") from error


def _mask_zip_file(path: Path, mask: Masker) -> str:
    data = path.read_bytes()
    try:
        masked = _masked_zip(data, mask, left=[MAX_UNPACKED_BYTES], depth=_MOST_NESTED)
    except (_TooMuchError, *_UNREADABLE) as error:
        path.unlink()
        why = "holds more than is unpacked" if isinstance(error, _TooMuchError) else "cannot be read"
        return f"{path.name} {why}; it was removed, since it may show secrets."
    if masked is not data:
        write_whole(path, masked)
    return ""


def _masked_zip(data: bytes, mask: Masker, *, left: list[int], depth: int) -> bytes:
    """The same bytes where there is nothing to mask, else a ZIP file with the same members.

    Args:
        left: Bytes that may still be unpacked; counted down.
        depth: How many ZIP files deep it goes on.
    """
    members: list[tuple[zipfile.ZipInfo, bytes]] = []
    is_changed = False
    with zipfile.ZipFile(BytesIO(data)) as packed:
        for member in packed.infolist():
            left[0] -= member.file_size
            if left[0] < 0:
                raise _TooMuchError
            content = packed.read(member)
            if depth > 1 and zipfile.is_zipfile(BytesIO(content)):
                masked = _masked_zip(content, mask, left=left, depth=depth - 1)
            else:
                masked = _masked(content, mask)
            is_changed = is_changed or masked is not content
            members.append((member, masked))
    return _packed(members) if is_changed else data


def _packed(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for member, content in members:
            packed.writestr(member, content)
    return target.getvalue()


def _masked(data: bytes, mask: Masker) -> bytes:
    """The same bytes for what is no text, or needs no mask."""
    if data.startswith(_NOT_TEXT):
        return data
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    masked = mask(text)
    return masked.encode() if masked != text else data
