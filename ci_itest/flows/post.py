"""What a fork's run could not post itself, posted for it: its artifact is hostile, GitHub's own words are not."""

from __future__ import annotations

import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ci_itest.errors import DocumentError
from ci_itest.model.github import Artifact, OpenPull, WorkflowRun
from ci_itest.model.run import Conclusion, Run
from ci_itest.wire import decode_document

DEPENDABOT = "dependabot[bot]"
"""Its runs have a token that may only read, as those of forks."""

MAX_ARCHIVE_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
_DOCUMENT = "run.json"
# What a hostile archive makes the parts of zipfile raise.
_BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError, NotImplementedError)
_MAX_ENTRIES = 2_000
_REPORT = re.compile(r"ci-itest-report-a(\d{1,6})")
_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}){0,9}")


class GitHub(Protocol):
    """What is asked of GitHub; every method may raise GitHubError."""

    def run(self, run_id: str) -> WorkflowRun: ...

    def open_pulls(self, *, owner: str, branch: str) -> tuple[OpenPull, ...]: ...

    def artifacts(self, run_id: str) -> tuple[Artifact, ...]: ...

    def download(self, artifact: Artifact, target: Path, *, max_bytes: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Foreign:
    """A run to post for.

    Attributes:
        run: What GitHub says of it.
        result: What its artifact says of it; untrusted.
    """

    run: WorkflowRun
    pull: OpenPull
    result: Run


def foreign_run(run_id: str, *, github: GitHub) -> Foreign | str:
    """The run with its pull request and results, or why there is nothing to post, for people.

    The pull request is found by what GitHub knows: head commit and head repository. Nothing that the artifact says
    decides where something is posted.

    Raises:
        GitHubError: GitHub refused or did not answer.
        DocumentError: The artifact holds no run.
    """
    run = github.run(run_id)
    if run.event != "pull_request":
        return f"Run {run.id} is of the event {run.event}, not of a pull request."
    if not run.is_of_fork and run.actor != DEPENDABOT:
        return f"Run {run.id} is of this repository and posted by itself."
    pulls = _pulls(run, github)
    if len(pulls) != 1:
        found = "no open pull request has" if not pulls else f"{len(pulls)} open pull requests have"
        return f"Of run {run.id} {found} the head {run.head_sha[:7]}."
    report = _newest_report(github.artifacts(run.id), attempt=run.attempt)
    if report is None:
        return f"Attempt {run.attempt} of run {run.id} left no report."
    result = _untrusted(_downloaded(report, github), run)
    if not result.cases and not result.findings:
        return f"Run {run.id} ran no test."
    return Foreign(run, pulls[0], result)


def said_of(foreign: Foreign) -> str:
    """What stands above such a comment, in Markdown."""
    words = "These results come from a run outside this repository's control and are not part of its history."
    conclusion = foreign.run.conclusion
    if conclusion == "success" or foreign.result.conclusion is not Conclusion.SUCCESS:
        return f"> {words}"
    ended = conclusion if conclusion in ("failure", "cancelled", "timed_out") else "no success"
    return f"> {words} GitHub says that the run itself ended in **{ended.replace('_', ' ')}**."


def _pulls(run: WorkflowRun, github: GitHub) -> Sequence[OpenPull]:
    if not run.head_owner or not run.head_branch or not run.head_repository_id:
        return ()
    same_head = [
        pull
        for pull in github.open_pulls(owner=run.head_owner, branch=run.head_branch)
        if (pull.head_sha, pull.head_repository_id) == (run.head_sha, run.head_repository_id)
    ]
    named = [pull for pull in same_head if pull.number in run.pull_requests]
    return named or same_head


def _newest_report(artifacts: Sequence[Artifact], *, attempt: int) -> Artifact | None:
    reports = [
        artifact
        for artifact in artifacts
        if (found := _REPORT.fullmatch(artifact.name)) and int(found[1]) == attempt and not artifact.is_expired
    ]
    return max(reports, key=lambda artifact: artifact.id, default=None)


def _downloaded(report: Artifact, github: GitHub) -> Run:
    if report.size_bytes > MAX_ARCHIVE_BYTES:
        raise DocumentError(f"The report has {report.size_bytes} bytes; at most {MAX_ARCHIVE_BYTES} are read.")
    with tempfile.TemporaryDirectory(prefix="ci-itest-post-") as folder:
        archive = Path(folder) / "report.zip"
        github.download(report, archive, max_bytes=MAX_ARCHIVE_BYTES)
        return decode_document(document_in(archive), Run, source=f"{_DOCUMENT} of the report")


def document_in(archive: Path) -> bytes:
    """The run's document out of an archive: one entry by its exact name, no path, read with a cap.

    Raises:
        DocumentError: The archive is broken, or holds no such entry, or several, or one that is too large.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            if len(entries) > _MAX_ENTRIES:
                raise DocumentError(
                    f"The report's archive has {len(entries)} entries; at most {_MAX_ENTRIES} are read."
                )
            named = [entry for entry in entries if entry.filename == _DOCUMENT]
            if len(named) != 1:
                raise DocumentError(f"The report's archive has {len(named)} entries {_DOCUMENT}; it must have one.")
            with content.open(named[0]) as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
    except DocumentError:
        raise
    except (*_BROKEN, zlib.error, lzma.LZMAError, struct.error) as error:
        raise DocumentError(f"The report's archive cannot be read: {type(error).__name__}.") from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentError(f"{_DOCUMENT} of the report has more than {MAX_DOCUMENT_BYTES} bytes.")
    return data


def _untrusted(result: Run, run: WorkflowRun) -> Run:
    """The results under the names that GitHub gives the run."""
    root = result.root if _FOLDER.fullmatch(result.root) else ""
    return replace(
        result,
        run_id=run.id,
        run_attempt=run.attempt,
        commit=run.head_sha,
        branch=run.head_branch,
        is_trusted=False,
        root=root,
    )
