"""A commit's files beside the user's own: a git worktree below `.ci-itest`, which leaves the tree as it is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import UsageError
from ci_itest.flows.folders import work_folder
from ci_itest.process import answers, output_of

_FETCH_SECONDS = 300.0
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

# Editable installs put a folder on the path, or a finder with a mapping of packages to their folders.
_IMPORTED_FROM = """
import json, os, sys
found = [path for path in sys.path if path]
for name in list(sys.modules):
    if name.startswith("__editable__"):
        mapping = getattr(sys.modules[name], "MAPPING", {})
        found += [os.path.dirname(path) for path in mapping.values()]
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The user's repository.

    Attributes:
        top: Its top folder.
        commit: HEAD.
        is_clean: Whether no tracked file differs from it.
    """

    top: Path
    commit: str
    is_clean: bool
    environment: Mapping[str, str]


def checkout_of(folder: Path, *, environment: Mapping[str, str]) -> Checkout | None:
    """The repository around a folder; None where there is none, or no commit in it."""
    code, output = _git(folder, environment, "rev-parse", "--show-toplevel", "HEAD")
    lines = output.splitlines()
    if code != 0 or len(lines) != 2:
        return None
    code, changes = _git(folder, environment, "status", "--porcelain", "--untracked-files=no")
    return Checkout(Path(lines[0]), lines[1], code == 0 and not changes.strip(), environment)


def remotes_of(checkout: Checkout) -> dict[str, str]:
    """Name and address of every remote, `origin` first."""
    code, output = _git(checkout.top, checkout.environment, "remote", "-v")
    parts = [line.split() for line in output.splitlines()] if code == 0 else []
    named = {part[0]: part[1] for part in parts if len(part) > 1}
    return dict(sorted(named.items(), key=lambda item: item[0] != "origin"))


def paths_into(checkout: Checkout, python: str) -> tuple[str, ...]:
    """Folders of the checkout that this Python imports from, relative to its top: what `pip install -e` left."""
    code, output = _output([python, "-c", _IMPORTED_FROM], checkout.top, checkout.environment)
    lines = output.splitlines()
    try:
        found = json.loads(lines[-1]) if code == 0 and lines else []
    except ValueError:
        found = []
    inside = [Path(path).relative_to(checkout.top) for path in found if Path(path).is_relative_to(checkout.top)]
    return tuple(dict.fromkeys(path.as_posix() for path in inside if "site-packages" not in path.parts))


@contextlib.contextmanager
def worktree(checkout: Checkout, commit: str, *, remote: str = "origin", refs: tuple[str, ...] = ()) -> Iterator[Path]:
    """The commit's files in a folder of their own while the block runs; removed after it.

    Args:
        refs: Where the commit can be fetched when it is not here and the server does not give single commits
            (`refs/pull/5/merge`).

    Raises:
        UsageError: The commit is not to be had, as after a squash merge, or is none.
    """
    if not _COMMIT.fullmatch(commit):
        # It comes out of a document: git would take some texts for an option.
        raise UsageError(f"The recording names no commit, but {commit[:100]!r}.")
    if not _has(checkout, commit) and not _fetched(checkout, commit, remote, refs):
        raise UsageError(
            f"Commit {commit[:12]} is not in this repository, and {remote} does not give it.",
            hint="It may be gone after a squash merge or a force push. `--here` replays on the tree as it is.",
        )
    trees = work_folder(checkout.top, "worktrees")
    _sweep(checkout, trees)
    folder = trees / f"{commit[:12]}-{os.getpid()}"
    try:
        code, output = _git(checkout.top, checkout.environment, "worktree", "add", "--detach", str(folder), commit)
        if code != 0:
            last = (output.strip().splitlines() or [""])[-1]
            raise UsageError(f"git cannot check out {commit[:12]}: {last}")
        yield folder
    finally:
        _remove(checkout, folder)


def _has(checkout: Checkout, commit: str) -> bool:
    return _git(checkout.top, checkout.environment, "cat-file", "-e", f"{commit}^{{commit}}")[0] == 0


def _fetched(checkout: Checkout, commit: str, remote: str, refs: tuple[str, ...]) -> bool:
    for wanted in (commit, *refs):
        _git(checkout.top, checkout.environment, "fetch", "--quiet", "--no-tags", remote, wanted)
        if _has(checkout, commit):
            return True
    return False


def _sweep(checkout: Checkout, trees: Path) -> None:
    """Remove what a replay left that was killed; another that runs now keeps its own."""
    for folder in trees.iterdir():
        owner = folder.name.rpartition("-")[2]
        if owner.isdigit() and not answers(int(owner)):
            _remove(checkout, folder)


def _remove(checkout: Checkout, folder: Path) -> None:
    if folder.exists():
        _git(checkout.top, checkout.environment, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
    _git(checkout.top, checkout.environment, "worktree", "prune")


def _git(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    # A question for a password would wait for ever.
    return _output(["git", *arguments], folder, {**environment, "GIT_TERMINAL_PROMPT": "0"})


def _output(command: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    return output_of(command, directory=folder, environment=environment, within_seconds=_FETCH_SECONDS)
