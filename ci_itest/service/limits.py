"""How much one repository may send in a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Limits:
    """A bucket for each repository that fills by the minute. Threads may share it."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_seconds(self, number: int) -> int:
        """0, and one upload less to go, or how long the repository has to wait."""
        with self._lock:
            now = self._clock()
            left, at = self._left.get(number, (float(self._per_minute), now))
            left = min(float(self._per_minute), left + max(now - at, 0.0) * self._per_minute / 60)
            is_let_in = left >= 1
            self._left[number] = (left - 1 if is_let_in else left, now)
            return 0 if is_let_in else int((1 - left) * 60 / self._per_minute) + 1
