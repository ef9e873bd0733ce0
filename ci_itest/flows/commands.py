"""The user's own commands around the tests, and their logs."""

from __future__ import annotations

import contextlib
import socket
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ci_itest import process
from ci_itest.errors import PrepareError
from ci_itest.masking import Masker
from ci_itest.model.settings import PrepareSettings

LOOPBACK = "127.0.0.1"
SHOWN_LINES = 20
"""Lines of a failed command that its error shows; the whole log is in the bundle."""

Line = Callable[[str], None]


class Log:
    """A masked log file in the bundle that remembers its last lines for an error."""

    def __init__(self, write: Line) -> None:
        self._write = write
        self._last: deque[str] = deque(maxlen=SHOWN_LINES)

    def line(self, text: str) -> None:
        self._last.append(text)
        self._write(text)

    @property
    def last_lines(self) -> str:
        return "\n".join(f"  {line}" for line in self._last) or "  (it printed nothing)"


@contextlib.contextmanager
def log_file(path: Path, *, mask: Masker, stamped: bool = False) -> Iterator[Log]:
    """A log that is written line by line, so that a kill loses none that came before it.

    Args:
        stamped: Each line begins with its time, as those of services do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file:

        def write(text: str) -> None:
            # A child's last lines can arrive while the log is being closed.
            with contextlib.suppress(ValueError):
                file.write(f"{_stamp() if stamped else ''}{mask(text)}\n")

        yield Log(write)


def _stamp() -> str:
    return f"{datetime.now(UTC).isoformat(timespec='microseconds').removesuffix('+00:00')}Z "


def prepare(step: PrepareSettings, *, directory: Path, environment: Mapping[str, str], log: Log) -> None:
    """Run one `[[prepare]]` command; PrepareError with its last lines when it fails or takes too long."""
    ended = process.run(
        step.run, directory=directory, environment=environment, line=log.line, within_seconds=step.timeout
    )
    if ended.timed_out:
        raise PrepareError(f"`{step.run}` took longer than {step.timeout:g} s. Its last lines:\n{log.last_lines}")
    if ended.exit_code != 0:
        raise PrepareError(f"`{step.run}` ended with code {ended.exit_code}. Its last lines:\n{log.last_lines}")


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def what_answers(url: str) -> str:
    """ "" when the URL answers below 500, else what came instead."""
    # Never through a proxy of the environment: the app is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=2.0).close()
    except urllib.error.HTTPError as answer:
        return f"HTTP status {answer.code}" if answer.code >= 500 else ""
    except OSError as error:
        return str(getattr(error, "reason", error))
    return ""
