"""Where a run keeps its files on this machine."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import FileError

WORK_FOLDER = ".ci-itest"
RUNS_KEPT = 10
PAGE = "report.html"
"""What a report's page is called in its folder."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one local run: its plan, its shards' bundles, its report."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def bundles(self) -> Path:
        return self.path / "bundles"

    @property
    def builds(self) -> Path:
        """How the builds of the run ended, for its shards."""
        return self.path / "builds"

    @property
    def report(self) -> Path:
        return self.path / "report"


def work_folder(root: Path, *parts: str) -> Path:
    """`.ci-itest` below a root, or a folder inside it, made where it is missing; git ignores all of it.

    Raises:
        FileError: It cannot be made.
    """
    work = root / WORK_FOLDER
    folder = work.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (work / ".gitignore").write_text("*\n")
    except OSError as error:
        raise FileError(f"Cannot make {folder}: {error.strerror}.", hint="The folder must be writable.") from error
    return folder


def last_report(root: Path) -> Path | None:
    """The page that was written last below a root, by `ci-itest run` or `ci-itest merge`; None where there is none."""
    pages = [*(root / WORK_FOLDER).glob(f"runs/*/report/{PAGE}"), root / WORK_FOLDER / "report" / PAGE]
    return max((page for page in pages if page.is_file()), key=lambda page: page.stat().st_mtime, default=None)


def new_run_folder(root: Path, run_id: str) -> RunFolder:
    """A fresh folder below `.ci-itest`, which git ignores; the oldest runs beyond ten are removed.

    Raises:
        FileError: It cannot be made.
    """
    folder = work_folder(root, "runs") / run_id
    latest = root / WORK_FOLDER / "latest"
    try:
        folder.mkdir()
        with contextlib.suppress(FileNotFoundError):
            latest.unlink()
        latest.symlink_to(Path("runs") / run_id)
    except OSError as error:
        raise FileError(f"Cannot make {folder}: {error.strerror}.", hint="The folder must be writable.") from error
    runs = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in runs[RUNS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return RunFolder(folder)
