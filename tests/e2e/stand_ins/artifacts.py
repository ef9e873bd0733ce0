"""Artifacts: written once by name, read by anyone in the run; kept as `artifacts/<run id>/<name>.zip` in the store."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from tests.e2e.stand_ins.job import Job, Refused, tell

FORBIDDEN_IN_NAMES = '":<>|*?\r\n\\/'
"""Characters an artifact's name may not have: those that some file system refuses."""
_WILD = re.compile(r"[*?\[]")


def upload(job: Job) -> None:
    """Keep what `path` finds as one artifact.

    Hidden files stay behind unless asked for; a name is taken once in a run unless `overwrite` is set; a single file
    lies at the top of the archive, the content of a folder too. Modes are lost, as in GitHub's archives.
    """
    job.only(archive="true")
    behaviour = job.inputs["if-no-files-found"]
    if behaviour not in ("warn", "error", "ignore"):
        raise Refused(f"Unrecognized if-no-files-found input. Provided: {behaviour}.")
    name = job.inputs["name"]
    if not name or any(character in FORBIDDEN_IN_NAMES for character in name):
        raise Refused(f"The artifact name is not valid: {name!r}.")
    job.required("path")
    files, root = found_files(
        [job.path(line) for line in job.lines("path")], with_hidden=job.is_true("include-hidden-files")
    )
    if not files:
        nothing = f"No files were found with the provided path: {job.inputs['path']}. No artifacts will be uploaded."
        if behaviour == "error":
            raise Refused(nothing)
        tell(f"::warning::{nothing}" if behaviour == "warn" else nothing)
        return
    archive = _folder(job, job.environment["GITHUB_RUN_ID"]) / f"{name}.zip"
    _write(archive, files, root=root, overwrites=job.is_true("overwrite"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    number = str(int(digest[:8], 16))
    job.set_output("artifact-id", number)
    job.set_output("artifact-url", f"{job.environment['GITHUB_SERVER_URL']}/artifacts/{number}")
    job.set_output("artifact-digest", digest)
    tell(f"Artifact {name} has been uploaded: {len(files)} files.")


def download(job: Job) -> None:
    """Put artifacts' files into `path`: one by `name`, those that match `pattern`, or all.

    Each has a folder of its own, called as it is, unless `merge-multiple` is set or there is only one. That a pattern
    finds nothing is no error; that a name finds nothing is.
    """
    job.only(artifact_ids="", skip_decompress="false")
    run_id = job.inputs["run-id"] if job.inputs["github-token"] else job.environment["GITHUB_RUN_ID"]
    name, pattern = job.inputs["name"], job.inputs["pattern"]
    archives = sorted(_folder(job, run_id).glob("*.zip"))
    if name:
        archives = [archive for archive in archives if archive.stem == name]
        if not archives:
            raise Refused(f"Unable to download artifact(s): Artifact '{name}' not found")
    elif pattern:
        archives = [archive for archive in archives if fnmatchcase(archive.stem, pattern)]
    target = job.path(job.inputs["path"] or ".")
    into_one = bool(name) or job.is_true("merge-multiple") or len(archives) == 1
    for archive in archives:
        with zipfile.ZipFile(archive) as content:
            content.extractall(target if into_one else target / archive.stem)
    job.set_output("download-path", str(target))
    tell(f"Total of {len(archives)} artifact(s) downloaded")


def found_files(wanted: Sequence[Path], *, with_hidden: bool) -> tuple[list[Path], Path]:
    """The files that paths and patterns name, and the folder their names in the archive begin at.

    A folder stands for all below it. A file or folder is hidden by its own name alone: `.a/b` is not hidden when it is
    `.a/b` that was asked for, `.a/b/.c` is.
    """
    starts = [_start(pattern) for pattern in wanted]
    files = [
        file
        for pattern, start in zip(wanted, starts, strict=True)
        for file in _walk(start, with_hidden=with_hidden)
        if _is_wanted(file, pattern)
    ]
    if not files:
        return [], Path()
    if len(starts) > 1:
        return list(dict.fromkeys(files)), Path(os.path.commonpath(starts))
    return files, starts[0].parent if files == [starts[0]] else starts[0]


def _start(pattern: Path) -> Path:
    """The part of a pattern before its first wildcard."""
    literal = []
    for part in pattern.parts:
        if _WILD.search(part):
            break
        literal.append(part)
    return Path(os.path.normpath(Path(*literal)))


def _walk(start: Path, *, with_hidden: bool) -> Iterator[Path]:
    if start.name.startswith(".") and not with_hidden:
        return
    if start.is_dir():
        for path in sorted(start.iterdir()):
            yield from _walk(path, with_hidden=with_hidden)
    elif start.exists():
        yield start


def _is_wanted(file: Path, pattern: Path) -> bool:
    """Whether a pattern matches the file or a folder above it."""
    form = re.compile(_expression(os.path.normpath(pattern)))
    return any(form.fullmatch(str(path)) for path in (file, *file.parents))


def _expression(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)
    return "".join(parts.get(token, re.escape(token)) for token in tokens)


def _folder(job: Job, run_id: str) -> Path:
    return job.store / "artifacts" / run_id


def _write(archive: Path, files: Sequence[Path], *, root: Path, overwrites: bool) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    if archive.exists() and not overwrites:
        raise Refused(
            f"Failed to CreateArtifact: (409) Conflict: an artifact with this name already exists: {archive.stem}"
        )
    part = archive.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as content:
        for file in files:
            content.writestr(str(file.relative_to(root)), file.read_bytes())
    part.replace(archive)
