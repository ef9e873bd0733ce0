"""The user's own commands around the tests: `[[prepare]]` steps and the `[app]`."""

from __future__ import annotations

import contextlib
import socket
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ci_itest import process
from ci_itest.errors import AppError, PrepareError
from ci_itest.masking import Masker
from ci_itest.model.settings import AppSettings, PrepareSettings
from ci_itest.waiting import DeadlinePassed, wait_until

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
def log_file(path: Path, *, mask: Masker) -> Iterator[Log]:
    """A log that is written line by line, so that a kill loses none that came before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file:

        def write(text: str) -> None:
            # A child's last lines can arrive while the log is being closed.
            with contextlib.suppress(ValueError):
                file.write(mask(text) + "\n")

        yield Log(write)


def prepare(step: PrepareSettings, *, directory: Path, environment: Mapping[str, str], log: Log) -> None:
    """Run one `[[prepare]]` command; PrepareError with its last lines when it fails or takes too long."""
    ended = process.run(
        step.run, directory=directory, environment=environment, line=log.line, within_seconds=step.timeout
    )
    if ended.timed_out:
        raise PrepareError(f"`{step.run}` took longer than {step.timeout:g} s. Its last lines:\n{log.last_lines}")
    if ended.exit_code != 0:
        raise PrepareError(f"`{step.run}` ended with code {ended.exit_code}. Its last lines:\n{log.last_lines}")


@contextlib.contextmanager
def app_running(
    app: AppSettings, *, port: int, directory: Path, environment: Mapping[str, str], log: Log
) -> Iterator[None]:
    """The team's own server on a port of loopback, warmed up; ended when the block is left.

    Raises:
        AppError: It ended before its warm-up path answered, or did not answer in time, with its last lines.
    """
    command = app.run.replace("{port}", str(port))
    with process.started(
        command, directory=directory, environment=environment, line=log.line, grace_seconds=2.0
    ) as child:

        def check() -> str:
            if child.exit_code is not None:
                raise AppError(
                    f"The app ended with code {child.exit_code} before {app.warmup} answered. "
                    f"Its last lines:\n{log.last_lines}"
                )
            return _what_answers(f"http://{LOOPBACK}:{port}{app.warmup}")

        try:
            wait_until(check, within_seconds=app.warmup_timeout)
        except DeadlinePassed as passed:
            raise AppError(
                f"The app did not answer {app.warmup} within {app.warmup_timeout:g} s; last seen: {passed.last_seen}. "
                f"Its last lines:\n{log.last_lines}",
                hint="Raise [app] warmup_timeout, or look at app.log in the bundle.",
            ) from passed
        yield


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _what_answers(url: str) -> str:
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
