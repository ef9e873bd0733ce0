"""What repeating a case came to that a commit says it fixes: `FixAttempt`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FixAttempt:
    """A case that was run again and again because its commit says that it fixes it.

    Attributes:
        name: As the commit writes it ("tests/test_cart.py::test_adds").
        runs: How often it ran to an end.
        failed: How often it failed.
        message: Of its first failure; foreign text.
    """

    name: str
    runs: int
    failed: int
    message: str = ""
