"""Servers the bench has started: recorded with their start time, so that `down` ends exactly these.

A process id alone comes round again; id, start time and boot id together do not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.progress import say, tail
from tests.bench.settings import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.bench.settings import Settings

POLL_SECONDS = 0.03
_RECORDING = threading.Lock()  # engine and registry start side by side


@dataclass(frozen=True)
class Server:
    """A process we started.

    Attributes:
        start_ticks: Clock ticks from boot to its start, as field 22 of /proc/<pid>/stat has it.
        boot_id: Of the machine's boot it was started in.
        note: What else `status` and the next `up` want to know about it, such as its address.
    """

    name: str
    pid: int
    start_ticks: int
    boot_id: str
    note: str


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """One caller at a time; a second one waits and says so."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with (settings.cache / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("bench", "another caller is at work, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def running(settings: Settings, name: str) -> Server | None:
    """The recorded server of that name where it still runs."""
    server = _recorded(settings).get(name)
    return server if server and is_alive(server) else None


def is_alive(server: Server) -> bool:
    return server.start_ticks > 0 and server.boot_id == _boot_id() and server.start_ticks == _start_ticks(server.pid)


def start(
    settings: Settings,
    name: str,
    command: Sequence[str],
    *,
    ready: Callable[[], bool],
    seconds: float,
    note: str = "",
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Start a server in a session of its own and wait until it answers.

    Raises:
        BenchError: It ended, or did not answer in time (it is then stopped); with the end of its log.
    """
    log = settings.log(name)
    _raise_open_files()
    with log.open("w") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(environment if environment is not None else os.environ),
            start_new_session=True,
        )
    server = Server(name, child.pid, _start_ticks(child.pid), _boot_id(), note)
    _remember(settings, server)
    try:
        _await(child, ready=ready, seconds=seconds)
    except BenchError as error:
        stop(settings, name, seconds=30)
        raise BenchError(f"{name} {error} Its last words:\n{tail(log)}", hint=f"The whole log is in {log}.") from None
    child.returncode = 0  # it outlives us on purpose: no ResourceWarning for a child we do not wait for
    return server


def stop(settings: Settings, name: str, *, seconds: float) -> Server | None:
    """End the recorded server politely and forget it; None where it does not run.

    Raises:
        BenchError: It still runs after that time. Nothing is killed: an engine needs its time to stop containers.
    """
    server = running(settings, name)
    if server:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while is_alive(server):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(server.pid, os.WNOHANG)
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{name} (process {server.pid}) still runs {seconds:.0f} s after SIGTERM.",
                    hint=f"See {settings.log(name)}.",
                )
            time.sleep(POLL_SECONDS)
    _forget(settings, name)
    return server


def _await(child: subprocess.Popen[bytes], *, ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if child.poll() is not None:
            raise BenchError(f"ended with exit code {child.returncode} before it answered.")
        if time.monotonic() > deadline:
            raise BenchError(f"did not answer within {seconds:.0f} s.")
        time.sleep(POLL_SECONDS)


def _raise_open_files() -> None:
    """Containers inherit the engine's limit; a shell's 1024 is too low for a database."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _recorded(settings: Settings) -> dict[str, Server]:
    try:
        rows = json.loads(settings.state_file.read_text())
        return {name: Server(**row) for name, row in rows.items()}
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _remember(settings: Settings, server: Server) -> None:
    with _RECORDING:
        _write(settings, {**_recorded(settings), server.name: server})


def _forget(settings: Settings, name: str) -> None:
    with _RECORDING:
        _write(settings, {key: server for key, server in _recorded(settings).items() if key != name})


def _write(settings: Settings, servers: Mapping[str, Server]) -> None:
    half_written = settings.state_file.with_suffix(".new")
    half_written.write_text(json.dumps({name: asdict(server) for name, server in servers.items()}, indent=1))
    half_written.replace(settings.state_file)


def _start_ticks(pid: int) -> int:
    """0 where there is no such process, or only its exit status is left of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    state, *fields = stat.rpartition(")")[2].split()
    return 0 if state in "ZX" else int(fields[18])


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()  # Linux alone: nothing is started elsewhere
