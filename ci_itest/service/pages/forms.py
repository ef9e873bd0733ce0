"""Forms that only our own pages can send: a secret of the visitor's browser, and a token made from it.

A page of another site can make a browser send a form here, with its cookies; it can read neither the cookie nor a
page of ours, so it cannot write the token.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request, Response

COOKIE = "ci_itest_forms"
_LENGTH = 43


def visitor_of(request: Request) -> str:
    """The secret of the visitor's browser; a new one where it has none yet."""
    found = request.cookies.get(COOKIE, "")
    return found if len(found) == _LENGTH and found.isascii() else secrets.token_urlsafe(32)


def remember(response: Response, request: Request, visitor: str) -> None:
    """Have the browser keep its secret."""
    if request.cookies.get(COOKIE) != visitor:
        response.set_cookie(
            COOKIE,
            visitor,
            max_age=30 * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
            path=request.scope.get("root_path") or "/",
        )


def token_of(visitor: str, *, viewer: str, repository: str) -> str:
    """What a form of this visitor must hold."""
    return hmac.new(visitor.encode(), f"{viewer}\0{repository}".encode("utf-8", "replace"), sha256).hexdigest()


def is_our_own(request: Request, token: str, *, viewer: str, repository: str, public_url: str = "") -> bool:
    """Whether a form came from a page of ours that this visitor was shown.

    Args:
        public_url: The service's own address as browsers know it, where a proxy changes the `Host`.
    """
    visitor = request.cookies.get(COOKIE, "")
    if len(visitor) != _LENGTH or not visitor.isascii():
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin", "")
    if origin and urlsplit(origin).netloc not in {request.headers.get("host", ""), urlsplit(public_url).netloc} - {""}:
        return False
    expected = token_of(visitor, viewer=viewer, repository=repository)
    return hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
