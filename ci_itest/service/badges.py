"""The newest run of a branch as a small picture for a README."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ci_itest.model.run import Conclusion
from ci_itest.service.problems import ApiError, documented
from ci_itest.service.state import Running
from ci_itest.service.viewers import LoginNeeded

router = APIRouter(tags=["badges"])

Name = Annotated[str, Path(min_length=1, max_length=200)]


@router.get(
    "/badge/{account}/{project}",
    responses={
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}, "description": "The picture."},
        **documented(404, 422, 503),
    },
    response_class=Response,
)
def show_badge(
    request: Request,
    service: Running,
    account: Name,
    project: Name,
    branch: Annotated[str, Query(max_length=1_000, description="Default: the default branch.")] = "",
    title: Annotated[str, Query(max_length=60)] = "integration tests",
) -> Response:
    """The newest run of a branch. Without a login only where pages are shown to everybody."""
    from ci_itest.reporting.badge import badge
    from ci_itest.reporting.headline import Counts

    name = f"{account}/{project}"
    try:
        is_seen = service.viewers.of(request, name) is not None
    except LoginNeeded:
        is_seen = False
    tenant = service.store.tenant_named(name) if is_seen else None
    if tenant is None:
        raise ApiError(404, "There is no such repository here.")
    page = service.store.run_page(tenant, before=0, limit=1, branch=branch or tenant.default_branch)
    if page:
        run = page[0][1]
        counts = Counts(run.passed, run.failed, run.recovered, run.skipped, run.quarantined, run.missing)
        picture = badge(title, run.conclusion, counts)
    else:
        picture = badge(title, Conclusion.NOTHING, Counts(0, 0, 0, 0, 0, 0))
    headers = {
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(picture, media_type="image/svg+xml", headers=headers)
