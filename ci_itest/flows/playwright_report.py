"""Playwright's own HTML report of all shards, merged out of the blob reports that they left in their bundles.

A bundle is written by anybody's code. So its ZIP files are looked at before Playwright reads them, and Playwright runs
in an empty folder, with no variable that leads to a token, for a limited time.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ci_itest.errors import CiItestError, RunnerError
from ci_itest.flows.bundles import BundleFolder, BundleParts, bundle_parts
from ci_itest.model.recording import Surroundings
from ci_itest.process import output_of
from ci_itest.runners.base import BLOB
from ci_itest.runners.node import installed
from ci_itest.wire import read_document

FOLDER = "playwright"
"""In the report's folder; below it a folder for each suite."""

MAX_FILE_BYTES = 500 * 1024 * 1024
MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024
_WITHIN_SECONDS = 300.0
_PACKAGE = "@playwright/test"
_VERSION = re.compile(r"1\.\d{1,3}\.\d{1,3}")
_SUITE = re.compile(r"[\w-][\w.-]*")
_PASSED_ON = frozenset(
    {"PATH", "HOME", "LANG", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"}
    | {"http_proxy", "https_proxy", "no_proxy", "npm_config_registry", "npm_config_cache"}
)


@dataclass(frozen=True, slots=True)
class MergedReports:
    """What came out.

    Attributes:
        pages: Suite and address of its page, seen from the report's own.
        notes: Why there is none of a suite, in words.
    """

    pages: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def merged_reports(
    bundles: Path, folder: Path, *, wish: str, root: Path | None, environment: Mapping[str, str]
) -> MergedReports:
    """Playwright's report of each suite that has blob reports, beside our page.

    Args:
        bundles: Folder of the shards' bundles; of several attempts of a shard the newest counts.
        folder: Of the report.
        wish: The setting `report.playwright`: auto, on or off.
        root: Where Playwright may be installed, for a run on this machine; None where nothing of the repository runs.
        environment: Of this process; only what Node needs of it is passed on.
    """
    if wish == "off":
        return MergedReports()
    pages: list[tuple[str, str]] = []
    notes: list[str] = []
    for suite, shards in _blob_folders(bundles).items():
        try:
            _merge(suite, shards, folder / FOLDER / suite, may_fetch=wish == "on", root=root, environment=environment)
            pages.append((suite, f"./{FOLDER}/{suite}/index.html"))
        except CiItestError as error:
            notes.append(
                f"Playwright's own report of suite {suite} is not merged: {error.message} {error.hint}".strip()
            )
    return MergedReports(tuple(pages), tuple(notes))


def _blob_folders(bundles: Path) -> dict[str, list[BundleFolder]]:
    """Bundles with a blob report by suite, the newest attempt of each shard, in order of shards."""
    newest: dict[tuple[str, int], tuple[BundleParts, Path]] = {}
    for path in sorted(bundles.iterdir()) if bundles.is_dir() else ():
        parts = bundle_parts(path.name)
        if parts is None or not path.is_dir() or not _SUITE.fullmatch(parts.suite):
            continue
        key = (parts.suite, parts.index)
        if key not in newest or newest[key][0].attempt < parts.attempt:
            newest[key] = (parts, path)
    found: dict[str, list[BundleFolder]] = {}
    for (suite, _), (_, path) in sorted(newest.items()):
        if (path / "results" / BLOB).is_dir():
            found.setdefault(suite, []).append(BundleFolder(path))
    return found


def _merge(
    suite: str,
    shards: Sequence[BundleFolder],
    target: Path,
    *,
    may_fetch: bool,
    root: Path | None,
    environment: Mapping[str, str],
) -> None:
    """Merge the blob reports of one suite into a folder.

    Raises:
        RunnerError: There is no Playwright to do it, a blob report is not to be used, or Playwright refuses.
        DocumentError, FileError: A bundle does not say which version of Playwright ran.
    """
    plain = {name: value for name, value in environment.items() if name in _PASSED_ON}
    command = merge_command(_version(shards), may_fetch=may_fetch, root=root, path=plain.get("PATH", os.defpath))
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as scratch:
        blobs = Path(scratch) / "blobs"
        blobs.mkdir()
        _gather(shards, blobs)
        shutil.rmtree(target, ignore_errors=True)
        code, output = output_of(
            [*command, "merge-reports", "--reporter", "html", str(blobs)],
            directory=Path(scratch),
            environment={
                **plain,
                "NO_COLOR": "1",
                "PLAYWRIGHT_HTML_OPEN": "never",
                "PLAYWRIGHT_HTML_OUTPUT_DIR": str(target.resolve()),
                "PLAYWRIGHT_HTML_TITLE": suite,
                # The code of the package itself is all that is wanted of it.
                "npm_config_ignore_scripts": "true",
                "npm_config_update_notifier": "false",
            },
            within_seconds=_WITHIN_SECONDS,
        )
    if code != 0 or not (target / "index.html").is_file():
        raise RunnerError(f"`playwright merge-reports` ended with code {code}. It said: {output[-300:].strip()}")


def merge_command(version: str, *, may_fetch: bool, root: Path | None, path: str) -> list[str]:
    """Command line of the Playwright that merges: the one installed at the root, else the shards' by npx.

    Raises:
        RunnerError: Neither can be had.
    """
    node, npx = shutil.which("node", path=path), shutil.which("npx", path=path)
    if root is not None and node is not None:
        package = installed(_PACKAGE, root=root, program="playwright", oldest=1, install=_PACKAGE)
        return [node, str(package.program)]
    if not may_fetch:
        raise RunnerError(
            "nothing of the repository runs here, and `report.playwright` does not say that npx may.",
            hint='Set playwright = "on" in [report], or merge results/blob of the bundles yourself.',
        )
    if node is None or npx is None:
        raise RunnerError("there is no node with npx on PATH.", hint="Install Node.js where the report is made.")
    return [npx, "--yes", f"playwright@{version}"]


def _version(shards: Sequence[BundleFolder]) -> str:
    """The one version of Playwright that all shards ran with.

    Raises:
        RunnerError: They do not say so, or do not agree.
        DocumentError, FileError: A bundle's document is not to be read.
    """
    said = {dict(read_document(shard.environment, Surroundings).versions).get(_PACKAGE, "none") for shard in shards}
    if len(said) != 1 or not _VERSION.fullmatch(version := said.pop()):
        raise RunnerError("the shards do not name one released version of Playwright.")
    return version


def _gather(shards: Sequence[BundleFolder], target: Path) -> None:
    """Copy the blob reports of all shards into one folder.

    Raises:
        RunnerError: One of them is no ZIP file that may be unpacked.
    """
    left = MAX_UNPACKED_BYTES
    for number, shard in enumerate(shards, 1):
        for path in sorted((shard.results / BLOB).glob("*.zip")):
            if path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
                raise RunnerError(f"{shard.path.name} has a blob report of more than {MAX_FILE_BYTES >> 20} MiB.")
            try:
                with zipfile.ZipFile(path) as packed:
                    members = packed.infolist()
            except (zipfile.BadZipFile, OSError, ValueError) as error:
                raise RunnerError(f"{shard.path.name} has a blob report that cannot be read.") from error
            left -= sum(member.file_size for member in members)
            if left < 0 or any(_leads_out(member.filename) for member in members):
                raise RunnerError(f"{shard.path.name} has a blob report that is not to be unpacked.")
            shutil.copyfile(path, target / f"report-{number}-{path.name}")


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or ":" in name
