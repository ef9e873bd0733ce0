"""The guard: a process of its own that removes what we hold when we die, however we die.

It reads a pipe whose other end we have open. Lines on it say what we hold. When the pipe ends (by `kill -9` too, at
once), the guard ends what is still held of our children's process groups, then removes containers, networks and
volumes by label. It is no child of ours and bears no RUNNER_TRACKING_ID, so that nobody who cleans up after a job
takes it for an orphan.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping

from ci_itest.containers.address import engine_address
from ci_itest.containers.bare_engine import BareEngine
from ci_itest.containers.engine import Engine
from ci_itest.containers.leftovers import Remover, remove_labelled
from ci_itest.containers.owner import started_at
from ci_itest.errors import CiItestError
from ci_itest.process import detached

_NOT_HANDED_ON = ("RUNNER_TRACKING_ID",)
"""The GitHub runner ends every process that bears it when the job ends."""

_PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from ci_itest.containers.guard import main; main()"
_SOCKET = "unix://"
_GRACE_SECONDS = 0.3  # between SIGTERM and SIGKILL for our children
_LOOK_SECONDS = 0.1
_QUIET_LOOKS = 6  # what was being created when we died may appear late
_LONGEST_SECONDS = 30.0


class Guard:
    """Our end of the pipe; made by `guarding`. May be used from many threads."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def cover(self, selector: str) -> None:
        """Everything on the engine that carries this label (`name=value`) goes when we die."""
        self._tell("cover", selector)

    def release(self, selector: str) -> None:
        """What carries the label may stay from now on, or is gone."""
        self._tell("release", selector)

    @contextlib.contextmanager
    def group(self, pid: int) -> Iterator[None]:
        """While the block runs, the process group of that number ends with us."""
        self._tell("group", str(pid), started_at(pid))
        try:
            yield
        finally:
            self._tell("ended", str(pid))

    def _tell(self, *words: str) -> None:
        # A guard that somebody killed guards nothing; that is no reason to fail.
        with contextlib.suppress(OSError):
            os.write(self._pipe, (json.dumps(words) + "\n").encode())


@contextlib.contextmanager
def guarding(environment: Mapping[str, str]) -> Iterator[Guard]:
    """A guard beside the block; what it still covers when the block is left it removes then.

    Args:
        environment: Names the engine (`DOCKER_HOST` and what belongs to it).

    Raises:
        RunnerError: It cannot be started.
    """
    paths = [os.path.abspath(path or ".") for path in sys.path]  # noqa: PTH100 - Path would lose what is no path
    arguments = [sys.executable, "-I", "-c", _PROGRAM, json.dumps(paths), str(os.getpid())]
    handed_on = {name: value for name, value in environment.items() if name not in _NOT_HANDED_ON}
    reads, writes = os.pipe()
    guard = Guard(writes)
    try:
        try:
            detached(arguments, environment=handed_on, reads=reads)
        finally:
            os.close(reads)
        yield guard
    finally:
        os.close(writes)


class Held:
    """What the lines on the pipe have told so far.

    Attributes:
        groups: Number of a process group, to when its leader started.
    """

    def __init__(self) -> None:
        self.selectors: dict[str, None] = {}
        self.groups: dict[int, str] = {}

    def note(self, line: str) -> None:
        match json.loads(line):
            case ["cover", selector]:
                self.selectors[selector] = None
            case ["release", selector]:
                self.selectors.pop(selector, None)
            case ["group", pid, started]:
                self.groups[int(pid)] = started
            case ["ended", pid]:
                self.groups.pop(int(pid), None)


def main() -> None:
    """Listen on standard input until the process that our arguments name is gone, then remove what it told us to."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held = Held()
    _listen(held, parent=int(sys.argv[2]))
    end_groups(held.groups)
    if held.selectors:
        _remove_all(held.selectors)


def end_groups(groups: Mapping[int, str]) -> None:
    """End process groups: SIGTERM, and SIGKILL for those that do not go by it.

    A number that meanwhile belongs to another process is left alone.
    """
    ours = [pid for pid, started in groups.items() if started_at(pid) in ("", started)]
    left = [pid for pid in ours if _signalled(pid, signal.SIGTERM)]
    until = time.monotonic() + _GRACE_SECONDS
    while left and time.monotonic() < until:
        time.sleep(0.02)
        left = [pid for pid in left if _signalled(pid, 0)]
    for pid in left:
        _signalled(pid, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    """Whether there was such a group to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _listen(held: Held, *, parent: int) -> None:
    """Note every line until the pipe or the parent ends."""
    watched = [0, *_ends_of(parent)]
    rest = b""
    while 0 in select.select(watched, [], [])[0]:
        chunk = os.read(0, 65536)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            held.note(line.decode())
        if not chunk:
            return
    # The parent is gone, though something it started may hold the pipe.


def _ends_of(parent: int) -> list[int]:
    """A file that is readable once the process has ended; none where the system has no such thing (macOS)."""
    try:
        return [os.pidfd_open(parent)]
    except (AttributeError, OSError):  # gone already: then so is its end of the pipe
        return []


def _engine() -> Remover:
    """The engine of our environment; EngineError when it does not answer."""
    address = engine_address(os.environ)
    if address.startswith(_SOCKET):
        return BareEngine(address.removeprefix(_SOCKET))
    return Engine.connect(os.environ)


def _remove_all(selectors: Iterable[str]) -> None:
    until = time.monotonic() + _LONGEST_SECONDS
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < until:
        try:
            engine = _engine()
            found = sum(remove_labelled(engine, selector) for selector in selectors)
        except CiItestError:
            found = 1  # the engine did not answer: once more
        quiet = 0 if found else quiet + 1
        time.sleep(_LOOK_SECONDS)
