"""The last lines of services' logs, as a shard's document carries them to the report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ci_itest.model.run import ServiceTail

SHOWN_LINES = 20
MAX_CHARACTERS = 4_000
MAX_SERVICES = 16
_READ_BYTES = 64 * 1024


def service_tails(logs: Mapping[str, Path]) -> tuple[ServiceTail, ...]:
    """The last SHOWN_LINES lines of each service's log; a service without a log, or with an empty one, is left out."""
    tails = (ServiceTail(name, _last_lines(path)) for name, path in logs.items())
    return bounded(tail for tail in tails if tail.text)


def bounded(tails: Iterable[ServiceTail]) -> tuple[ServiceTail, ...]:
    """The same within its bounds, whoever wrote them."""
    return tuple(ServiceTail(tail.service[:100], tail.text[-MAX_CHARACTERS:]) for tail in list(tails)[:MAX_SERVICES])


def _last_lines(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _READ_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-SHOWN_LINES:])
