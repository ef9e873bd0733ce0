"""What people read while the bench works: one line a step on stderr, with its time."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def say(step: str, message: str) -> None:
    """One whole line in one write, since steps run side by side."""
    sys.stderr.write(f"{step}: {message}\n")
    sys.stderr.flush()


@contextmanager
def timed(step: str, message: str) -> Iterator[None]:
    """Say the message when the block is done, with how long it took; nothing where it failed."""
    began = time.monotonic()
    yield
    say(step, f"{message} in {time.monotonic() - began:.1f} s")


def tail(log: Path, *, lines: int = 20) -> str:
    """The last lines of a log, "" where there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
