"""Requests and their answers as tests, reports and messages show them: short, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN_BYTES = 2000
_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "x-api-key", "proxy-authorization"})


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        url: Path and query for the app; with the host for what lies outside.
        status: 0 where no answer came.
        seconds: Until the answer was there.
        request_id: As sent to the app in X-Request-Id; "" where none was.
    """

    method: str
    url: str
    status: int = 0
    request_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    request_body: bytes = b""
    response_body: bytes = b""
    seconds: float = 0.0
    request_id: str = ""

    @property
    def path(self) -> str:
        """Without query and host."""
        return (
            "/" + self.url.partition("://")[2].partition("/")[2].partition("?")[0]
            if "://" in self.url
            else (self.url.partition("?")[0])
        )

    def json(self) -> Any:
        """The request's body as JSON."""
        return json.loads(self.request_body)

    def words(self) -> str:
        """A few lines: what was asked, and what was answered."""
        head = f"{self.method} {self.url} -> {self.status or 'no answer'} in {self.seconds * 1000:.0f} ms"
        if self.request_id:
            head += f" (request id {self.request_id})"
        lines = [head]
        headers = {name: value for name, value in self.request_headers.items() if name.lower() in _HIDDEN_HEADERS}
        lines += [f"  > {name}: (hidden)" for name in headers]
        lines += [f"  > {line}" for line in _shown(self.request_body)]
        lines += [f"  < {line}" for line in _shown(self.response_body)]
        return "\n".join(lines)


def _shown(body: bytes) -> list[str]:
    if not body:
        return []
    text = body[:_SHOWN_BYTES].decode("utf-8", "replace")
    more = f" … {len(body) - _SHOWN_BYTES} bytes more" if len(body) > _SHOWN_BYTES else ""
    if any(ord(letter) < 32 and letter not in "\r\n\t" for letter in text):
        return [f"({len(body)} bytes that are no text)"]
    return (text + more).splitlines()
