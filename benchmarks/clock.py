"""Keeps a benchmark within its time, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Clock:
    """Says when a part of a benchmark has had its time.

    Args:
        seconds: From now.
        least: Rounds that are run in any case.
    """

    def __init__(self, seconds: float, *, least: int = 2) -> None:
        self._ends = time.monotonic() + seconds
        self._least = least

    def rounds(self, most: int) -> Iterator[int]:
        """Numbers of rounds from 1."""
        for number in range(1, most + 1):
            if number > self._least and time.monotonic() > self._ends:
                return
            yield number
