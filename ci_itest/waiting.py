"""Wait with a deadline: for a condition, by asking again and again, or for an action that may not come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

_GROWTH = 0.02  # of what was waited so far: who comes after a second is noticed 20 ms late at most


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
    slowest_seconds: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> float:
    """Seconds until the check was content.

    Args:
        check: Says "" when the condition holds, else what it saw instead. An exception of its ends the waiting.
        within_seconds: The deadline; the check is made at least once.
        every_seconds: The pause between two checks.
        slowest_seconds: What the pause may grow to: with what was waited so far, which it stays a small part of, and to
            what the last check took, so that asking never takes more than half of a processor. 0: it stays as it is.

    Raises:
        DeadlinePassed: The condition did not hold in time.
    """
    start = asked_at = clock()
    while last_seen := check():
        now = clock()
        waited = now - start
        if waited >= within_seconds:
            raise DeadlinePassed(last_seen, seconds=waited)
        wanted = max(every_seconds, min(slowest_seconds, max(waited * _GROWTH, now - asked_at)))
        pause(min(wanted, within_seconds - waited))
        asked_at = clock()
    return clock() - start


def within(seconds: float, action: Callable[[], Value]) -> Value:
    """What the action gives.

    In a thread, since no timeout of a socket bounds a name that does not resolve or a server that sends a byte a
    second. A thread that is given up ends with the process.

    Raises:
        TimeoutError: It had not ended by then. What the action itself raises is raised as it is.
    """
    ended: list[Value] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            ended.append(action())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if ended:
        return ended[0]
    raise TimeoutError(f"no end after {seconds:.0f} s")
