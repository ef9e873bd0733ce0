"""How often a process of ours looks for circles of values."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Every 50,000 new values instead of 700.

    What modules make while they load stays, and looking through it again and again takes a fifth of the time that
    loading needs (60 of 330 ms of CPU for `ci-itest merge`).
    """
    gc.set_threshold(50_000)
