"""What `ci-itest replay` works on: the recording that was asked for, the files it runs on, this machine."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_itest.cli import building
from ci_itest.errors import CiItestError, UsageError

if TYPE_CHECKING:
    from ci_itest.flows.matching import Here
    from ci_itest.flows.recordings import Found, Recording, Wanted
    from ci_itest.flows.worktree import Checkout


@dataclass(frozen=True, slots=True)
class Source:
    """Where recordings were found.

    Attributes:
        remote: Name of the remote that has the recorded commit, "" when no workflow run was asked for.
        refs: What it may be asked for, to get that commit.
        stranger: Why nobody of this repository stands for what is replayed, in words; "" when somebody does.
        root: Folder of the settings, where the path of a local run shows it.
    """

    found: Found
    remote: str = "origin"
    refs: tuple[str, ...] = ()
    stranger: str = ""
    root: Path | None = None


def kept(name: str) -> Path:
    """A folder for what replays keep, below the one the command was called in."""
    from ci_itest.flows.folders import work_folder

    return work_folder(Path(), "replays", name)


def source_of(choice: Wanted) -> Source:
    """The bundles of a path, or of a workflow run, fetched with the user's own credentials."""
    from ci_itest.flows.archives import unpack
    from ci_itest.flows.recordings import recordings_at

    path = Path(choice.run)
    if path.is_file():
        folder = unpack(path, kept("bundles") / path.stem)
        return Source(
            recordings_at(folder, runner_of=_runner_of), stranger="This bundle is a file that anybody can write"
        )
    if path.exists() or not (choice.run.isdigit() or "://" in choice.run):
        root = _root_of_local(path)
        stranger = "" if root or not path.exists() else "This bundle comes from elsewhere"
        return Source(recordings_at(path, runner_of=_runner_of), root=root, stranger=stranger)
    return _downloaded(choice)


def _runner_of(_suite: str) -> Any:
    from ci_itest.runners.registry import runner_named

    return runner_named("pytest")


def _root_of_local(path: Path) -> Path | None:
    """`backend` of `backend/.ci-itest/runs/…`; None elsewhere, and for what was downloaded."""
    whole = path.absolute()
    for folder in (whole, *whole.parents):
        if folder.name == ".ci-itest":
            return folder.parent if whole.relative_to(folder).parts[:1] != ("replays",) else None
    return None


def _downloaded(choice: Wanted) -> Source:
    from ci_itest.flows.downloads import downloaded
    from ci_itest.flows.recordings import recordings_at
    from ci_itest.flows.worktree import remotes_of
    from ci_itest.github.references import run_reference

    checkout = checkout_at(Path())
    remotes = remotes_of(checkout) if checkout else {}
    reference = run_reference(choice.run, origin=next(iter(remotes.values()), ""))
    if reference is None:
        raise UsageError(
            f"{choice.run} is no run that can be found.",
            hint="Give the address of a workflow run or a pull request; a bare id works inside a checkout of its "
            "repository.",
        )
    repositories = {
        name: found.repository for name, url in remotes.items() if (found := run_reference("1", origin=url))
    }
    fitting = [name for name, found in repositories.items() if found.lower() == reference.repository.lower()]
    if repositories and not fitting:
        here = ", ".join(dict.fromkeys(repositories.values()))
        raise UsageError(
            f"That run is of {reference.repository}, and this is a checkout of {here}.",
            hint="Change into a checkout of its repository.",
        )
    api = building.user_api(reference.host, reference.api_url, reference.repository)
    fetched = downloaded(api, reference, choice, into=kept("runs"))
    return Source(
        recordings_at(fetched.folder, runner_of=_runner_of),
        remote=fitting[0] if fitting else "origin",
        refs=fetched.refs,
        stranger="This run is of a fork: nobody of this repository has reviewed its code"
        if fetched.run.is_of_fork
        else "",
    )


def checkout_at(folder: Path) -> Checkout | None:
    from ci_itest.flows.worktree import checkout_of

    return checkout_of(folder, environment=os.environ)


@contextlib.contextmanager
def place_of(recording: Recording, source: Source, *, stays_here: bool, root: Path | None) -> Iterator[Here]:
    """The files to run on: the recorded commit's in a worktree, or the user's own as they are.

    Raises:
        UsageError: The commit is not to be had, or there is no repository to have it from.
    """
    from ci_itest.flows.worktree import worktree

    base = root or source.root or Path()
    checkout = checkout_at(base)
    inside = recording.surroundings.root if recording.surroundings else ""
    commit = recording.result.commit
    if stays_here or recording.is_local or _is_at(checkout, commit):
        where = root or source.root or (checkout.top / inside if checkout else base)
        yield _here(where.resolve(), dict(os.environ), checkout)
        return
    if checkout is None or not commit:
        raise UsageError(
            f"There is no checkout here to take commit {commit[:12]} from."
            if commit
            else "The recording names no commit.",
            hint="Change into a checkout of its repository, or replay on the files as they are with --here.",
        )
    with worktree(checkout, commit, remote=source.remote, refs=source.refs) as tree:
        environment = dict(os.environ)
        if not (tree / inside).resolve().is_relative_to(tree.resolve()) or not (tree / inside).is_dir():
            raise UsageError(f"Commit {commit[:12]} has no folder {inside!r}, which the recording ran in.")
        _lend(environment, checkout, inside, tree, recording)
        yield _here((tree / inside).resolve(), environment, checkout_at(tree))


def _is_at(checkout: Checkout | None, commit: str) -> bool:
    return checkout is not None and checkout.is_clean and checkout.commit == commit


def _lend(environment: dict[str, str], checkout: Checkout, inside: str, tree: Path, recording: Recording) -> None:
    """The worktree has no `.venv`: the user's own stands in for it, with the worktree's code before its own."""
    from ci_itest.flows.worktree import paths_into

    own = checkout.top / inside / ".venv"
    if "VIRTUAL_ENV" not in environment and (own / "bin" / "python").exists():
        environment["VIRTUAL_ENV"] = str(own)
    named = recording.surroundings.settings.python if recording.surroundings else ""
    active = environment.get("VIRTUAL_ENV")
    python = named or (f"{active}/bin/python" if active else "python3")
    lent = [str(tree / path) for path in paths_into(checkout, python)]
    if lent:
        environment["PYTHONPATH"] = os.pathsep.join([*lent, *filter(None, [environment.get("PYTHONPATH")])])


def _here(root: Path, environment: dict[str, str], checkout: Checkout | None) -> Here:
    from ci_itest.flows.matching import Here
    from ci_itest.flows.surroundings import memory_bytes

    config = building.read_settings(root, None, ())
    return Here(
        root=root,
        environment=environment,
        commit=checkout.commit if checkout else "",
        is_clean=checkout.is_clean if checkout else False,
        platform=sys.platform,
        machine=platform.machine(),
        cores=building.cores(),
        mirror=config.settings.images.mirror,
        memory_bytes=memory_bytes(),
        has_image=_digest_of,
        filled={name: suite.environment for name, suite in config.settings.suites.items()},
    )


def _digest_of(image: str) -> str:
    """By which a registry serves the image that this engine has; "" without it, or without an engine."""
    try:
        found = building.connect_engine().image(image)
    except CiItestError:
        return ""
    return found.digest if found else ""


@contextlib.contextmanager
def fewer_cores(count: int) -> Iterator[None]:
    """No more cores than that for this process and its children while the block runs, where the system can do it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(mine)[: max(count, 1)]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)
