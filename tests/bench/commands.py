"""Run a command into a log file; say its last lines when it fails."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.bench.progress import tail
from tests.bench.settings import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run to the end; both outputs are appended to the log.

    Raises:
        BenchError: The command is missing or failed; the message ends with the log's last lines.
    """
    with log.open("a") as out:
        out.write(f"+ {' '.join(command)}\n")
        out.flush()
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                check=False,
            )
        except FileNotFoundError as error:
            raise BenchError(f"`{command[0]}` is not installed.") from error
    if done.returncode:
        raise BenchError(
            f"`{command[0]}` failed with exit code {done.returncode}. Its last words:\n{tail(log)}",
            hint=f"The whole log is in {log}.",
        )


def output_of(command: Sequence[str]) -> str:
    """What a command printed on stdout, "" where it is missing or failed: for questions, not for work."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
