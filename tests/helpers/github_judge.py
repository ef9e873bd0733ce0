"""GitHub's own OpenAPI description as the judge of the double: of all requests and answers."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from tests.helpers.github_openapi.cut import DESCRIPTION

if TYPE_CHECKING:
    from openapi_core import OpenAPI
    from openapi_core.testing import MockRequest

_SERVER = "https://api.github.com"
_LOCK = threading.Lock()
_AGREED: set[bytes] = set()
"""Digests of what was found to agree: many tests send the same requests, and judging one takes 12 ms."""


@functools.cache
def _description() -> OpenAPI:
    from openapi_core import OpenAPI

    return OpenAPI.from_dict(json.loads(DESCRIPTION.read_text()))


@functools.cache
def _statuses() -> Mapping[tuple[str, str], frozenset[str]]:
    """Which statuses the description knows of an operation."""
    paths: dict[str, dict[str, Any]] = json.loads(DESCRIPTION.read_text())["paths"]
    return {
        (method.upper(), path): frozenset(operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    }


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        headers: Of the answer, beside the standard ones.
    """

    method: str
    path: str
    query: str
    sent: bytes
    status: int
    answered: bytes
    headers: Mapping[str, str]


@dataclass
class Judge:
    """What was judged, and what was found wrong.

    Exchanges are collected while the double serves and judged at the end, so that no answer comes late for it.

    Attributes:
        requests: How many requests agree with the description.
        answers: How many answers do.
        undescribed: Answers whose status the description does not know for their operation (429, 502 …).
        violations: What does not agree, in words.
    """

    repository: str
    requests: int = 0
    answers: int = 0
    undescribed: int = 0
    violations: list[str] = field(default_factory=list)
    waiting: list[Exchange] = field(default_factory=list)

    def finish(self) -> None:
        """Judge what is waiting."""
        with _LOCK:
            while self.waiting:
                self._see(self.waiting.pop(0))

    def _see(self, seen: Exchange) -> None:
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.testing import MockResponse

        request = self._request(seen)
        operation = self._operation(seen.method, request.path)
        if operation is None:
            self.violations.append(f"{seen.method} {seen.path}: GitHub has no such operation")
            return
        try:
            # What GitHub refuses as invalid may be so.
            if seen.status not in (400, 422):
                sent = (seen.method, request.path, seen.query, seen.sent)
                _once(lambda: _description().validate_request(request), about=sent)
            self.requests += 1
            if str(seen.status) not in _statuses()[operation]:
                self.undescribed += 1
                return
            kind = seen.headers.get("Content-Type", "application/json").partition(";")[0]
            if seen.answered or seen.status == 200:
                headers = dict(seen.headers)
                answer = MockResponse(seen.answered, status_code=seen.status, headers=headers, content_type=kind)
                answered = (operation, seen.status, sorted(headers.items()), seen.answered)
                _once(lambda: _description().validate_response(request, answer), about=answered)
            self.answers += 1
        except OpenAPIError as error:
            self.violations.append(f"{seen.method} {seen.path} {seen.status}: {_words(error)}")

    def _request(self, seen: Exchange) -> MockRequest:
        from openapi_core.testing import MockRequest

        named = re.sub(r"^/repositories/\d+", f"/repos/{self.repository}", seen.path)
        # A file's path is one parameter, slashes and all.
        named = re.sub(r"(?<=/contents/)(.+)", lambda found: quote(found[1], safe="%"), named)
        return MockRequest(
            _SERVER,
            seen.method.lower(),
            named,
            args=dict(parse_qsl(seen.query)),
            data=seen.sent,
            content_type="application/json",
        )

    def _operation(self, method: str, path: str) -> tuple[str, str] | None:
        for known_method, known_path in _statuses():
            if method == known_method and re.fullmatch(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(known_path)), path):
                return known_method, known_path
        return None


def _once(judge: Callable[[], object], *, about: tuple[object, ...]) -> None:
    """Judge, unless the same was found to agree before; what does not agree raises every time."""
    digest = hashlib.sha256(repr(about).encode()).digest()
    if digest not in _AGREED:
        judge()
        _AGREED.add(digest)


def _words(error: Exception) -> str:
    """The error and what lies beneath it."""
    reasons = [str(error)]
    cause = error.__cause__ or error.__context__
    while cause is not None:
        reasons.append(str(cause).splitlines()[0] if str(cause) else type(cause).__name__)
        reasons += [f"{list(one.absolute_path)}: {one.message[:200]}" for one in getattr(cause, "schema_errors", [])]
        cause = cause.__cause__ or cause.__context__
    return " <- ".join(reasons)
