"""Caches: found by key and paths, on the run's own branch and those it may read; kept in `caches` in the store.

An entry is a folder called by its number, the newest highest, with `entry.json` and a tar of each path.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.e2e.stand_ins.job import Job, Refused, tell

LONGEST_KEY = 512


@dataclass(frozen=True)
class Entry:
    """One saved cache.

    Attributes:
        version: Of the paths as they were written, for the same key of other paths is another cache.
        scope: The ref whose runs saved it.
    """

    key: str
    version: str
    scope: str


def restore(job: Job) -> None:
    """Put back the newest cache of the key, or of the first of `restore-keys` that begins one.

    `cache-hit` is true for the key itself, false for another, and not set when nothing was found.
    """
    job.only(enableCrossOsArchive="false")
    paths = _paths(job)
    keys = [job.required("key"), *job.lines("restore-keys")]
    _check(keys)
    job.set_output("cache-primary-key", keys[0])
    found = _find(job, keys, version=version_of(paths))
    if found is None:
        if job.is_true("fail-on-cache-miss"):
            raise Refused(f"Failed to restore cache entry. Input key: {keys[0]}")
        tell(f"Cache not found for input keys: {', '.join(keys)}")
        return
    folder, entry = found
    if not job.is_true("lookup-only"):
        _unpack(job, folder, paths)
    job.set_output("cache-hit", str(entry.key.lower() == keys[0].lower()).lower())
    job.set_output("cache-matched-key", entry.key)
    tell(f"Cache restored from key: {entry.key}")


def save(job: Job) -> None:
    """Keep the paths under the key; what cannot be kept is a warning, never an error."""
    job.only(enableCrossOsArchive="false")
    paths = _paths(job)
    key = job.required("key")
    _check([key])
    if not any(job.path(path).exists() for path in paths):
        tell("::warning::Path Validation Error: Path(s) specified in the action for caching do(es) not exist")
        return
    entry = Entry(key, version_of(paths), scope=job.environment["GITHUB_REF"])
    if any(other == entry for _, other in _newest_first(job.store)):
        tell(f"::warning::Failed to save: another job may have created this cache already. Key: {key}")
        return
    folder = _new_folder(job.store)
    for number, path in enumerate(paths):
        if job.path(path).exists():
            with tarfile.open(folder / f"{number}.tar", "w") as archive:
                archive.add(job.path(path), arcname="content")
    (folder / "entry.json").write_text(json.dumps(asdict(entry)))
    tell(f"Cache saved with key: {key}")


def version_of(paths: Sequence[str]) -> str:
    """Tells caches of other paths apart: as written, in their order."""
    return hashlib.sha256("|".join(paths).encode()).hexdigest()


def _paths(job: Job) -> list[str]:
    job.required("path")
    paths = job.lines("path")
    if any(character in path for path in paths for character in "*?[!"):
        raise Refused("This stand-in of the action offers no patterns in path.")
    return paths


def _check(keys: Sequence[str]) -> None:
    if len(keys) > 10:
        raise Refused("Key Validation Error: Keys are limited to a maximum of 10.")
    for key in keys:
        if len(key) > LONGEST_KEY or "," in key:
            raise Refused(f"Key Validation Error: {key} is too long or contains commas.")


def _find(job: Job, keys: Sequence[str], *, version: str) -> tuple[Path, Entry] | None:
    """First the run's own ref with every key, then the base branch, then the default branch."""
    entries = [(folder, entry) for folder, entry in _newest_first(job.store) if entry.version == version]
    for scope in _scopes(job):
        mine = [(folder, entry) for folder, entry in entries if entry.scope == scope]
        for folder, entry in mine:
            if entry.key == keys[0]:
                return folder, entry
        for key in keys:
            for folder, entry in mine:
                if entry.key.startswith(key):
                    return folder, entry
    return None


def _scopes(job: Job) -> list[str]:
    event = json.loads(Path(job.environment["GITHUB_EVENT_PATH"]).read_text())
    branches = [job.environment.get("GITHUB_BASE_REF", ""), event["repository"]["default_branch"]]
    return list(dict.fromkeys([job.environment["GITHUB_REF"], *(f"refs/heads/{name}" for name in branches if name)]))


def _newest_first(store: Path) -> Iterator[tuple[Path, Entry]]:
    documents = (store / "caches").glob("*/entry.json")
    for document in sorted(documents, key=lambda path: int(path.parent.name), reverse=True):
        yield document.parent, Entry(**json.loads(document.read_text()))


def _new_folder(store: Path) -> Path:
    caches = store / "caches"
    caches.mkdir(parents=True, exist_ok=True)
    number = len(list(caches.iterdir())) + 1
    while True:
        try:
            (caches / str(number)).mkdir()
        except FileExistsError:
            number += 1
        else:
            return caches / str(number)


def _unpack(job: Job, folder: Path, paths: Sequence[str]) -> None:
    for number, path in enumerate(paths):
        archive, target = folder / f"{number}.tar", job.path(path)
        if not archive.exists():
            continue
        part = target.parent / f".{target.name}.restored"
        part.mkdir(parents=True)
        with tarfile.open(archive) as content:
            content.extractall(part, filter="tar")
        restored = part / "content"
        if restored.is_dir():
            shutil.copytree(restored, target, dirs_exist_ok=True)
        else:
            shutil.copy2(restored, target)
        shutil.rmtree(part)
