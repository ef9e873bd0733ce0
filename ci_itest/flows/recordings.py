"""Shards that ran before, found again: the bundle of a run's folder, of a downloaded archive, of a path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ci_itest.errors import CiItestError, DocumentError, UsageError
from ci_itest.flows.bundles import SHARD_DOCUMENT, BundleFolder, read_bundle
from ci_itest.flows.merge import case_results
from ci_itest.github.references import run_reference
from ci_itest.model.cases import Verdict
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ShardResult, ShardState, StopReason
from ci_itest.runners.base import Runner
from ci_itest.wire import read_document

LOCAL_RUN = "local-"
MAIN = "main"

RunnerOf = Callable[[str], Runner]


@dataclass(frozen=True, slots=True)
class Recording:
    """One shard as its bundle tells it.

    Attributes:
        surroundings: None in a bundle of a shard that died before it started anything.
    """

    folder: BundleFolder
    result: ShardResult
    surroundings: Surroundings | None

    @property
    def is_local(self) -> bool:
        """Whether it ran on a machine of a developer, in a working tree that no commit stands for."""
        return self.result.run_id.startswith(LOCAL_RUN)

    @property
    def failed(self) -> tuple[str, ...]:
        """Cases that failed, or were running when the shard stopped."""
        results = case_results(self.result)
        bad = [result.case.node_id for result in results if result.verdict is Verdict.FAILED]
        return tuple(dict.fromkeys([*bad, *(case.node_id for case in self.result.running)]))

    @property
    def is_red(self) -> bool:
        """Whether a case failed, or the shard ended before its tests did: by itself or killed."""
        result = self.result
        has_ended = result.state is ShardState.FINISHED and result.stop_reason is StopReason.NONE
        return bool(self.failed) or not has_ended

    @property
    def played(self) -> tuple[str, ...]:
        """Every case that started, worker by worker, in order."""
        return tuple(case for _, queue in self.result.queues for case in queue)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which shard of a run: `RUN`, `RUN/SHARD` or `RUN/SUITE/SHARD`."""

    run: str
    suite: str = ""
    shard: int = 0

    @property
    def words(self) -> str:
        """The shard as it was asked for, "" for any."""
        return "/".join(part for part in (self.suite, str(self.shard or "")) if part)

    def fits(self, suite: str, index: int) -> bool:
        """Whether this shard may be meant."""
        return self.suite in ("", suite) and self.shard in (0, index)


@dataclass(frozen=True, slots=True)
class Found:
    """The bundles of a run.

    Attributes:
        broken: Of each that cannot be read: its folder's name and why.
    """

    recordings: tuple[Recording, ...]
    broken: tuple[str, ...] = ()


def wanted(target: str) -> Wanted:
    """A target as the command line has it, taken apart at its end: a run may hold slashes of its own."""
    head, _, last = target.rstrip("/").rpartition("/")
    if not (head and last.isdigit()) or _is_run(target):
        return Wanted(target)
    before, _, suite = head.rpartition("/")
    if before and not _is_run(head) and _is_run(before):
        return Wanted(before, suite, int(last))
    return Wanted(head, "", int(last))


def _is_run(text: str) -> bool:
    """Whether the text by itself names a run: a path that is there, a run's number, an address."""
    return text.isdigit() or run_reference(text) is not None or Path(text).exists()


def recordings_at(path: Path, *, runner_of: RunnerOf) -> Found:
    """Every shard below a path: a bundle, a folder of bundles, or a run's folder.

    Raises:
        UsageError: There is none, or the path is not there.
        DocumentError: There are bundles and none can be read.
    """
    if not path.exists():
        raise UsageError(
            f"There is no {path}.",
            hint="Run the suite here first (`ci-itest run`), or give a run's folder below .ci-itest/runs, "
            "a bundle, or the id or address of a workflow run.",
        )
    places = (path / "bundles", path)
    bundles = next((found for place in places if (found := tuple(_bundles(place)))), ())
    if not bundles:
        raise UsageError(f"There is no bundle of a shard in {path}.", hint=f"A bundle has a {SHARD_DOCUMENT}.")
    recordings, broken = [], []
    for bundle in bundles:
        try:
            recordings.append(recording_of(bundle, runner_of=runner_of))
        except CiItestError as error:
            broken.append(f"{bundle.path.name}: {error.message}")
    if not recordings:
        raise DocumentError("No bundle can be read. " + " ".join(broken))
    return Found(tuple(recordings), tuple(broken))


def _bundles(folder: Path) -> Iterator[BundleFolder]:
    """The folder itself where it is a bundle, else those in it, by name."""
    if (folder / SHARD_DOCUMENT).is_file():
        yield BundleFolder(folder)
    elif folder.is_dir():
        yield from (BundleFolder(path) for path in sorted(folder.iterdir()) if (path / SHARD_DOCUMENT).is_file())


def recording_of(folder: BundleFolder, *, runner_of: RunnerOf) -> Recording:
    """One bundle, read; DocumentError or FileError when its documents are not to be read."""
    surroundings = read_document(folder.environment, Surroundings) if folder.environment.is_file() else None
    return Recording(folder, read_bundle(folder, runner_of=runner_of), surroundings)


def chosen(found: Found, choice: Wanted) -> Recording:
    """The shard that was asked for, in its newest attempt; without a number the first red one, else the only one.

    A number without a suite means the suite `main` where there is one.

    Raises:
        UsageError: There is no such shard, or nothing says which.
    """
    newest: dict[tuple[str, int], Recording] = {}
    for recording in sorted(found.recordings, key=lambda recording: recording.result.run_attempt):
        newest[recording.result.suite, recording.result.index] = recording
    if choice.shard and (MAIN, choice.shard) in newest:
        choice = replace(choice, suite=choice.suite or MAIN)
    fitting = [newest[key] for key in sorted(newest) if choice.fits(*key)]
    labels = ", ".join(recording.result.label for _, recording in sorted(newest.items()))
    broken = f" Not to be read: {' '.join(found.broken)}" if found.broken else ""
    if not fitting:
        raise UsageError(f"{choice.run} has no shard {choice.words}.", hint=f"It has {labels}.{broken}")
    red = [recording for recording in fitting if recording.is_red]
    if red:
        return red[0]
    if len(fitting) == 1:
        return fitting[0]
    raise UsageError(f"No shard of {choice.run} failed.", hint=f"Say which one to replay: {labels}.{broken}")


def plan_of(recording: Recording) -> Plan:
    """The division the shard worked by, as far as it saw it: its own files, and all others elsewhere."""
    result = recording.result
    mine = [Unit(listed.file, 0.0) for listed in result.listed if listed.is_mine]
    others = [Unit(listed.file, 0.0) for listed in result.listed if not listed.is_mine]
    elsewhere = result.index % result.count + 1
    shards = []
    for index in range(1, result.count + 1):
        units = mine if index == result.index else others if index == elsewhere else []
        shards.append(Shard(index, tuple(units)))
    runner = recording.surroundings.settings.runner if recording.surroundings else "pytest"
    return Plan(
        run_id=result.run_id,
        commit=result.commit,
        created_at=result.started_at,
        tool_version=recording.surroundings.tool_version if recording.surroundings else "",
        suites=(SuitePlan(result.suite, runner, tuple(shards)),),
        digest=result.plan_digest,
    )
