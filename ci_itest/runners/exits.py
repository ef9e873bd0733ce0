"""Exit codes that mean the same of every runner."""

from __future__ import annotations

import signal

_OF_SHELLS = 128
_NOT_FOUND = 127
_NOT_RUNNABLE = 126


def killed_words(runner: str, code: int) -> str:
    """What to say of a runner that a signal ended, itself or inside a shell; "" where none did."""
    number = -code if code < 0 else code - _OF_SHELLS
    if number <= 0:
        return ""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"{runner} was ended by signal {number}." if code < 0 else ""
    hint = " The machine may have run out of memory." if name == "SIGKILL" else ""
    return f"{runner} was ended by signal {number} ({name}).{hint}"


def unexplained(runner: str, code: int, *, has_failures: bool) -> str:
    """What to say of a runner that knows 0 (all passed) and other codes; "" where its cases say it all."""
    if code == 0 or (has_failures and code > 0 and code < _NOT_RUNNABLE):
        return ""
    if words := killed_words(runner, code):
        return words
    if code in (_NOT_RUNNABLE, _NOT_FOUND):
        return f"{runner} could not be started (code {code})."
    return f"{runner} ended with code {code}, and no case that failed explains it."
