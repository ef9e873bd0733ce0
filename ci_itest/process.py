"""Run a child: its output as it comes, a deadline, and its whole process group ended with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import RunnerError

Line = Callable[[str], None]

_MAX_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        exit_code: Its exit code; minus the signal's number when a signal ended it.
        timed_out: Whether we ended it because of its deadline.
        seconds: Wall time.
    """

    exit_code: int
    timed_out: bool
    seconds: float


class Child:
    """A running child process in a group of its own; made by `started`."""

    def __init__(self, process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
        self._process = process
        self._reader = reader

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None when it still runs after `seconds`."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        # A grandchild may hold the pipe open; what the child itself wrote is there by now.
        self._reader.join(1.0)
        return code

    def stop(self, *, grace_seconds: float = 5.0, asked_by: signal.Signals = signal.SIGTERM) -> None:
        """End the child and all of its group: it is asked by a signal first, and killed after the grace."""
        self._signal_group(asked_by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._reader.join(1.0)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@contextlib.contextmanager
def started(
    command: Sequence[str] | str,
    *,
    directory: Path,
    environment: Mapping[str, str],
    line: Line,
    grace_seconds: float = 5.0,
    descriptors: Sequence[int] = (),
    stdin: Path | None = None,
) -> Iterator[Child]:
    """A child that runs inside the block and is ended, with its whole group, when the block is left.

    Args:
        command: Arguments, or one string for the shell (the user's own commands from the settings).
        environment: The child's whole environment.
        line: Called with each line of stdout and stderr together, without its end, in a thread of ours.
        descriptors: Open files that the child inherits, under the same numbers.
        stdin: File that it reads, None for nothing to read.

    Raises:
        RunnerError: The program cannot be started.
    """
    try:
        with (stdin or Path(os.devnull)).open("rb") as source:
            process = subprocess.Popen(
                command,
                shell=isinstance(command, str),
                cwd=directory,
                env=dict(environment),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(descriptors),
            )
    except OSError as error:
        name = command if isinstance(command, str) else command[0]
        raise RunnerError(f"Cannot start {name}: {error.strerror}.", hint="Install it or correct the path.") from error
    reader = threading.Thread(target=_read_lines, args=(process, line), daemon=True)
    reader.start()
    child = Child(process, reader)
    try:
        yield child
    finally:
        if child.exit_code is None:
            child.stop(grace_seconds=grace_seconds)
        else:
            child._signal_group(signal.SIGKILL)  # what it left behind in its group
            child.wait(1.0)


def run(
    command: Sequence[str] | str,
    *,
    directory: Path,
    environment: Mapping[str, str],
    line: Line,
    within_seconds: float = 0.0,
    grace_seconds: float = 5.0,
) -> Ended:
    """Run a child to its end, or to its deadline (`within_seconds`, 0 for none)."""
    start = time.monotonic()
    with started(
        command, directory=directory, environment=environment, line=line, grace_seconds=grace_seconds
    ) as child:
        code = child.wait(within_seconds or None)
        if code is None:
            child.stop(grace_seconds=grace_seconds)
            return Ended(child.exit_code or 0, timed_out=True, seconds=time.monotonic() - start)
        return Ended(code, timed_out=False, seconds=time.monotonic() - start)


def foreground(command: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> int:
    """Exit code of a child that has the terminal to itself, Ctrl-C included (a shell, a debugger).

    Raises:
        RunnerError: The program cannot be started.
    """
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(command, cwd=directory, env=dict(environment), preexec_fn=_with_interrupts)
        return process.wait()
    except OSError as error:
        raise RunnerError(f"Cannot start {command[0]}: {error.strerror}.") from error
    finally:
        signal.signal(signal.SIGINT, earlier)


def _with_interrupts() -> None:
    """A child starts with its parent's ignored signals."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def output_of(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], within_seconds: float = 30.0
) -> tuple[int, str]:
    """Exit code and all output of a short command; (-1, reason) when it cannot be started or takes too long."""
    lines: list[str] = []
    try:
        ended = run(
            command,
            directory=directory,
            environment=environment,
            line=lines.append,
            within_seconds=within_seconds,
        )
    except RunnerError as error:
        return -1, error.message
    return (-1 if ended.timed_out else ended.exit_code), "\n".join(lines)


def answers(pid: int) -> bool:
    """Whether there is a process of that number, whoever's; one that has ended and was not waited for counts too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def detached(command: Sequence[str], *, environment: Mapping[str, str], reads: int) -> None:
    """Start a program that goes on when we end: in a session of its own, and no child of ours.

    Whoever ends us with all our children must not find it: the GitHub runner walks down from parent to child.

    Args:
        reads: File that it has as its standard input.

    Raises:
        RunnerError: It cannot be started.
    """
    try:
        process = subprocess.Popen(
            ["sh", "-c", 'exec 3<&0; "$@" <&3 3<&- &', "sh", *command],  # a job in the background gets no input else
            env=dict(environment),
            cwd="/",
            stdin=reads,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise RunnerError(f"Cannot start {command[0]}: {error.strerror}.") from error
    process.wait()


def _read_lines(process: subprocess.Popen[bytes], line: Line) -> None:
    assert process.stdout is not None
    with process.stdout as output, contextlib.suppress(ValueError, OSError):
        while raw := output.readline(_MAX_LINE_BYTES):
            line(raw.decode("utf-8", "replace").rstrip("\r\n"))
