"""What the API answers when it does not do what was asked: one form for all, `{"error": …, "hint": …}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from ci_itest.errors import CiItestError, HistoryError
from ci_itest.history.rows import NoTimeError


class Problem(BaseModel):
    """Why not, and what to do."""

    error: str
    hint: str = ""


class ApiError(HTTPException):
    """An answer of 400 and above."""

    def __init__(self, status: int, error: str, *, hint: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(status, error, headers)
        self.hint = hint


_WORDS = {
    400: "The request cannot be understood.",
    401: "No valid token or key was sent.",
    403: "The token is not for this.",
    404: "There is none.",
    405: "The address takes no such request.",
    409: "Something else was sent for the same before.",
    413: "The body is too large.",
    415: "The body is compressed in a way that is not known here.",
    422: "A value is missing or wrong.",
    429: "Too many uploads; `Retry-After` says when to try again.",
    503: "The database does not answer.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route for its description."""
    return {status: {"model": Problem, "description": _WORDS[status]} for status in statuses}


def problem(status: int, error: str, *, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=error, hint=hint).model_dump(), status_code=status, headers=headers)


def of_http_error(request: Request, error: StarletteHTTPException) -> Response:
    words = str(error.detail) if isinstance(error, ApiError) else _WORDS.get(error.status_code, str(error.detail))
    hint = error.hint if isinstance(error, ApiError) else ""
    return problem(
        error.status_code, words, hint=hint, headers={**(error.headers or {}), **_allowed(request, error.status_code)}
    )


def _allowed(request: Request, status: int) -> dict[str, str]:
    """All methods of the address: the router names those of its first route alone."""
    if status != 405:
        return {}
    return {"Allow": ", ".join(sorted(_methods(request.app.openapi()["paths"], request.url.path)))}


def _methods(paths: Mapping[str, Mapping[str, object]], path: str) -> set[str]:
    asked = path.split("/")
    for known, methods in paths.items():
        parts = known.split("/")
        if len(parts) == len(asked) and all(
            part == given or part.startswith("{") for part, given in zip(parts, asked, strict=True)
        ):
            return {method.upper() for method in methods}
    return set()


def of_misfit(error: RequestValidationError) -> Response:
    """Names what is wrong, and never repeats what was sent."""
    wrong = sorted({".".join(str(part) for part in one["loc"]) + ": " + str(one["msg"]) for one in error.errors()})
    return problem(422, "; ".join(wrong)[:1_000])


async def show_trouble(_request: Request, error: Exception) -> Response:
    """An error of ours that no handler caught."""
    assert isinstance(error, CiItestError)
    if isinstance(error, HistoryError) and not isinstance(error, NoTimeError):
        # Its words may name the database's address.
        return problem(503, "The history cannot be used now.", hint="Try again later.", headers={"Retry-After": "5"})
    return problem(422, error.message, hint=error.hint)
