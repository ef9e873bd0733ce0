"""A gate for creations: once it is closed none is under way, so that a clean-up sees all there is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cancelled(Exception):  # noqa: N818 - tells a thread to stop; caught where the thread's outcome is judged
    """The gate is closed: what was being started is not wanted any more."""


class Gate:
    """Open until `close`; used by many threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def check(self) -> None:
        """Raise Cancelled when the gate is closed."""
        if self._is_closed:
            raise Cancelled

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The place to create something; raises Cancelled when the gate is closed."""
        with self._condition:
            self.check()
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    def close(self) -> None:
        """Let nobody in any more, and wait until nobody is inside."""
        with self._condition:
            self._is_closed = True
            self._condition.wait_for(lambda: self._inside == 0)
