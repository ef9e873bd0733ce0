"""Style sheets and scripts, under addresses that change with their content, so that a browser keeps them."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response

from ci_itest.reporting.templates import template_folder

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).resolve().parent.parent / "static"
_KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
NAMES = ("report.css", "uPlot.min.css", "pages.css", "htmx.min.js", "uPlot.iife.min.js", "pages.js")


def asset_path(name: str) -> str:
    """The path of a file below the service's own address."""
    return f"/assets/{_digest(name)}/{name}"


@router.get("/assets/{digest}/{name}")
def asset(digest: str, name: str) -> Response:
    """The file; under an older address the newest one, which is then not kept."""
    if name not in NAMES:
        raise HTTPException(404)
    keeps = "public, max-age=31536000, immutable" if digest == _digest(name) else "no-store"
    headers = {"Cache-Control": keeps, "X-Content-Type-Options": "nosniff"}
    return Response(_content(name), media_type=_KINDS[Path(name).suffix], headers=headers)


@lru_cache(maxsize=len(NAMES))
def _content(name: str) -> bytes:
    # The pages look like the report: its style sheet is theirs.
    folder = template_folder() if name == "report.css" else _STATIC
    return (folder / name).read_bytes()


@lru_cache(maxsize=len(NAMES))
def _digest(name: str) -> str:
    return sha256(_content(name)).hexdigest()[:12]
