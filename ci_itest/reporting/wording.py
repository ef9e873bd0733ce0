"""Numbers, durations, times and lists in words: how every page, comment and summary writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

_MINUTE = 60
_HOUR = 3600


def number(count: int) -> str:
    """`4,812`."""
    return f"{count:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 test`, `4,812 tests`; `many` where an s is not enough."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds at the precision a reader uses: `84 ms`, `0.84 s`, `42.1 s`, `6m 12s`, `1h 05m`; below 0 counts as 0."""
    seconds = max(seconds, 0.0)
    if seconds == 0:
        return "0 s"
    if seconds < 0.0995:
        return f"{max(round(seconds * 1000), 1)} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    minutes = round(seconds / _MINUTE)
    return f"{minutes // 60}h {minutes % 60:02}m"


def difference(real: float, planned: float) -> str:
    """How far a figure is from its plan: `+7 %`, `−12 %`, `as planned` below half a percent, "" without a plan."""
    if planned <= 0:
        return ""
    percent = round((real / planned - 1) * 100)
    if percent == 0:
        return "as planned"
    return f"{'+' if percent > 0 else '−'}{abs(percent):,}\u00a0%"


def certainty(probability: float) -> str:
    """In per cent and never 100: no evidence makes a cause certain."""
    return f"{min(probability, 0.99):.0%}"


def times(ratio: float) -> str:
    """`1.09×`."""
    return f"{ratio:.2f}×"


def joined(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def and_more(count: int, one: str = "", many: str = "") -> str:
    """`…and 12 more`, `…and 12 more tests`; "" for none."""
    if count <= 0:
        return ""
    noun = f" {one if count == 1 else many or one + 's'}" if one else ""
    return f"…and {number(count)} more{noun}"


def moment(iso: str) -> str:
    """A UTC time as people read it, `21 Nov 2026, 12:41 UTC`; what is no time comes back as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    when = when.astimezone(UTC) if when.tzinfo else when
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when.hour:02}:{when.minute:02} UTC"


# Not strftime("%b"): that speaks the language of whoever's machine it runs on.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
