"""The bundles of a workflow run or a pull request, fetched through GitHub's API."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import UsageError
from ci_itest.flows.archives import unpack
from ci_itest.flows.bundles import bundle_parts
from ci_itest.flows.recordings import Wanted
from ci_itest.github.api import GitHubApi
from ci_itest.github.references import RunReference
from ci_itest.model.github import Artifact, WorkflowRun

_RED = frozenset({"failure", "cancelled", "timed_out", "startup_failure"})


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Bundles of a run, on this machine.

    Attributes:
        folder: Holds a folder for each bundle.
        refs: What the repository's remote may be asked for, to get the commit that ran.
    """

    run: WorkflowRun
    folder: Path
    refs: tuple[str, ...] = ()


def downloaded(api: GitHubApi, reference: RunReference, choice: Wanted, *, into: Path) -> Downloaded:
    """Fetch the bundles that may be meant, one of each shard.

    Args:
        into: Folder of all downloads; a run has one of its own there, which is emptied first.

    Raises:
        UsageError: There is no such run, none of the pull request failed, or it left no bundle.
        GitHubError: GitHub refuses, or an artifact has expired (410).
        FileError: An archive is broken or not what a bundle may be.
    """
    run, artifacts = _run_and_bundles(api, reference, choice)
    folder = into / run.id / "bundles"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for artifact in artifacts:
        archive = folder.parent / f"{artifact.name}.zip"
        api.download(artifact, archive)
        try:
            unpack(archive, folder / artifact.name)
        finally:
            archive.unlink()
    numbers = run.pull_requests or ((reference.pull_number,) if reference.pull_number else ())
    return Downloaded(
        run, folder, tuple(f"refs/pull/{number}/{part}" for number in numbers for part in ("merge", "head"))
    )


def _run_and_bundles(
    api: GitHubApi, reference: RunReference, choice: Wanted
) -> tuple[WorkflowRun, tuple[Artifact, ...]]:
    if not reference.run_id:
        return _newest_red_run(api, reference.pull_number, choice)
    run = api.run(reference.run_id)
    artifacts = newest_bundles(api.artifacts(run.id), choice, attempt=reference.attempt)
    if artifacts:
        return run, artifacts
    if run.status != "completed":
        raise UsageError(
            f"Run {run.id} has no bundle yet: it still runs.", hint="A shard leaves its bundle at its end."
        )
    raise UsageError(
        f"Run {run.id} of {reference.repository} has no bundle of {_named(choice)}.",
        hint="Its shards leave artifacts named ci-itest-SUITE-SHARD-aATTEMPT; did it use ci-itest?",
    )


def _newest_red_run(api: GitHubApi, number: int, choice: Wanted) -> tuple[WorkflowRun, tuple[Artifact, ...]]:
    """Of the pull request's newest commit; other workflows may be red there too, and leave no bundles."""
    runs = api.runs(head_sha=api.pull_request(number).head_sha)
    red = sorted((run for run in runs if run.conclusion in _RED), key=lambda run: run.started_at, reverse=True)
    if not red:
        raise UsageError(f"No workflow run on the newest commit of pull request {number} failed.")
    for run in red:
        if artifacts := newest_bundles(api.artifacts(run.id), choice):
            return run, artifacts
    raise UsageError(f"No red run on the newest commit of pull request {number} has a bundle of {_named(choice)}.")


def _named(choice: Wanted) -> str:
    return f"shard {choice.words}" if choice.words else "a shard"


def newest_bundles(artifacts: Iterable[Artifact], choice: Wanted, *, attempt: int = 0) -> tuple[Artifact, ...]:
    """One artifact of each shard that may be meant: of the newest attempt that ran it, up to the wanted one.

    Args:
        attempt: The newest attempt that counts, 0 for all.
    """
    newest: dict[tuple[str, int], tuple[int, Artifact]] = {}
    for artifact in artifacts:
        parts = bundle_parts(artifact.name)
        if parts is None or (attempt and parts.attempt > attempt):
            continue
        if not choice.fits(parts.suite, parts.index):
            continue
        key = (parts.suite, parts.index)
        if key not in newest or newest[key][0] < parts.attempt:
            newest[key] = (parts.attempt, artifact)
    return tuple(artifact for _, (_, artifact) in sorted(newest.items()))
