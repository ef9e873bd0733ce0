"""Hold back Ctrl-C and SIGTERM while something must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Signals that come inside the block take effect at its end; outside the main thread none ever come.

    A runner that cancels a job sends SIGINT, SIGTERM 7.5 s later and kills after another 2.5 s: a clean-up of 2 s must
    survive the first two.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)

    previous = {number: signal.signal(number, note) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for held in dict.fromkeys(came):
            signal.raise_signal(held)
