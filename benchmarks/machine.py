"""What figures need to know of the machine: the CPU that processes took, and a way to be ahead of its other work."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

_AHEAD = -15


def cpu_seconds(pid: int) -> float:
    """Of a process, its threads, those of its children that live, and those that have ended."""
    return sum(_own_seconds(one) for one in _with_children(pid))


def postmaster(url: str) -> int:
    """Process id of the PostgreSQL server on this machine that a URL leads to."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int((Path(row[0]) / "postmaster.pid").read_text().split()[0])


@contextmanager
def ahead() -> Iterator[None]:
    """What this process starts goes before the machine's other work meanwhile, as if it had the machine to itself.

    Without the right to it, and where sessions are not scheduled apart, it changes nothing.
    """
    ends = threading.Event()

    def raise_all() -> None:
        while True:
            for pid in _with_children(os.getpid()):
                _set(pid, _AHEAD)
            if ends.wait(0.5):
                return

    thread = threading.Thread(target=raise_all, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
        for pid in _with_children(os.getpid()):
            _set(pid, 0)


def _set(pid: int, nice: int) -> None:
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def _with_children(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _own_seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return 0.0
