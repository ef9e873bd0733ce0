"""How often a process of ours looks for circles of values, which reference counts alone do not free."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_seldom() -> None:
    """Every 50,000 new values instead of 700.

    What modules make while they load stays, and looking through it again and again takes a fifth of the time that
    loading needs (60 of 330 ms of CPU for `ci-itest merge`).
    """
    gc.set_threshold(50_000)


@contextmanager
def uncollected() -> Iterator[None]:
    """No search inside the block: for work that makes a great many values and no circles of them.

    The collector would walk what grows again and again: 0.3 of the 2 s that merging 100,000 cases takes, a third of the
    time of a million timings out of a database.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
