"""Requests to a reporting service: one deadline for all that a process asks, and where credentials go.

What the service costs a build is bounded as a whole: when the time is spent, nothing is asked any more.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci_itest import __version__
from ci_itest.errors import HistoryError, SettingsError
from ci_itest.hosts import is_loopback
from ci_itest.waiting import within

if TYPE_CHECKING:
    import requests

DEADLINE_SECONDS = 10.0
"""All that a process waits for a service, tries and pauses included."""

_CONNECT_SECONDS = 3.0
_PAUSES_SECONDS = (0.2, 0.8)
_PASSING = frozenset({429, 500, 502, 503, 504})
_FINAL = frozenset({400, 409, 413, 415, 422})
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_BLOCK_BYTES = 256 * 1024
_TOKEN_SECONDS = 180.0
_WORTH_PACKING = 2_000


class UnreachableError(HistoryError):
    """The service does not answer in time, or cannot do it now: worth another try later."""


class RefusedError(HistoryError):
    """The service understood, and will not.

    Attributes:
        is_final: Whether the same will be refused for ever, and not only until the set-up is put right.
    """

    def __init__(self, message: str, *, hint: str = "", is_final: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves whose runs these are.

    Attributes:
        key: An upload key; "" for none.
        request_url: Where a GitHub job asks for a token of its own, "" outside one or without `id-token: write`.
        request_token: What it asks with.
    """

    key: str = field(default="", repr=False)
    request_url: str = ""
    request_token: str = field(default="", repr=False)


@dataclass(slots=True)
class Deadline:
    """How much of the time is left, over all stores of a process."""

    seconds: float = DEADLINE_SECONDS
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.seconds - self.spent


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole.

    Attributes:
        tag: Its ETag, "" for none.
    """

    status: int
    body: bytes
    tag: str = ""


def service_address(url: str) -> str:
    """The address as both sides name it: no slash at the end.

    Raises:
        SettingsError: It is http:// to another machine, or holds a password.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError("`store` of [history] is no address of a service.", hint="Write https://ci.example.com")
    if parts.scheme != "https" and not is_loopback(host):
        raise SettingsError(
            f"`store` of [history] is http:// to {host}: keys and tokens would travel in the open.",
            hint="Put the service behind a proxy that speaks https.",
        )
    return url.rstrip("/")


class ServiceClient:
    """Asks one service.

    Args:
        url: From `service_address`.
        deadline: Shared by all clients of the process.
        pause: How to wait that many seconds.
        clock: Seconds from any start.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        deadline: Deadline,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._credentials = credentials
        self._deadline = deadline
        self._pause = pause
        self._clock = clock
        self._session: requests.Session | None = None
        self._token = ""
        self._token_at = float("-inf")

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        tag: str = "",
        expected: tuple[int, ...] = (200,),
    ) -> Answer:
        """The answer, tried again while the service fails and time is left; every request may be made twice.

        Raises:
            UnreachableError: No answer in time, or the service failed each time.
            RefusedError: It refused.
        """
        packed = body is not None and len(body) > _WORTH_PACKING
        sent = _gzip(body) if body is not None and packed else body
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if packed:
            headers["Content-Encoding"] = "gzip"
        if tag:
            headers["If-None-Match"] = tag
        for pause in (*_PAUSES_SECONDS, None):
            try:
                answer = self._once(method, path, query=query, body=sent, headers=headers)
                if answer.status not in _PASSING:
                    break
                raise UnreachableError(f"{self._name} answered {answer.status}.")
            except UnreachableError:
                if pause is None or self._deadline.left <= pause:
                    raise
            self._pause(pause)
            self._deadline.spent += pause
        if answer.status not in expected:
            is_final = answer.status in _FINAL
            raise RefusedError(f"{self._name} refused: {_words(answer)}.", hint=_hint(answer.status), is_final=is_final)
        return answer

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    @property
    def _name(self) -> str:
        return f"The reporting service {urlsplit(self.url).netloc}"

    def _once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        if self._deadline.left <= 0:
            raise UnreachableError(f"{self._name} is not asked any more after {self._deadline.seconds:.0f} s.")

        def work() -> Answer:
            # A token changes one thing only, and every change is allowed to come twice: each wants its own.
            token = self._authorisation(is_new=method != "GET")
            return self._request(
                method, f"{self.url}{path}", query=query, body=body, headers={**headers, **_bearer(token)}
            )

        return self._timed(work)

    def _authorisation(self, *, is_new: bool) -> str:
        """The key, or a token for this service alone; "" for neither."""
        given = self._credentials
        if given.key or not given.request_url:
            return given.key
        now = self._clock()
        if is_new or now - self._token_at > _TOKEN_SECONDS:
            answer = self._request(
                "GET",
                given.request_url,
                query={"audience": self.url},
                body=None,
                headers=_bearer(given.request_token),
            )
            token = _token(answer)
            if is_new:
                return token
            self._token, self._token_at = token, now
        return self._token

    def _timed(self, work: Callable[[], Answer]) -> Answer:
        import requests

        started = self._clock()
        try:
            return within(self._deadline.left, work)
        except (requests.RequestException, TimeoutError) as error:
            self._session = None  # a request that was given up may still hold its connection
            raise UnreachableError(f"{self._name} does not answer ({type(error).__name__}).") from error
        finally:
            self._deadline.spent += self._clock() - started

    def _request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, Any] | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        import requests

        if self._session is None:
            self._session = requests.Session()
            self._session.headers["User-Agent"] = f"ci-itest/{__version__}"
        with self._session.request(
            method,
            url,
            params={name: value for name, value in (query or {}).items() if value not in ("", None)},
            data=body,
            headers=dict(headers),
            timeout=(_CONNECT_SECONDS, self._deadline.seconds),
            allow_redirects=False,
            auth=_as_it_is,
            stream=True,
        ) as response:
            return Answer(response.status_code, _body(response), response.headers.get("etag", ""))


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials but ours: requests would put a `.netrc` in their place."""
    return request


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _token(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["value"])
    except (ValueError, LookupError, TypeError) as error:
        raise UnreachableError(
            f"GitHub gave no token for the reporting service ({answer.status}).",
            hint="The job needs `permissions: id-token: write`.",
        ) from error


def _body(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_BLOCK_BYTES):
        size += len(part)
        if size > _MAX_ANSWER_BYTES:
            raise HistoryError("The reporting service's answer is too large.")
        parts.append(part)
    return b"".join(parts)


def _gzip(body: bytes) -> bytes:
    packing = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packing.compress(body) + packing.flush()


def _words(answer: Answer) -> str:
    try:
        said = json.loads(answer.body)["error"]
    except (ValueError, LookupError, TypeError):
        said = ""
    return " ".join(f"{answer.status} {said}".split())[:300]


def _hint(status: int) -> str:
    if status == 401:
        return "Give the job `permissions: id-token: write`, or set CI_ITEST_SERVICE_KEY."
    return "Let the repository's owner in with `ci-itest serve --github-owner`." if status == 403 else ""
