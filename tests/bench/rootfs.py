"""Root file systems made of Debian packages, and the layers that images have of them.

Packages are fetched by the machine's own apt and unpacked in a chroot, so nothing inside needs a network.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.commands import run
from tests.bench.distribution import archives
from tests.bench.settings import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from tests.bench.distribution import Distribution

# Never unpacked.
UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")
# Needed to install packages, or written by it, but not by what then runs. The whole of Perl is there for maintainer
# scripts (47 of 105 MB); perl-base stays.
LEFT_OUT = (
    "dev/*",
    "proc/*",
    "sys/*",
    "run/lock",
    "tmp/*",
    "etc/apt/*",
    "etc/dpkg/dpkg.cfg.d/*",
    "etc/resolv.conf",
    "etc/hostname",
    "usr/share/perl/*",
    "usr/lib/*/libperl.so*",
    "usr/lib/*/perl/5*",
    "usr/share/i18n/*",
    "var/cache/*",
    "var/lib/apt/*",
    "var/lib/dpkg/*-old",
    "var/log/*",
    "*.pyc",
)
POLICY = "usr/sbin/policy-rc.d"

State = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A layer of an image, gzipped.

    Attributes:
        diff_id: Digest of the tar before compression.
        digest: Digest of the file.
    """

    file: Path
    digest: str
    diff_id: str
    size_bytes: int


class Packages:
    """Installs packages into root file systems with the apt of this machine.

    The package lists are fetched once, by `refresh`, into a folder of the bench's own.
    """

    def __init__(self, distribution: Distribution, folder: Path) -> None:
        self._distribution = distribution
        self._archives = archives(distribution)
        self._folder = folder
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text("\n".join(self._archives.sources) + "\n")
        (folder / "fetch.conf").write_text("\n".join(self._archives.acquire) + "\n")

    def refresh(self, *, log: Path) -> None:
        run(["apt-get", "-q", "update"], log=log, environment=self._apt(self._folder / "lists-only"))

    def bootstrap(self, root: Path, *, log: Path) -> None:
        """A root of essential packages alone (no apt: the machine's own does the rest)."""
        shutil.rmtree(root, ignore_errors=True)
        command = ["mmdebstrap", "--mode=root", "--variant=essential", "--format=directory"]
        command += [f"--architectures={self._distribution.architecture}"]
        command += [f"--aptopt={self._folder / 'fetch.conf'}"]
        command += [f"--dpkgopt=path-exclude={path}" for path in UNWANTED] + ["--dpkgopt=force-unsafe-io"]
        command += [self._distribution.codename, str(root)]
        command += [str(self._folder / "sources.list")] if self._archives.sources else []
        run(command, log=log)
        policy = root / POLICY
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)

    def install(self, root: Path, packages: Sequence[str], *, log: Path) -> None:
        run(
            [*_PRIVATE_MOUNTS, str(root), "apt-get", "-q", "--yes", "--no-install-recommends", "install", *packages],
            log=log,
            environment={**self._apt(root), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )

    def _apt(self, root: Path) -> dict[str, str]:
        """Environment in which apt works on that root with our sources and lists."""
        for folder in ("etc/apt", "var/lib/dpkg", "var/cache/apt/archives/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "var/lib/dpkg/status").touch()
        configuration = root.with_name(f"{root.name}.apt.conf")
        configuration.write_text(
            "\n".join(
                (
                    f'Dir "{root}";',
                    f'Dir::Etc::SourceList "{self._sources()}";',
                    'Dir::Etc::SourceParts "/dev/null";',
                    f'Dir::State::Lists "{self._folder / "lists"}";',
                    f'Dir::State::Status "{root / "var/lib/dpkg/status"}";',
                    f'DPkg::Chroot-Directory "{root}";',
                    'DPkg::Options { "--force-unsafe-io"; "--force-confold"; };',
                    f'APT::Architecture "{self._distribution.architecture}";',
                    'APT::Sandbox::User "root";',
                    'Acquire::Languages "none";',
                    'Debug::NoLocking "true";',  # each root has one writer; the lists are only read by then
                    *self._archives.acquire,
                )
            )
        )
        return {"APT_CONFIG": str(configuration)}

    def _sources(self) -> str:
        return str(self._folder / "sources.list") if self._archives.sources else "/etc/apt/sources.list"


# Maintainer scripts want /proc and /dev; in a mount namespace of their own they go away with the process.
_PRIVATE_MOUNTS = (
    "unshare",
    "--mount",
    "sh",
    "-ec",
    'mount -t proc proc "$0/proc"; mount --bind /dev "$0/dev"; exec "$@"',
)


def copy(source: Path, target: Path, *, log: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    run(["cp", "--archive", str(source), str(target)], log=log)


def add_user(root: Path, name: str, *, number: int, home: str) -> None:
    """A system user with a fixed number; the package's scripts then take the one that is there."""
    lines = {
        "passwd": f"{name}:x:{number}:{number}::{home}:/bin/bash\n",
        "group": f"{name}:x:{number}:\n",
        "shadow": f"{name}:*:19000:0:99999:7:::\n",
    }
    for file, line in lines.items():
        with (root / "etc" / file).open("a") as out:
            out.write(line)


def shell(root: Path, script: str, *, log: Path) -> None:
    run([*_PRIVATE_MOUNTS, str(root), "chroot", str(root), "sh", "-ec", script], log=log)


def package_version(root: Path, pattern: str) -> str:
    """The upstream version, such as 7.0.15, of the package in the root that the pattern names."""
    for paragraph in (root / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line)
        if fnmatch(fields.get("Package", ""), pattern):
            return re.sub(r"^\d+:|-[^-]*$|[+~].*$", "", fields["Version"])
    raise BenchError(f"No package {pattern} is installed in {root}.")


def state(root: Path) -> dict[str, State]:
    """Every path below the root, with what changes when it is written: inode and time of change."""
    return {path: (entry.st_ino, entry.st_ctime_ns) for path, entry in _walk(root)}


def write_layer(root: Path, file: Path, *, before: Mapping[str, State], left_out: Sequence[str] = ()) -> Layer:
    """The difference between `before` and the root as it is now, removed files included.

    Equal content gives equal digests: names sorted, no owner names, whole seconds.
    """
    patterns = (*LEFT_OUT, *left_out)
    with file.open("wb") as raw:
        compressed = _Hashing(raw)
        # Level 1: 60 % of the time of level 6 and a tenth larger; the engine's unpacking takes the same time.
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=compressed, mtime=0) as zipped:
            plain = _Hashing(zipped)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
                _add_all(tar, root, before=before, patterns=patterns)
    return Layer(file, compressed.digest(), plain.digest(), file.stat().st_size)


def _add_all(tar: tarfile.TarFile, root: Path, *, before: Mapping[str, State], patterns: Iterable[str]) -> None:
    now = dict(_walk(root))
    wanted = {path: entry for path, entry in now.items() if not any(fnmatch(path, pattern) for pattern in patterns)}
    for path, entry in sorted(wanted.items()):
        if before.get(path) != (entry.st_ino, entry.st_ctime_ns) and _is_kept(entry.st_mode):
            _add(tar, root, path)
    for path in sorted(before.keys() - now.keys()):
        if not any(fnmatch(path, pattern) for pattern in patterns):
            folder, _, name = path.rpartition("/")
            tar.addfile(tarfile.TarInfo(f"{folder}/.wh.{name}".lstrip("/")))


def _is_kept(mode: int) -> bool:
    """Sockets have no place in a tar, devices none in an image."""
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _add(tar: tarfile.TarFile, root: Path, path: str) -> None:
    info = tar.gettarinfo(root / path, arcname=path)
    info.uname = info.gname = ""
    info.mtime = int(info.mtime)
    if info.isreg():
        with (root / path).open("rb") as content:
            tar.addfile(info, content)
    else:
        tar.addfile(info)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Relative paths, folders too; links are not followed."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}".lstrip("/")
                status = entry.stat(follow_symlinks=False)
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(path)


class _Hashing(io.RawIOBase):
    """Passes bytes on and keeps their SHA-256."""

    def __init__(self, target: BinaryIO | gzip.GzipFile) -> None:
        self._target = target
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._hash.update(data)
        self._target.write(data)
        return len(data)

    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
