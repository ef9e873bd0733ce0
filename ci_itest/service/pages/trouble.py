"""Errors as people should see them: a page that says what happened."""

from __future__ import annotations

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ci_itest.service.pages.shell import page_without_repository

_HEADLINES = {
    400: "The form cannot be used",
    403: "That is not allowed",
    404: "There is nothing here",
    405: "That page takes no such request",
    409: "Somebody else was quicker",
    422: "The address or the form asks for something unknown",
}


def of_http_error(request: Request, error: StarletteHTTPException) -> Response:
    """The page of an HTTPException."""
    return _page(request, error.status_code, str(error.detail) if isinstance(error, HTTPException) else "")


def of_misfit(request: Request, error: RequestValidationError) -> Response:
    """The page of a form or an address whose values are of the wrong kind."""
    names = ", ".join(sorted({str(one["loc"][-1]) for one in error.errors()}))
    return _page(request, 422, f"Look at: {names}.")


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
