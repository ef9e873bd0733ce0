"""Values out of GitHub's JSON: a value that is missing or of another type than documented reads as none."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime


def object_at(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    """The object there, {} for none."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def objects_at(values: Mapping[str, object], key: str) -> tuple[Mapping[str, object], ...]:
    """The objects of the list there, () for none."""
    value = values.get(key)
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def text_at(values: Mapping[str, object], key: str) -> str:
    """The text there, "" for none."""
    value = values.get(key)
    return value if isinstance(value, str) else ""


def number_at(values: Mapping[str, object], key: str) -> int:
    """The whole number above 0 there, 0 for none."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def time_at(values: Mapping[str, object], key: str) -> datetime | None:
    """The time there, in UTC; None for none."""
    try:
        time = datetime.fromisoformat(text_at(values, key))
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
