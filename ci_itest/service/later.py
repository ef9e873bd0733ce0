"""The pages for people, imported when the first of them is asked for.

They are an eighth of what a start imports (0.14 of 1.1 s of CPU), and nothing that sends uploads needs them: a service
that was killed takes uploads again so much sooner. Nobody waits twice, and meanwhile uploads are answered.
"""

from __future__ import annotations

from types import ModuleType

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ci_itest.service import problems

_FOR_PROGRAMS = ("/api/", "/badge/", "/healthz", "/readyz", "/metrics")


class Pages(BaseRoute):
    """Whatever is not for programs."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_theirs = scope["type"] == "http" and not _is_for_programs(Request(scope))
        return (Match.FULL if is_theirs else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        pages = await run_in_threadpool(_pages)
        await pages.router(scope, receive, send)


async def show_refusal(request: Request, error: Exception) -> Response:
    """An HTTPException: a page for people, JSON for programs."""
    assert isinstance(error, StarletteHTTPException)
    if _is_for_programs(request):
        return problems.of_http_error(request, error)
    await run_in_threadpool(_pages)
    from ci_itest.service.pages import trouble

    return trouble.of_http_error(request, error)


async def show_misfit(request: Request, error: Exception) -> Response:
    """A form or an address whose values are of the wrong kind: a page for people, JSON for programs."""
    assert isinstance(error, RequestValidationError)
    if _is_for_programs(request):
        return problems.of_misfit(error)
    await run_in_threadpool(_pages)
    from ci_itest.service.pages import trouble

    return trouble.of_misfit(request, error)


async def send_to_login(request: Request, _error: Exception) -> Response:
    """Whoever has to log in first is sent there."""
    await run_in_threadpool(_pages)
    from ci_itest.service.pages import login

    return login.to_login(request)


def _pages() -> ModuleType:
    from ci_itest.service import pages

    return pages


def _is_for_programs(request: Request) -> bool:
    path = request.url.path.removeprefix(request.scope.get("root_path") or "")
    return path.startswith(_FOR_PROGRAMS)
