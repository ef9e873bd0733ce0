"""Who looks at pages, what they may see and change: everybody, whom a proxy vouches for, or users of GitHub."""

from __future__ import annotations

import hmac
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request

from ci_itest.service.sessions import COOKIE, Sessions
from ci_itest.service.settings import ServiceSettings

_ASK_SECONDS = 5.0
_MAX_ANSWER_BYTES = 1024 * 1024
_REMEMBERED_SECONDS = 300.0
_MOST_REMEMBERED = 10_000
_OWN_TROUBLE = 500
_TOO_MANY = 429

AskGitHub = Callable[[urllib.request.Request], bytes]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who looks at a page.

    Attributes:
        name: "" for somebody without one.
        may_edit: Whether the quarantine may be changed.
    """

    name: str
    may_edit: bool


class LoginNeeded(Exception):  # noqa: N818 - a state of things: the page sends its visitor to log in
    """Nobody is logged in."""


class Viewers:
    """Says who asks. Threads may share it.

    Args:
        ask: How GitHub is asked; OSError when it does not answer.
        clock: Seconds since 1970.
    """

    def __init__(self, settings: ServiceSettings, *, ask: AskGitHub, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._ask = ask
        self._clock = clock
        self.sessions = Sessions(settings.session_secret, clock=clock)
        self._seen: dict[tuple[str, str], tuple[float, Viewer | None]] = {}
        self._lock = threading.Lock()

    def of(self, request: Request, repository: str) -> Viewer | None:
        """Who asks for a repository's page; None for somebody who may not see it.

        Raises:
            LoginNeeded: Nobody is logged in.
        """
        settings = self._settings
        if settings.viewers == "none":
            return Viewer("", may_edit=settings.anonymous_edits)
        if settings.viewers == "proxy":
            name = self._named_by_proxy(request)
            return Viewer(name, may_edit=not settings.editors or name in settings.editors) if name else None
        session = self.sessions.read(request.cookies.get(COOKIE, ""))
        if session is None:
            raise LoginNeeded
        return self._of_github(session.login, session.token, repository)

    def _named_by_proxy(self, request: Request) -> str:
        """Whom a trusted proxy names; the header of anybody else is not looked at."""
        peer = request.client.host if request.client else ""
        if not any(hmac.compare_digest(peer, proxy) for proxy in self._settings.trusted_proxies):
            return ""
        return request.headers.get(self._settings.proxy_header, "").strip()[:200]

    def _of_github(self, login: str, token: str, repository: str) -> Viewer | None:
        key = (login, repository)
        now = self._clock()
        with self._lock:
            at, viewer = self._seen.get(key, (float("-inf"), None))
            if now - at < _REMEMBERED_SECONDS:
                return viewer
        try:
            viewer = self._ask_for(login, token, repository)
        except OSError:
            return None  # not remembered: the next page may ask again
        with self._lock:
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            self._seen[key] = (now, viewer)
        return viewer

    def _ask_for(self, login: str, token: str, repository: str) -> Viewer | None:
        """GitHub tells of a repository that its user may see, and nothing of another.

        Raises:
            OSError: It does not answer, or has trouble of its own.
        """
        url = f"{self._settings.github_api_url}/repos/{quote(repository, safe='/')}"
        try:
            found = json.loads(self._ask(_request(url, token=token)))
            rights: Any = found.get("permissions") or {}
            is_same = str(found["full_name"]).lower() == repository.lower()
        except urllib.error.HTTPError as error:
            if error.code >= _OWN_TROUBLE or error.code == _TOO_MANY:
                raise
            return None
        except (ValueError, LookupError, AttributeError):
            return None
        if not is_same:
            return None
        may_edit = bool(rights.get("push")) and (not self._settings.editors or login in self._settings.editors)
        return Viewer(login, may_edit=may_edit)

    def login_address(self, state: str) -> str:
        """Where GitHub asks its user whether we may know them."""
        asked = {"client_id": self._settings.github_client_id, "state": state, "scope": "repo"}
        return f"{self._settings.github_url}/login/oauth/authorize?{urlencode(asked)}"

    def logged_in(self, code: str) -> str:
        """The session's cookie for what GitHub sent its user back with; "" when GitHub does not confirm it."""
        form = {
            "client_id": self._settings.github_client_id,
            "client_secret": self._settings.github_client_secret,
            "code": code,
        }
        url = f"{self._settings.github_url}/login/oauth/access_token"
        try:
            given = json.loads(self._ask(_request(url, data=urlencode(form).encode())))
            token = str(given["access_token"])
            user = json.loads(self._ask(_request(f"{self._settings.github_api_url}/user", token=token)))
            return self.sessions.write(str(user["login"]), token)
        except (OSError, ValueError, LookupError, TypeError):
            return ""


def _request(url: str, *, token: str = "", data: bytes | None = None) -> urllib.request.Request:
    headers = {"Accept": "application/json", "User-Agent": "ci-itest"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return urllib.request.Request(url, data=data, headers=headers)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token along."""

    def redirect_request(self, *arguments: object, **more: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def ask_github(request: urllib.request.Request) -> bytes:
    """What GitHub answers; OSError when it does not, or refuses."""
    with _opener.open(request, timeout=_ASK_SECONDS) as answer:
        data: bytes = answer.read(_MAX_ANSWER_BYTES)
    return data
