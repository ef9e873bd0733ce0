"""Who holds a container: the labels every container, network and volume of ours carries, and whether their owner lives.

Nothing is ever removed by name or by "made by ci-itest": only by these labels, and only what nobody alive holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_itest.process import answers

PREFIX = "ci-itest."
PID_LABEL = f"{PREFIX}pid"
"""Carried by everything of ours; what a sweep looks for."""

_PROC = Path("/proc")
_FIELDS = ("run", "shard", "boot", "pid", "started", "namespace")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that holds containers, named so that no other process of any time can be mistaken for it.

    Attributes:
        run: Name of the run, as in its plan.
        shard: Suite and shard, "main-3".
        boot: Id of the kernel's boot; "" where the system does not tell it (macOS).
        started: When the process started, in the kernel's clock ticks since boot; "" where it is not told.
        namespace: The process-id namespace that `pid` counts in: a job container has its own; "" where not told.
    """

    run: str
    shard: str
    boot: str
    pid: int
    started: str
    namespace: str = ""

    @classmethod
    def of_this_process(cls, *, run: str, shard: str, pid: int = 0, proc: Path = _PROC) -> Owner:
        """This process (another one when `pid` is given) as an owner."""
        pid = pid or os.getpid()
        return cls(run, shard, _boot(proc), pid, started_at(pid, proc), _namespace(proc))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Owner | None:
        """The owner that labels name; None when they are not ours."""
        pid = labels.get(PID_LABEL, "")
        if not pid.isdecimal():
            return None
        values = {field: labels.get(PREFIX + field, "") for field in _FIELDS if field != "pid"}
        return cls(pid=int(pid), **values)

    def labels(self) -> dict[str, str]:
        return {PREFIX + field: str(getattr(self, field)) for field in _FIELDS}


def is_alive(owner: Owner, *, engine_is_local: bool = True, proc: Path = _PROC) -> bool:
    """Whether the owner's process still runs; True whenever that cannot be known.

    Args:
        engine_is_local: Whether the engine runs on this machine's kernel. Then an owner of another boot is gone for
            certain; on an engine reached over the network it may live on another machine.
    """
    if owner.boot != _boot(proc):
        return not (engine_is_local and owner.boot and _boot(proc))
    if owner.namespace != _namespace(proc):
        return True  # a job container's process: its number says nothing here
    if owner.started:
        return owner.started == started_at(owner.pid, proc)
    return answers(owner.pid)


def _boot(proc: Path) -> str:
    return _read(proc / "sys/kernel/random/boot_id").strip()


def started_at(pid: int, proc: Path = _PROC) -> str:
    """When a process started, in the kernel's ticks since boot; "" when it has ended, or where it is not told."""
    # Field 22 of stat; the second field is the program's name in brackets, which may hold spaces and brackets.
    # A zombie (state Z) has ended: it holds nothing, although its number is still taken.
    _, _, fields = _read(proc / str(pid) / "stat").rpartition(")")
    after_name = fields.split()
    return after_name[19] if len(after_name) > 19 and after_name[0] != "Z" else ""


def _namespace(proc: Path) -> str:
    try:
        return str((proc / "self/ns/pid").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
