"""Shards that ran before, found again: the bundle of a run's folder, of a downloaded archive, of a path."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import CiItestError, DocumentError, FileError, UsageError
from ci_itest.flows.bundles import SHARD_DOCUMENT, BundleFolder, read_bundle, read_bundles
from ci_itest.flows.merge import case_results
from ci_itest.model.cases import Verdict
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.runners.base import Runner
from ci_itest.wire import read_document

LOCAL_RUN = "local-"
MAX_FILES = 20_000
MAX_BYTES = 2 * 1024 * 1024 * 1024

RunnerOf = Callable[[str], Runner]


@dataclass(frozen=True, slots=True)
class Recording:
    """One shard as its bundle tells it.

    Attributes:
        surroundings: None in a bundle of a shard that died before its end.
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
        return bool(self.failed) or self.result.stop_reason is not StopReason.NONE


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which shard of a run: `RUN`, `RUN/SHARD` or `RUN/SUITE/SHARD`."""

    run: str
    suite: str = ""
    shard: int = 0


def wanted(target: str) -> Wanted:
    """A target as the command line has it, taken apart at its end: a run may hold slashes of its own."""
    head, _, last = target.rstrip("/").rpartition("/")
    if not (head and last.isdigit()) or Path(target).exists() or _is_part_of_url(target):
        return Wanted(target)
    before, _, suite = head.rpartition("/")
    if before and not Path(head).exists() and Path(before).exists():
        return Wanted(before, suite, int(last))
    if before.isdigit():
        return Wanted(before, suite, int(last))
    return Wanted(head, "", int(last))


def _is_part_of_url(target: str) -> bool:
    """`…/runs/123` and `…/pull/5` end in a number that is no shard's."""
    parts = target.split("/")
    return "://" in target and len(parts) > 1 and parts[-2] in ("runs", "pull", "attempts", "job")


def recordings_at(path: Path, *, runner_of: RunnerOf) -> tuple[Recording, ...]:
    """Every readable shard below a path: a bundle, a folder of bundles, or a run's folder.

    Raises:
        UsageError: There is none, or the path is not there.
        DocumentError: There are bundles and none can be read.
    """
    if not path.exists():
        raise UsageError(
            f"There is no {path}.",
            hint="Give a run's folder below .ci-itest/runs, a bundle, or the id or address of a workflow run.",
        )
    places = [path / "bundles", path] if path.is_dir() else []
    for place in places:
        found = read_bundles(place, runner_of=runner_of)
        if found.shards or found.broken:
            break
    else:
        raise UsageError(f"There is no bundle of a shard in {path}.", hint=f"A bundle has a {SHARD_DOCUMENT}.")
    if not found.shards:
        raise DocumentError("; ".join(broken.reason for broken in found.broken))
    folders = [place, *place.iterdir()]
    bundles = [BundleFolder(folder) for folder in sorted(folders) if (folder / SHARD_DOCUMENT).is_file()]
    return tuple(_readable(bundles, runner_of))


def _readable(bundles: Sequence[BundleFolder], runner_of: RunnerOf) -> list[Recording]:
    recordings = []
    for bundle in bundles:
        try:
            recordings.append(recording_of(bundle, runner_of=runner_of))
        except CiItestError:
            continue  # said already when all are so; another shard may be the one that is wanted
    return recordings


def recording_of(folder: BundleFolder, *, runner_of: RunnerOf) -> Recording:
    """One bundle, read; DocumentError or FileError when its documents are not to be read."""
    surroundings = read_document(folder.environment, Surroundings) if folder.environment.is_file() else None
    return Recording(folder, read_bundle(folder, runner_of=runner_of), surroundings)


def chosen(recordings: Sequence[Recording], choice: Wanted) -> Recording:
    """The shard that was asked for, in its newest attempt; without a number the first red one, else the only one.

    Raises:
        UsageError: There is no such shard, or nothing says which.
    """
    newest: dict[tuple[str, int], Recording] = {}
    for recording in sorted(recordings, key=lambda recording: recording.result.run_attempt):
        newest[recording.result.suite, recording.result.index] = recording
    found = [newest[key] for key in sorted(newest) if not choice.suite or key[0] == choice.suite]
    if choice.shard:
        found = [recording for recording in found if recording.result.index == choice.shard]
    labels = ", ".join(recording.result.label for _, recording in sorted(newest.items()))
    if not found:
        part = "/".join(part for part in (choice.suite, str(choice.shard or "")) if part)
        raise UsageError(f"{choice.run} has no shard {part}.", hint=f"It has {labels}.")
    red = [recording for recording in found if recording.is_red]
    if red:
        return red[0]
    if len(found) == 1:
        return found[0]
    raise UsageError(f"No shard of {choice.run} failed.", hint=f"Say which one to replay: {labels}.")


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
    suite = SuitePlan(result.suite, recording.surroundings.settings.runner if recording.surroundings else "pytest", ())
    return Plan(
        run_id=result.run_id,
        commit=result.commit,
        created_at=result.started_at,
        tool_version=recording.surroundings.tool_version if recording.surroundings else "",
        suites=(SuitePlan(suite.suite, suite.runner, tuple(shards)),),
        digest=result.plan_digest,
    )


def unpack(archive: Path, folder: Path) -> Path:
    """The files of a downloaded archive, in a fresh folder.

    The archive comes from a machine that ran anybody's tests: only plain files below the folder are taken, and no
    more than a bundle can honestly have.

    Raises:
        FileError: It is not a zip archive, holds anything but plain files, or too much; or the disk is full.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
                raise FileError(f"{archive} holds more than a bundle can: {len(members)} files.")
            budget = MAX_BYTES
            for member in members:
                budget -= _unpacked(opened, member, folder, budget)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise FileError(f"Cannot unpack {archive}: {error}.") from error
    return folder


def _unpacked(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, budget: int) -> int:
    """Write one member below the folder; how many bytes it really had."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    target = (folder / member.filename).resolve()
    if kind not in (0, stat.S_IFREG) or not target.is_relative_to(folder.resolve()) or "\\" in member.filename:
        raise FileError(f"The archive holds {member.filename[:100]!r}, which no bundle has; nothing of it is used.")
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with opened.open(member) as source, target.open("xb") as sink:
        while block := source.read(1024 * 1024):
            size += len(block)
            if size > budget:
                raise FileError(f"The archive holds more than it says: {member.filename[:100]!r}.")
            sink.write(block)
    return size
