"""Every shard of a plan on this machine at once, each in a process of its own, as CI runs them in jobs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ci_itest import process
from ci_itest.flows.bundles import bundle_name
from ci_itest.model.plan import Plan
from ci_itest.model.progress import Step
from ci_itest.model.run import shard_label

Report = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class ShardProcess:
    """One shard to start.

    Attributes:
        command: The whole command line of its process.
    """

    suite: str
    index: int
    label: str
    command: tuple[str, ...]


def shard_processes(
    plan: Plan, *, bundles: Path, command: Callable[[str, int, Path], Sequence[str]]
) -> list[ShardProcess]:
    """A process for each planned shard.

    Args:
        bundles: Folder that gets a bundle of each.
        command: Suite, index and bundle folder to a command line.
    """
    return [
        ShardProcess(
            suite.suite,
            shard.index,
            shard_label(suite.suite, shard.index, suite.shard_count),
            tuple(command(suite.suite, shard.index, bundles / bundle_name(suite.suite, shard.index, run_attempt=1))),
        )
        for suite in plan.suites
        for shard in suite.shards
    ]


def run_here(
    shards: Iterable[ShardProcess], *, directory: Path, environment: Mapping[str, str], report: Report
) -> dict[str, int]:
    """Run the shards side by side to their end.

    When the caller is interrupted every shard is asked to stop, and has the time to remove its containers.

    Returns:
        Exit code of each shard, by its label.
    """
    with contextlib.ExitStack() as stack:
        children = {
            shard.label: stack.enter_context(
                process.started(
                    shard.command,
                    directory=directory,
                    environment=environment,
                    line=_reader(shard.label, report),
                    grace_seconds=15.0,
                )
            )
            for shard in shards
        }
        codes: dict[str, int] = {}
        for label, child in children.items():
            codes[label] = child.wait() or 0
        return codes


def _reader(label: str, report: Report) -> Callable[[str], None]:
    """Turns a shard's JSON lines into steps; a line that is none is told as it is."""
    decoder = msgspec.json.Decoder(Step)
    lock = threading.Lock()

    def read(line: str) -> None:
        try:
            step = decoder.decode(line.encode())
        except (msgspec.DecodeError, UnicodeError):
            step = Step("note", text=line)
        with lock:
            report(replace(step, shard=label))

    return read
