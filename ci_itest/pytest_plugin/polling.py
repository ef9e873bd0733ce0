"""`eventually`: look again and again until it is so, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from ci_itest.model.settings import Seconds

Seen = TypeVar("Seen")

DEFAULT_SECONDS = 5.0
_EVERY_SECONDS = 0.02


def eventually(
    check: Callable[[], Seen],
    *,
    within: float | str = DEFAULT_SECONDS,
    until: Callable[[Seen], Any] | None = None,
    every: float | str = _EVERY_SECONDS,
) -> Seen:
    """What `check` returned once it was fine.

    Args:
        check: Fine when it returns something true. It may fail by `assert`, which is looked at again; any other
            exception ends the waiting, for a broken check never gets better.
        within: The deadline, in seconds or as "2s"; the check is made at least once.
        until: What counts as fine instead: `until=lambda count: count == 3`, and then None and 0 may be fine, too.

    Raises:
        pytest.fail.Exception: It was not fine in time; says what was last seen.
    """
    seconds, pause = float(Seconds.parse(within)), float(Seconds.parse(every))
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = check()
            if until(seen) if until else seen:
                return seen
            words = f"last seen: {seen!r}"
        except AssertionError as error:
            words = f"last seen: {str(error) or 'an assertion that failed without words'}"
        left = deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(pause, left))
    raise pytest.fail.Exception(f"Not so within {seconds:g} s; {words}", pytrace=True)
