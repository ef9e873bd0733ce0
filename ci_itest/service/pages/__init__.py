"""The pages for people, rendered on the server: whole without JavaScript, quicker with it."""

from __future__ import annotations

from fastapi import APIRouter

from ci_itest.service.pages import assets, bypasses, case, flaky, login, overview, quarantine, runs, shards, slow

router = APIRouter(include_in_schema=False, redirect_slashes=False)
router.include_router(assets.router)
router.include_router(overview.home_router)
router.include_router(login.router)

_REPOSITORY = "/r/{account}/{project}"
router.include_router(overview.router, prefix=_REPOSITORY)
for _page in (flaky, case, runs, slow, shards, bypasses, quarantine):
    router.include_router(_page.router, prefix=_REPOSITORY)
