"""Test files below a suite's folders, by their names alone: what every adapter without a listing of its own uses."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ci_itest.bypass.globs import matches_any
from ci_itest.errors import SettingsError
from ci_itest.model.settings import SuiteSettings
from ci_itest.planning.partition import claiming_shard
from ci_itest.runners.base import ShardRequest

IGNORED = frozenset({"node_modules", "vendor", "target", "dist", "build", "bin", "obj", "__pycache__"})

NO_SUCH_PLACE = "Correct the path. Where there is no ci-itest.toml yet, `ci-itest init` writes one."

IsTest = Callable[[str], bool]


def listed_files(settings: SuiteSettings, *, root: Path, usual: IsTest) -> tuple[str, ...]:
    """Test files of the suite's places from the root, sorted, with forward slashes.

    A file that the settings name counts whatever it is called. Links that lead out of the root are left out, as are
    hidden folders and those of dependencies and builds.

    Args:
        usual: Whether a path from the root is a test file, where the settings have no patterns.

    Raises:
        SettingsError: A place does not exist, or lies outside the root.
    """
    patterns = settings.test_files
    is_test = (lambda name: matches_any(name, patterns)) if patterns else usual
    top = root.resolve()
    found: set[str] = set()
    for place in settings.tests:
        path = Path(os.path.normpath(root / place))
        if not path.exists():
            raise SettingsError(f"`tests` names {place}, which does not exist in {root}.", hint=NO_SUCH_PLACE)
        if not path.resolve().is_relative_to(top):
            raise SettingsError(f"`tests` names {place}, which lies outside {root}.")
        if path.is_file():
            found.add(_name(path, root))
        else:
            found.update(name for name in _below(path, root, top, IGNORED) if is_test(name))
    return tuple(sorted(found))


def _below(folder: Path, root: Path, top: Path, ignored: Collection[str]) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if name not in ignored and not name.startswith("."))
        for name in files:
            path = here / name
            if not path.is_symlink() or path.resolve().is_relative_to(top):
                yield _name(path, root)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def shown_by(pattern: re.Pattern[bytes], file: Path) -> int:
    """How often the text of a file shows a case; 0 for a file that cannot be read."""
    try:
        return len(pattern.findall(file.read_bytes()))
    except OSError:
        return 0


def file_of_path(written: str, request: ShardRequest) -> str:
    """The suite's file that a report means by a path: absolute, from the root, or its end; "" when none or several."""
    if not written:
        return ""
    path = written.replace("\\", "/")
    root = request.root.as_posix().rstrip("/") + "/"
    name = os.path.normpath(path.removeprefix(root)).replace("\\", "/")
    known = {*request.files, *request.planned}
    if name in known:
        return name
    return only_one(file for file in known if file.endswith(f"/{name.lstrip('./')}"))


def only_one(found: Iterator[str] | Sequence[str]) -> str:
    """The one there is; "" for none, and for several, of which none can be told to be meant."""
    names = sorted(set(found))
    return names[0] if len(names) == 1 else ""


def files_as_recorded(request: ShardRequest) -> tuple[str, ...]:
    """The shard's files in the order in which an earlier run's workers came to them; () where none is recorded.

    What workers did beside each other goes by its place in their queues.
    """
    first: dict[str, int] = {}
    for _, queue in request.queues:
        for place, file in enumerate(dict.fromkeys(case.partition("::")[0] for case in queue)):
            first[file] = min(place, first.get(file, place))
    return tuple(sorted(first, key=lambda file: first[file]))


def files_to_run(request: ShardRequest) -> tuple[str, ...]:
    """The shard's files; where only some cases are to run, the files of these."""
    if not request.is_again:
        return request.files
    wanted = {case.partition("::")[0] for case in request.only}
    return tuple(file for file in request.files if file in wanted)


def is_mine(file: str, request: ShardRequest) -> bool:
    """Whether this shard takes a file: its own, or one that no plan knows and that falls to it."""
    if file in request.planned:
        return file in request.files
    return claiming_shard(file, shard_count=request.count) == request.index
