"""What a shard leaves behind, on disk: where each part lies, how it is written and how it is read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ci_itest.errors import CiItestError, DocumentError
from ci_itest.model.coverage import FILE_NAME, IntegrationCoverage, bounded
from ci_itest.model.run import ShardResult
from ci_itest.runners.base import Runner, RunnerResult
from ci_itest.wire import decode_coverage, read_document, write_document

SHARD_DOCUMENT = "shard.json"
_BUNDLE_NAME = re.compile(r"ci-itest-(?P<suite>[\w.-]+)-(?P<index>\d{1,6})-a(?P<attempt>\d{1,6})")


def bundle_name(suite: str, index: int, *, run_attempt: int) -> str:
    """The artifact's name, one for each attempt since artifacts cannot be written twice."""
    return f"ci-itest-{suite}-{index}-a{run_attempt}"


@dataclass(frozen=True, slots=True)
class BundleParts:
    """What a bundle's name says."""

    suite: str
    index: int
    attempt: int


def bundle_parts(name: str) -> BundleParts | None:
    """A bundle's name taken apart; None for any other artifact's."""
    found = _BUNDLE_NAME.fullmatch(name)
    return BundleParts(found["suite"], int(found["index"]), int(found["attempt"])) if found else None


@dataclass(frozen=True, slots=True)
class BundleFolder:
    """One bundle's folder and the places in it."""

    path: Path

    @property
    def document(self) -> Path:
        return self.path / SHARD_DOCUMENT

    @property
    def results(self) -> Path:
        """What the test runner wrote while it ran."""
        return self.path / "results"

    @property
    def junit(self) -> Path:
        return self.path / "junit"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def service_logs(self) -> Path:
        """Apart from our own logs, since a service may have any name."""
        return self.logs / "services"

    @property
    def lock(self) -> Path:
        """The lock of the images that ran, where the repository has one."""
        return self.path / "ci-itest.lock"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"


@dataclass(frozen=True, slots=True)
class BrokenBundle:
    """A bundle that cannot be read.

    Attributes:
        reason: In words, with the file's name.
    """

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Bundles:
    """All bundles of a run, as found."""

    shards: tuple[ShardResult, ...]
    broken: tuple[BrokenBundle, ...]


def write_shard(folder: BundleFolder, result: ShardResult) -> None:
    """Write a shard's document; its cases stay in the runner's own results beside it."""
    own = replace(result, listed=(), collected=(), attempts=(), running=(), queues=(), deaths=())
    write_document(folder.document, own)


def with_results(result: ShardResult, found: RunnerResult) -> ShardResult:
    return replace(
        result,
        listed=found.listed,
        collected=found.collected,
        attempts=found.attempts,
        running=found.running,
        queues=found.queues,
        deaths=found.deaths,
    )


def read_bundles(folder: Path, *, runner_of: Callable[[str], Runner]) -> Bundles:
    """Every bundle below a folder, whatever state its shard left it in.

    Args:
        runner_of: Suite name to the adapter that can read its results.
    """
    shards: list[ShardResult] = []
    broken: list[BrokenBundle] = []
    for path in sorted(_bundle_folders(folder)):
        try:
            shards.append(read_bundle(BundleFolder(path), runner_of=runner_of))
        except CiItestError as error:
            broken.append(BrokenBundle(path, error.message))
    return Bundles(tuple(shards), tuple(broken))


def read_bundle(folder: BundleFolder, *, runner_of: Callable[[str], Runner]) -> ShardResult:
    """One shard with its cases; DocumentError or FileError when its document is not to be read."""
    result = replace(read_document(folder.document, ShardResult), coverage=_coverage(folder.results / FILE_NAME))
    return with_results(result, runner_of(result.suite).read(folder.results, suite=result.suite))


def _coverage(path: Path) -> IntegrationCoverage | None:
    """What the shard's tests reached; None where no fixture looked, or the file is broken."""
    try:
        return bounded(decode_coverage(path.read_bytes()))
    except (OSError, DocumentError):
        return None


def _bundle_folders(folder: Path) -> Iterable[Path]:
    """Folders named like bundles, so that one whose document is gone is seen too, and any that holds a document."""
    if not folder.is_dir():
        return
    if (folder / SHARD_DOCUMENT).exists():
        yield folder
        return
    for path in folder.iterdir():
        if path.is_dir() and ((path / SHARD_DOCUMENT).exists() or path.name.startswith("ci-itest-")):
            yield path
