"""Wait for something by asking again and again, with a deadline on the monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class DeadlinePassed(Exception):  # noqa: N818 - a statement, not an error a user meets
    """The condition did not hold in time.

    Attributes:
        last_seen: What the last question answered, in words.
        seconds: How long was waited.
    """

    def __init__(self, last_seen: str, *, seconds: float) -> None:
        super().__init__(f"not after {seconds:.1f} s; last seen: {last_seen}")
        self.last_seen = last_seen
        self.seconds = seconds


def wait_until(
    check: Callable[[], str],
    *,
    within_seconds: float,
    every_seconds: float = 0.03,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> float:
    """Seconds until the check was content.

    Args:
        check: Says "" when the condition holds, else what it saw instead. An exception of its ends the waiting.
        within_seconds: The deadline; the check is made at least once.

    Raises:
        DeadlinePassed: The condition did not hold in time.
    """
    start = clock()
    while last_seen := check():
        waited = clock() - start
        if waited >= within_seconds:
            raise DeadlinePassed(last_seen, seconds=waited)
        pause(min(every_seconds, within_seconds - waited))
    return clock() - start
