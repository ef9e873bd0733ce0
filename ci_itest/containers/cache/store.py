"""A folder of blobs named by their digests, and of what names stood for when they were last asked for.

Nothing in it is ever half written: files come under their names by renaming. Nothing in it is believed: a blob is
hashed before its first use in a process, since the folder may come out of an archive. Several processes may share it.

    blobs/sha256/<64 digits>    layers, configurations, manifests
    names/<hash>.json           name, digest, platform, time of last use
    partial/                    what is being written
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from ci_itest.containers.cache.manifests import LARGEST_MANIFEST_BYTES, parse_manifest
from ci_itest.errors import FileError
from ci_itest.wire import to_json, write_whole

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_ABANDONED_SECONDS = 3600.0


class WrongDigestError(Exception):
    """What was written is not what its name says.

    Attributes:
        found: The digest of what was written.
    """

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@dataclass(frozen=True, slots=True)
class Kept:
    """What a name stood for.

    Attributes:
        name: Of the image, registry and all.
        digest: Of its manifest, or of the index of several.
        platform: It was fetched for, such as `linux/amd64`.
        used_at: Seconds since 1970.
    """

    name: str
    digest: str
    platform: str
    used_at: float


def is_digest(text: str) -> bool:
    """Whether it is a digest that can be checked: SHA-256, in lower case."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class BlobStore:
    """Blobs and names in a folder, which is made when it is first written to."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._checked: set[str] = set()
        self._lock = threading.Lock()
        self.damaged: list[str] = []

    def path(self, digest: str) -> Path | None:
        """The file of a blob that was found to be what its name says; None when there is none.

        A damaged one is removed, and named in `damaged`.
        """
        path = self._place(digest)
        if not path.is_file():
            return None
        with self._lock:
            if digest in self._checked:
                return path
        if _hashed(path) == digest:
            with self._lock:
                self._checked.add(digest)
            return path
        with self._lock:
            self.damaged.append(digest)
        path.unlink(missing_ok=True)
        return None

    def read(self, digest: str) -> bytes | None:
        """A small blob's content."""
        path = self.path(digest)
        if path is None or path.stat().st_size > LARGEST_MANIFEST_BYTES:
            return None
        return path.read_bytes()

    def size(self, digest: str) -> int:
        """Bytes of a blob, 0 when it is not there; it is not checked."""
        try:
            return self._place(digest).stat().st_size
        except OSError:
            return 0

    def age_seconds(self, digest: str) -> float:
        """Since a blob was written; 0 when it is not there."""
        try:
            return max(0.0, time.time() - self._place(digest).stat().st_mtime)
        except OSError:
            return 0.0

    @contextlib.contextmanager
    def writing(self, digest: str) -> Iterator[Hashing]:
        """A file to write a blob to, which comes under its name when the block ends well.

        Raises:
            WrongDigestError: What was written has another digest.
            FileError: The folder cannot be written to, or its disk is full.
        """
        self._place(digest)
        with self._new_file() as (hashing, temporary):
            with self._writable(), hashing.file:
                yield hashing
            if hashing.digest != digest:
                raise WrongDigestError(hashing.digest)
            self._take_in(temporary, digest)

    @contextlib.contextmanager
    def adding(self) -> Iterator[Hashing]:
        """A file to write a new blob to, whose `digest` it comes under when the block ends well.

        Raises:
            FileError: The folder cannot be written to, or its disk is full.
        """
        with self._new_file() as (hashing, temporary):
            with self._writable(), hashing.file:
                yield hashing
            self._take_in(temporary, hashing.digest)

    @contextlib.contextmanager
    def _new_file(self) -> Iterator[tuple[Hashing, Path]]:
        with self._writable():
            partial = self.folder / "partial"
            for folder in (partial, self.folder / "blobs" / "sha256"):
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=partial)
        try:
            yield Hashing(os.fdopen(handle, "wb", buffering=1 << 20)), Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _take_in(self, temporary: Path, digest: str) -> None:
        temporary.chmod(0o644)
        temporary.replace(self._place(digest))
        with self._lock:
            self._checked.add(digest)

    def put(self, data: bytes) -> str:
        """Keep a small blob; its digest."""
        digest = digest_of(data)
        if self.path(digest) is None:
            with self.writing(digest) as file:
                file.write(data)
        return digest

    def remember(self, name: str, digest: str, *, platform: str) -> None:
        """Note what a name stands for, and that it was used now.

        Raises:
            FileError: The folder cannot be written to, or its disk is full.
        """
        write_whole(self._name_file(name), to_json(Kept(name, digest, platform, self._clock())))

    def used(self, kept: Kept) -> None:
        """Note that it was used now."""
        write_whole(self._name_file(kept.name), to_json(replace(kept, used_at=self._clock())))

    def kept(self, name: str) -> Kept | None:
        """What the name stood for when it was last asked for; None when it never was."""
        return _read_kept(self._name_file(name))

    def all_kept(self) -> list[Kept]:
        """Everything that has a name, the most recently used first."""
        found = [kept for path in (self.folder / "names").glob("*.json") if (kept := _read_kept(path))]
        return sorted(found, key=lambda kept: (-kept.used_at, kept.name))

    def forget(self, name: str) -> None:
        """Take a name out; its blobs stay until they are swept."""
        self._name_file(name).unlink(missing_ok=True)

    def blobs(self) -> dict[str, int]:
        """Digest to bytes, of all that is there, checked or not."""
        folder = self.folder / "blobs" / "sha256"
        found = folder.iterdir() if folder.is_dir() else ()
        return {f"sha256:{path.name}": path.stat().st_size for path in found if is_digest(f"sha256:{path.name}")}

    def blobs_of(self, digest: str) -> set[str]:
        """The manifest, and of all it names what is here."""
        found: set[str] = set()
        waiting = [digest]
        while waiting:
            one = waiting.pop()
            if one in found or not is_digest(one) or not self._place(one).is_file():
                continue
            found.add(one)
            data = self.read(one) if self.size(one) <= LARGEST_MANIFEST_BYTES else None
            manifest = parse_manifest(data) if data else None
            waiting += manifest.blobs if manifest else ()
        return found

    def remove(self, digest: str) -> None:
        self._place(digest).unlink(missing_ok=True)

    def clear_abandoned(self) -> None:
        """Remove what a killed process was writing."""
        now = time.time()
        for path in (self.folder / "partial").glob("*"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()

    def _place(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise FileError(f"{digest!r} is no SHA-256 digest.")
        return self.folder / "blobs" / "sha256" / match[1]

    def _name_file(self, name: str) -> Path:
        return self.folder / "names" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(
                f"Cannot write to the image cache {self.folder}: {error.strerror or error}.",
                hint="Free disk space, or remove images with `ci-itest cache prune`.",
            ) from error


class Hashing:
    """A file that knows the digest of what was written to it.

    Attributes:
        size_bytes: Written so far.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size_bytes = 0
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size_bytes += len(data)
        return self.file.write(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _hashed(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError:
        return ""


def _read_kept(path: Path) -> Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
