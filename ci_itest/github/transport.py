"""Requests to GitHub and their answers: deadlines, tries, rate limits, redirects, and where the token goes.

The token goes to the API's own host only: neither a redirect nor a `Link` leads it elsewhere. What trouble may cost
is bounded over all calls of a client, not call by call: a report job must end though GitHub is away.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

from ci_itest import __version__
from ci_itest.errors import GitHubError
from ci_itest.github.payload import objects_at, text_at
from ci_itest.waiting import within

if TYPE_CHECKING:
    import requests

MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024

_CONNECT_SECONDS = 3.0
_RETRY_PAUSES_SECONDS = (0.5, 2.0)
_PASSING_STATUSES = frozenset({500, 502, 503, 504})
_REPEATABLE = frozenset({"GET", "PATCH", "DELETE"})
_MAX_REDIRECTS = 3
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
_BLOCK_BYTES = 64 * 1024
# GitHub asks for at least a minute where a secondary limit names no time:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
_UNNAMED_WAIT_SECONDS = 60.0

_HINTS = {
    401: "Check the token: it was not accepted.",
    403: "The token lacks a permission, the conversation is locked, or a rate limit is reached.",
    404: "It does not exist, or the token may not see it.",
    410: "It is gone: an artifact has expired, or issues are switched off.",
    422: "GitHub found the request invalid.",
    429: "A rate limit is reached.",
}

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Patience:
    """What a client puts up with in all its life.

    Attributes:
        attempt_seconds: One try, from its start to the last byte of its answer.
        trouble_seconds: Tries that failed and the pauses after them, together; when they are spent nothing is asked
            any more.
        limit_seconds: Waits for rate limits, together.
        download_seconds: One try of a download.
        calls: How many requests at most, tries again not counted.
    """

    attempt_seconds: float = 5.0
    trouble_seconds: float = 7.0
    limit_seconds: float = 120.0
    download_seconds: float = 120.0
    calls: int = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer below 400: its JSON (None for an empty body) and the address of the next page ("" for none)."""

    content: object
    next_url: str


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer as it came, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    next_url: str

    @property
    def is_redirect(self) -> bool:
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers


class Transport:
    """Requests with a token to one API.

    Reads, and writes that may be done twice, are tried three times when GitHub fails (5xx) or does not answer; what a
    rate limit refused was not done and is asked again when the limit ends. Every method raises GitHubError, with the
    HTTP status or 0 when no answer came.

    Args:
        api_url: "https://api.github.com", or that of a server of one's own.
        token: Sent to `api_url`'s host only; "" asks as nobody.
        pause: How to wait that many seconds.
        clock: Seconds from any start.
    """

    def __init__(
        self,
        api_url: str,
        token: str,
        *,
        patience: Patience,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api_url = api_url
        self._token = token
        self._patience = patience
        self._pause = pause
        self._clock = clock
        self._session: requests.Session | None = None
        self._trouble_seconds = 0.0
        self._waited_seconds = 0.0
        self._calls = 0
        self._kept: dict[str, tuple[str, Answer]] = {}

    def send(
        self,
        method: str,
        url: str,
        *,
        doing: str,
        payload: Mapping[str, object] | None = None,
        is_repeatable: bool | None = None,
    ) -> Answer:
        """The answer to a request; a read that was answered before is only asked for what is new (ETag).

        Args:
            is_repeatable: Whether doing it twice is as good as once; None: by the method.
        """
        repeats = method in _REPEATABLE if is_repeatable is None else is_repeatable
        pauses = _RETRY_PAUSES_SECONDS if repeats else ()
        self._count_call(doing)
        return self._patiently(lambda: self._send_once(method, url, doing=doing, payload=payload), pauses=pauses)

    def download(self, url: str, target: Path, *, doing: str, max_bytes: int = MAX_DOWNLOAD_BYTES) -> None:
        """Write what GitHub keeps at a storage server, which is asked without the token, into a file.

        Raises:
            GitHubError: It is gone, too large, or cannot be fetched.
            OSError: The file cannot be written.
        """
        self._count_call(doing)
        # The whole of it is tried again: an address at the storage server is good for a minute only.
        self._patiently(
            lambda: self._download_once(url, target, doing=doing, max_bytes=max_bytes), pauses=_RETRY_PAUSES_SECONDS
        )

    def on_the_same_host(self, url: str, *, doing: str, status: int = 200) -> str:
        """The address, when the token may go there."""
        if _origin(url) != _origin(self._api_url):
            host = urlsplit(url).netloc[:100]
            raise GitHubError(f"Cannot {doing}: GitHub pointed to another host, {host!r}.", status=status)
        return url

    def _count_call(self, doing: str) -> None:
        self._calls += 1
        if self._calls > self._patience.calls:
            raise GitHubError(f"Cannot {doing}: it would take more than {self._patience.calls} calls.")

    def _patiently(self, ask: Callable[[], Value], *, pauses: Sequence[float]) -> Value:
        """What the call answers, tried again after each pause while GitHub fails or is silent."""
        for seconds in pauses:
            try:
                return ask()
            except GitHubError as error:
                if error.status != 0 and error.status not in _PASSING_STATUSES:
                    raise
                if self._trouble_seconds + seconds >= self._patience.trouble_seconds:
                    raise
            self._trouble_seconds += seconds
            self._pause(seconds)
        return ask()

    def _send_once(self, method: str, url: str, *, doing: str, payload: Mapping[str, object] | None) -> Answer:
        first_url = url
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._exchange(method, url, doing=doing, payload=payload)
            if not response.is_redirect:
                return self._answer(method, first_url, response, doing=doing)
            # A client that follows by itself would turn a POST into a GET; GitHub answers writes with 307.
            if method != "GET" and response.status not in (307, 308):
                refuse(doing, response.status, "redirected a write")
            location = urljoin(url, response.headers["location"])
            url = self.on_the_same_host(location, doing=doing, status=response.status)
        raise GitHubError(f"Cannot {doing}: more than {_MAX_REDIRECTS} redirects.", status=response.status)

    def _answer(self, method: str, url: str, response: _Response, *, doing: str) -> Answer:
        if response.status == 304 and url in self._kept:
            return self._kept[url][1]
        if response.status >= 300:
            refuse(doing, response.status, _message(response.body))
        try:
            content = json.loads(response.body) if response.body.strip() else None
        except (ValueError, RecursionError) as error:
            # Cut off, or of a proxy in between: what was asked may have been done.
            raise GitHubError(f"Cannot {doing}: GitHub's answer is not JSON.") from error
        answer = Answer(content=content, next_url=response.next_url)
        if method == "GET" and (tag := response.headers.get("etag")):
            self._kept[url] = (tag, answer)
        return answer

    def _exchange(self, method: str, url: str, *, doing: str, payload: Mapping[str, object] | None) -> _Response:
        """One request and its answer, whatever its status; asked again when a rate limit that refused it ends."""
        unnamed_waits = 0
        while True:
            response = self._timed(
                lambda: self._request(method, url, payload=payload),
                seconds=self._patience.attempt_seconds,
                doing=doing,
                host=urlsplit(url).netloc,
            )
            wait = _limit_seconds(response, unnamed_waits=unnamed_waits)
            if wait is None:
                return response
            unnamed_waits += 1
            self._wait_for_limit(wait, doing=doing, status=response.status)

    def _wait_for_limit(self, seconds: float, *, doing: str, status: int) -> None:
        if self._waited_seconds + seconds > self._patience.limit_seconds:
            raise GitHubError(
                f"Cannot {doing}: {status} a rate limit is reached for another {seconds:.0f} s.",
                hint=f"At most {self._patience.limit_seconds:.0f} s are waited for limits in one job.",
                status=status,
            )
        self._waited_seconds += seconds
        self._pause(seconds)

    def _timed(self, ask: Callable[[], _Response], *, seconds: float, doing: str, host: str) -> _Response:
        """The answer within its time; what a failure takes counts as trouble."""
        import requests

        left = self._patience.trouble_seconds - self._trouble_seconds
        if left <= 0:
            raise GitHubError(
                f"Cannot {doing}: {host} is not asked any more after {self._patience.trouble_seconds:.0f} s of trouble."
            )
        started = self._clock()
        try:
            response = within(min(seconds, left), ask)
        except (requests.RequestException, TimeoutError) as error:
            self._trouble_seconds += self._clock() - started
            self._session = None  # a request that was given up may still hold its connection
            raise GitHubError(
                f"Cannot {doing}: no answer from {host} ({type(error).__name__}).",
                hint="Check the network and GITHUB_API_URL.",
            ) from error
        if response.status in _PASSING_STATUSES:
            self._trouble_seconds += self._clock() - started
        return response

    def _request(self, method: str, url: str, *, payload: Mapping[str, object] | None) -> _Response:
        if self._session is None:
            self._session = self._new_session()
        tag = self._kept[url][0] if method == "GET" and url in self._kept else ""
        with self._session.request(
            method,
            url,
            json=payload,
            headers={"If-None-Match": tag} if tag else None,
            timeout=(_CONNECT_SECONDS, self._patience.attempt_seconds),
            allow_redirects=False,
            auth=self._authorise,
            stream=True,
        ) as response:
            return _Response(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=_body(response),
                next_url=response.links.get("next", {}).get("url", ""),
            )

    def _new_session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": f"ci-itest/{__version__}",
            }
        )
        return session

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the token here: with an `auth` of our own, requests does not put a `.netrc` in its place."""
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _download_once(self, url: str, target: Path, *, doing: str, max_bytes: int) -> None:
        import requests

        location = self._storage_address(url, doing=doing)
        started = self._clock()
        is_given_up = threading.Event()
        try:
            within(
                self._patience.download_seconds,
                lambda: _fetch(location, target, doing=doing, max_bytes=max_bytes, is_given_up=is_given_up),
            )
        except (requests.RequestException, TimeoutError) as error:
            is_given_up.set()
            self._trouble_seconds += self._clock() - started
            target.unlink(missing_ok=True)
            raise GitHubError(f"Cannot {doing}: the storage server broke off ({type(error).__name__}).") from error

    def _storage_address(self, url: str, *, doing: str) -> str:
        """Where GitHub sends whoever asks for an archive; 302 is that, 301 a repository that has another name now."""
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._exchange("GET", url, doing=doing, payload=None)
            if not response.is_redirect:
                refuse(doing, response.status, _message(response.body))
            location = urljoin(url, response.headers["location"])
            if response.status == 302:
                return location
            url = self.on_the_same_host(location, doing=doing, status=response.status)
        raise GitHubError(f"Cannot {doing}: more than {_MAX_REDIRECTS} redirects.", status=response.status)


def refuse(doing: str, status: int, message: str) -> NoReturn:
    """Raise what an answer of 400 and above says."""
    words = f"{status} {message}".strip().rstrip(".")
    raise GitHubError(f"Cannot {doing}: {words}.", hint=_HINTS.get(status, ""), status=status)


def _body(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_BLOCK_BYTES):
        parts.append(part)
        size += len(part)
        if size > _MAX_ANSWER_BYTES:
            return b"too large"
    return b"".join(parts)


def _fetch(location: str, target: Path, *, doing: str, max_bytes: int, is_given_up: threading.Event) -> None:
    import requests

    size = 0
    with requests.get(location, timeout=(_CONNECT_SECONDS, 20.0), stream=True, auth=_nobody) as stored:
        if not stored.ok:
            refuse(doing, stored.status_code, "the storage server refused it")
        with target.open("wb") as file:
            for block in stored.iter_content(_BLOCK_BYTES):
                size += len(block)
                if size > max_bytes:
                    raise GitHubError(f"Cannot {doing}: it has more than {max_bytes} bytes.", status=200)
                if is_given_up.is_set():
                    return
                file.write(block)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, and none that requests would find in `.netrc`."""
    return request


def _limit_seconds(response: _Response, *, unnamed_waits: int) -> float | None:
    """How long a rate limit that refused the request still lasts; None when none did.

    Times are counted by the server's clock: this machine's may be wrong.
    """
    if response.status not in (403, 429):
        return None
    now = _moment(response.headers.get("date", "")) or datetime.now(UTC)
    after = response.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    if (until := _moment(after)) is not None:
        return max((until - now).total_seconds(), 0.0)
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(int(reset) - now.timestamp(), 0.0) + 1.0
    if response.status == 429 or "rate limit" in _message(response.body).lower():
        return float(_UNNAMED_WAIT_SECONDS * 2**unnamed_waits)
    return None


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _message(body: bytes) -> str:
    """GitHub's own words in an error's body, on one line."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    details = (text_at(error, "message") for error in objects_at(content, "errors"))
    words = " ".join(" ".join([text_at(content, "message"), *details]).split())
    return words[:300]
