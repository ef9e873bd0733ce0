"""The reporting service as an ASGI application; the one place where its real parts are made."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ci_itest import __version__
from ci_itest.history.sql import SqlHistory
from ci_itest.service import api, health, pages
from ci_itest.service.pages import trouble
from ci_itest.service.settings import ServiceSettings, from_environment
from ci_itest.service.state import Service


def create_app(settings: ServiceSettings, *, clock: Callable[[], float] = time.time) -> FastAPI:
    """The service over its database, which is opened when the application starts and closed when it ends.

    Args:
        clock: Seconds since 1970.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with SqlHistory.open(settings.database) as history:
            app.state.service = Service(settings, history, clock)
            yield

    app = FastAPI(
        title="ci-itest",
        summary="History, quarantine and reports of integration tests.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.include_router(health.router)
    app.include_router(api.router)
    app.include_router(pages.router)
    app.add_exception_handler(StarletteHTTPException, trouble.show_refusal)
    app.add_exception_handler(RequestValidationError, trouble.show_misfit)
    return app


def worker() -> FastAPI:
    """The application of a worker process, set up through its environment."""
    return create_app(from_environment(os.environ))
