"""The API for programs: `/api/v1`. What it is about is the repository that the caller's token or key is of."""

from __future__ import annotations

from fastapi import APIRouter

from ci_itest.service.api import flaky, quarantine, runs, uploads
from ci_itest.service.problems import documented

router = APIRouter(prefix="/api/v1", responses=documented(401, 403, 422, 503))
for _part in (uploads, runs, flaky, quarantine):
    router.include_router(_part.router)
