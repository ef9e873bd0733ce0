"""A downloaded archive's files, in a folder: it comes from a machine that ran anybody's tests."""

from __future__ import annotations

import lzma
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from ci_itest.errors import FileError

MAX_FILES = 20_000
MAX_BYTES = 2 * 1024 * 1024 * 1024

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)
"""What the standard library raises for archives that are damaged, encrypted or packed in a way it does not know
(NotImplementedError is a RuntimeError), or that do not fit on the disk."""


def unpack(archive: Path, folder: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Path:
    """The files of an archive, in a fresh folder: plain files below it only, and no more than a bundle can have.

    Raises:
        FileError: It is not a zip archive, holds anything but plain files, or too much; or the disk is full. No file
            is left then.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack_all(opened, folder, max_files=max_files, max_bytes=max_bytes)
    except FileError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except _BROKEN as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise FileError(f"Cannot unpack {archive}: {error}.") from error
    return folder


def _unpack_all(opened: zipfile.ZipFile, folder: Path, *, max_files: int, max_bytes: int) -> None:
    members = [member for member in opened.infolist() if not member.is_dir()]
    if len(members) > max_files or sum(member.file_size for member in members) > max_bytes:
        raise FileError(f"The archive holds more than a bundle can: {len(members)} files.")
    left = max_bytes
    for member in members:
        left -= _unpack_one(opened, member, folder, left)


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Write one member below the folder; how many bytes it really had, whatever the archive says."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    target = (folder / member.filename).resolve()
    if kind not in (0, stat.S_IFREG) or not target.is_relative_to(folder.resolve()) or "\\" in member.filename:
        raise FileError(f"The archive holds {member.filename[:100]!r}, which no bundle has; nothing of it is used.")
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    # "x": of two members with one name, the second would replace what the first was checked for.
    with opened.open(member) as source, target.open("xb") as sink:
        while block := source.read(1024 * 1024):
            size += len(block)
            if size > left:
                raise FileError(f"The archive holds more than it says: {member.filename[:100]!r}.")
            sink.write(block)
    return size
