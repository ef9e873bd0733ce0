"""What an engine tells while it pulls an image: how far it is, and what to do when it could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ci_itest.errors import EngineError

_TELL_SECONDS = 0.5

_PULL_HINTS = (
    (("toomanyrequests", "rate limit"), "The registry limits pulls; `docker login`, or set `[images] mirror`."),
    (("no matching manifest",), "The image is not made for this machine's platform; choose another image or tag."),
    (
        ("manifest unknown", "not found", "does not exist", "access denied", "unauthorized", "invalid reference"),
        "Check the image's name and tag; a private image needs `docker login` first.",
    ),
    (
        ("no such host", "connection refused", "timeout", "network is unreachable", "lookup ", "i/o"),
        "The registry is not reached; check the network, or set `[images] mirror` to one that is.",
    ),
)


def pull_hint(message: str) -> str:
    """What to do about a pull that the engine refused with these words; "" where that is not known."""
    lower = message.lower()
    return next((hint for words, hint in _PULL_HINTS if any(word in lower for word in words)), "")


def follow_pull(name: str, stream: Iterator[dict[str, Any]], progress: Callable[[str], None]) -> None:
    """Read the engine's account of a pull to its end.

    Args:
        stream: The events of the engine, an object each.
        progress: Told in words how far it is, about twice a second.

    Raises:
        EngineError: The account ends with an error.
    """
    layers: dict[str, tuple[int, int]] = {}
    told_at = 0.0
    for event in stream:
        if error := event.get("error"):
            raise EngineError(f"Cannot pull {name}: {error}.")
        _note_layer(layers, event)
        if time.monotonic() - told_at >= _TELL_SECONDS:
            told_at = time.monotonic()
            progress(_pulled(layers))


def _note_layer(layers: dict[str, tuple[int, int]], event: Mapping[str, Any]) -> None:
    layer, status, detail = event.get("id", ""), event.get("status"), event.get("progressDetail") or {}
    if status == "Downloading" and detail.get("total"):
        layers[layer] = (int(detail.get("current", 0)), int(detail["total"]))
    elif status == "Download complete" and layer in layers:
        layers[layer] = (layers[layer][1], layers[layer][1])


def _pulled(layers: Mapping[str, tuple[int, int]]) -> str:
    current, total = (sum(pair[side] for pair in layers.values()) / 1e6 for side in (0, 1))
    if not total:
        return ""
    return f"{current:.0f} of {total:.0f} MB" if current < total else f"unpacking {total:.0f} MB"
