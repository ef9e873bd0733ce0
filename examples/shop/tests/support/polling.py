"""Waiting for what comes by itself."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen], *, is_fine: Callable[[Seen], bool], within_seconds: float) -> Seen:
    """What `look` returned once it was fine; fails with what was last seen when it never is."""
    deadline = time.monotonic() + within_seconds
    while not is_fine(seen := look()):
        assert time.monotonic() < deadline, f"Not so within {within_seconds} s; last seen: {seen!r}"
        time.sleep(0.02)
    return seen
