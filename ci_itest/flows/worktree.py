"""A commit's files beside the user's own: a git worktree below `.ci-itest`, which leaves the tree as it is."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import UsageError
from ci_itest.process import output_of

_FETCH_SECONDS = 300.0


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


def origin_of(checkout: Checkout) -> str:
    """The address of the remote `origin`, "" without one."""
    code, output = _git(checkout.top, checkout.environment, "remote", "get-url", "origin")
    return output.strip() if code == 0 else ""


@contextlib.contextmanager
def worktree(checkout: Checkout, commit: str, *, refs: tuple[str, ...] = ()) -> Iterator[Path]:
    """The commit's files in a folder of their own while the block runs; removed after it.

    Args:
        refs: Where the commit can be fetched when it is not here and the server does not give single commits
            (`refs/pull/5/merge`).

    Raises:
        UsageError: The commit is not to be had, as after a squash merge.
    """
    if not _has(checkout, commit) and not _fetched(checkout, commit, refs):
        raise UsageError(
            f"Commit {commit[:12]} is not in this repository, and origin does not give it.",
            hint="It may be gone after a squash merge or a force push. `--here` replays on the tree as it is.",
        )
    folder = checkout.top / ".ci-itest" / "worktrees" / commit[:16]
    _removed(checkout, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    (checkout.top / ".ci-itest" / ".gitignore").write_text("*\n")
    code, output = _git(checkout.top, checkout.environment, "worktree", "add", "--detach", str(folder), commit)
    if code != 0:
        raise UsageError(f"git cannot check out {commit[:12]}: {output.strip().splitlines()[-1:]}.")
    try:
        yield folder
    finally:
        _removed(checkout, folder)


def _has(checkout: Checkout, commit: str) -> bool:
    return _git(checkout.top, checkout.environment, "cat-file", "-e", f"{commit}^{{commit}}")[0] == 0


def _fetched(checkout: Checkout, commit: str, refs: tuple[str, ...]) -> bool:
    for wanted in (commit, *refs):
        _git(checkout.top, checkout.environment, "fetch", "--quiet", "--no-tags", "origin", wanted)
        if _has(checkout, commit):
            return True
    return False


def _removed(checkout: Checkout, folder: Path) -> None:
    if folder.exists():
        _git(checkout.top, checkout.environment, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
    _git(checkout.top, checkout.environment, "worktree", "prune")


def _git(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    # A question for a password would wait for ever.
    quiet = {**environment, "GIT_TERMINAL_PROMPT": "0"}
    return output_of(["git", *arguments], directory=folder, environment=quiet, within_seconds=_FETCH_SECONDS)
