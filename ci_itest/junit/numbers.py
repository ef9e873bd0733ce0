"""Numbers as the writers of JUnit files write them: with commas, as ISO durations, or not at all."""

from __future__ import annotations

import math
import re

_ISO_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)
_UNIT = re.compile(r"([\d.,]+)\s*(ms|s|sec|seconds)?", re.IGNORECASE)
_FOREVER = 10 * 365 * 86_400.0


def seconds(text: str) -> float:
    """Seconds, 0 for what is no duration; below 0 and beyond ten years count as nothing too.

    `1,234.5` and `1.234,5` have a separator for thousands, `0,5` a decimal comma; `PT1.5S` is ISO 8601.
    """
    try:
        value = float(text)
    except ValueError:
        value = _odd_seconds(text.strip())
    return value if 0 < value < _FOREVER else 0.0


def _odd_seconds(text: str) -> float:
    if match := _ISO_DURATION.fullmatch(text):
        days, hours, minutes, rest = (float(part or 0) for part in match.groups())
        return days * 86_400 + hours * 3_600 + minutes * 60 + rest
    match = _UNIT.fullmatch(text)
    if match is None:
        return 0.0
    try:
        value = float(_plain(match[1]))
    except ValueError:
        return 0.0
    return value / 1_000 if (match[2] or "").lower() == "ms" else value


def _plain(number: str) -> str:
    """The number with a point for decimals and nothing between thousands."""
    comma, point = number.rfind(","), number.rfind(".")
    if comma > point >= 0 or (comma >= 0 > point and (number.count(",") == 1 and len(number) - comma != 4)):
        return number.replace(".", "").replace(",", ".")
    return number.replace(",", "")


def count(text: str | None) -> int:
    """A count, -1 for what is none."""
    if not text:
        return -1
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(_plain(text.strip()))
    except ValueError:
        return -1
    return int(value) if math.isfinite(value) and value >= 0 else -1
