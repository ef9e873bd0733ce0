"""The reporting service as an ASGI application; the one place where its real parts are made."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from ci_itest import __version__
from ci_itest.errors import CiItestError
from ci_itest.history.retention import Retention
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.service import api, badges, health, problems
from ci_itest.service.housekeeping import Housekeeper
from ci_itest.service.later import Pages, send_to_login, show_misfit, show_refusal
from ci_itest.service.learner import Learner
from ci_itest.service.limits import Limits
from ci_itest.service.metrics import Metrics
from ci_itest.service.oidc import FetchKeys, TokenVerifier, fetch_keys
from ci_itest.service.settings import ServiceSettings
from ci_itest.service.state import Service
from ci_itest.service.viewers import LoginNeeded, Viewers, ask_github
from ci_itest.service.webhooks import Post, Webhooks, post_publicly
from ci_itest.service.writer import Writer


def create_app(
    settings: ServiceSettings,
    *,
    clock: Callable[[], float] = time.time,
    fetch: FetchKeys = fetch_keys,
    post: Post = post_publicly,
) -> FastAPI:
    """The service over its database, which is opened when the application starts and closed when it ends.

    Args:
        clock: Seconds since 1970.
        fetch: How the keys of GitHub's tokens are fetched.
        post: How webhooks are sent.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with SqlHistory.open(settings.database, is_durable=True) as history:
            service = _service(settings, history, clock=clock, fetch=fetch, post=post)
            app.state.service = service
            housekeeper = Housekeeper(
                history, Retention(settings.results_days, settings.texts_days, settings.rollups_days), clock=clock
            )
            for thread in (service.writer, service.learner, service.webhooks, housekeeper):
                thread.start()
            for tenant in service.store.unlearned():
                service.learner.ask(tenant)
            try:
                yield
            finally:
                for thread in (service.writer, service.learner, service.webhooks, housekeeper):
                    thread.stop()

    app = FastAPI(
        title="ci-itest",
        summary="History, quarantine and reports of integration tests.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        # A slash too many is another address, not a redirect that no description tells of.
        redirect_slashes=False,
    )
    app.include_router(health.router)
    app.include_router(api.router)
    app.include_router(badges.router)
    app.router.routes.append(Pages())
    app.add_exception_handler(StarletteHTTPException, show_refusal)
    app.add_exception_handler(RequestValidationError, show_misfit)
    app.add_exception_handler(LoginNeeded, send_to_login)
    app.add_exception_handler(CiItestError, problems.show_trouble)
    app.middleware("http")(_measured)
    return app


def _service(
    settings: ServiceSettings, history: SqlHistory, *, clock: Callable[[], float], fetch: FetchKeys, post: Post
) -> Service:
    tokens = None
    if settings.public_url:
        tokens = TokenVerifier(settings.oidc_issuer, settings.public_url, fetch=fetch, clock=clock)
    store = ServiceStore(history)
    return Service(
        settings=settings,
        history=history,
        clock=clock,
        store=store,
        tokens=tokens,
        limits=Limits(settings.uploads_per_minute, clock=clock),
        writer=Writer(store, thread_count=history.most_writers),
        learner=Learner(history),
        metrics=Metrics(),
        viewers=Viewers(settings, ask=ask_github, clock=clock),
        webhooks=Webhooks(
            store,
            secret=settings.webhook_secret,
            urls=settings.webhook_urls,
            post=post,
            clock=clock,
        ),
    )


async def _measured(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    started = time.perf_counter()
    response = await answer(request)
    service: Service = request.app.state.service
    seconds = time.perf_counter() - started
    service.metrics.seconds.labels(request.method[:8], str(response.status_code)).observe(seconds)
    return response
