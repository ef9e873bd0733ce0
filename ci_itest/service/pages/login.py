"""Logging in by GitHub: sent there, come back, and gone again."""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse

from ci_itest.service.sessions import COOKIE, SESSION_SECONDS, STATE_COOKIE
from ci_itest.service.state import Running, Service

router = APIRouter()

_LOGIN_SECONDS = 600
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/login")
def login(request: Request, service: Running) -> Response:
    """Send the visitor to GitHub."""
    _refuse_without_github(service)
    state = secrets.token_urlsafe(32)
    response = RedirectResponse(service.viewers.login_address(state), status_code=303, headers=_NO_STORE)
    _keep(response, request, STATE_COOKIE, state, seconds=_LOGIN_SECONDS)
    return response


@router.get("/login/done")
def come_back(
    request: Request,
    service: Running,
    code: Annotated[str, Query(max_length=500)] = "",
    state: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Let in whom GitHub sent back with what we gave them."""
    _refuse_without_github(service)
    expected = request.cookies.get(STATE_COOKIE, "")
    if not expected or not hmac.compare_digest(expected.encode(), state.encode("utf-8", "replace")):
        raise HTTPException(403, "The login was begun in another browser, or too long ago. Begin again.")
    session = service.viewers.logged_in(code)
    if not session:
        raise HTTPException(403, "GitHub did not confirm the login. Begin again.")
    response = RedirectResponse(_home(request), status_code=303, headers=_NO_STORE)
    response.delete_cookie(STATE_COOKIE, path=_home(request))
    _keep(response, request, COOKIE, session, seconds=SESSION_SECONDS)
    return response


@router.post("/logout")
def logout(request: Request) -> Response:
    """Forget the session."""
    response = RedirectResponse(_home(request), status_code=303, headers=_NO_STORE)
    response.delete_cookie(COOKIE, path=_home(request))
    return response


def to_login(request: Request) -> Response:
    """Whoever has to log in first is sent there."""
    return RedirectResponse(f"{_home(request)}login", status_code=303, headers=_NO_STORE)


def _refuse_without_github(service: Service) -> None:
    if service.settings.viewers != "github":
        raise HTTPException(404, "Nobody logs in here.")


def _keep(response: Response, request: Request, name: str, value: str, *, seconds: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        httponly=True,
        # Lax: GitHub sends the visitor back, which is a visit from another site. Forms have a token of their own.
        samesite="lax",
        secure=request.url.scheme == "https",
        path=_home(request),
    )


def _home(request: Request) -> str:
    return str(request.scope.get("root_path") or "").rstrip("/") + "/"
