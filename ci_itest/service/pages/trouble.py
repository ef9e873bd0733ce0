"""Errors as people should see them: a page that says what happened, for every address but the API's."""

from __future__ import annotations

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ci_itest.service import problems
from ci_itest.service.pages.shell import page_without_repository

_HEADLINES = {
    400: "The form cannot be used",
    403: "That is not allowed",
    404: "There is nothing here",
    405: "That page takes no such request",
    409: "Somebody else was quicker",
    422: "The address or the form asks for something unknown",
}
_PREFIXES = ("/api/", "/badge/", "/healthz", "/readyz", "/metrics")


async def show_refusal(request: Request, error: Exception) -> Response:
    """The page of an HTTPException; for programs its JSON."""
    assert isinstance(error, StarletteHTTPException)
    if _is_for_programs(request):
        return problems.of_http_error(request, error)
    words = str(error.detail) if isinstance(error, HTTPException) else ""
    return _page(request, error.status_code, words)


async def show_misfit(request: Request, error: Exception) -> Response:
    """The page of a form or an address whose values are of the wrong kind; for programs its JSON."""
    assert isinstance(error, RequestValidationError)
    if _is_for_programs(request):
        return problems.of_misfit(error)
    names = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
    return _page(request, 422, f"Look at: {names}.")


def _is_for_programs(request: Request) -> bool:
    path = request.url.path.removeprefix(request.scope.get("root_path") or "")
    return path.startswith(_PREFIXES)


def _page(request: Request, status: int, words: str) -> Response:
    headline = _HEADLINES.get(status, "That did not work")
    return page_without_repository(
        request,
        request.app.state.service,
        "trouble.html.j2",
        title=f"{headline} · ci-itest",
        status=status,
        headline=headline,
        words=words,
    )
