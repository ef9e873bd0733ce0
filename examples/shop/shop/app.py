"""The application: `create_app` for tests, `app` for `uvicorn shop.app:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shop.cache import make_cache
from shop.database import make_engine, make_sessions
from shop.errors import ShopError
from shop.events import make_events
from shop.payments import make_payment_client
from shop.routes import accounts, cart, catalogue, health, orders, reports, stock
from shop.settings import Settings

ROUTERS = tuple(module.router for module in (health, accounts, catalogue, cart, orders, stock, reports))


def create_app(settings: Settings | None = None) -> FastAPI:
    """A shop with its own database pool, cache and payment client; connects at the first request."""
    settings = settings or Settings.from_environment()
    app = FastAPI(title="Shop", lifespan=_release_on_exit)
    app.state.settings = settings
    app.state.engine = make_engine(settings.database_url)
    app.state.sessions = make_sessions(app.state.engine)
    app.state.cache = make_cache(settings.redis_url)
    app.state.events = make_events(settings.redis_url)
    app.state.payments = make_payment_client(
        settings.payments_url,
        timeout_seconds=settings.payment_timeout_seconds,
        attempts=settings.payment_attempts,
        backoff_seconds=settings.payment_backoff_seconds,
    )
    app.add_exception_handler(ShopError, _refuse)
    for router in ROUTERS:
        app.include_router(router)
    return app


@asynccontextmanager
async def _release_on_exit(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.engine.dispose()
    if app.state.payments:
        app.state.payments.http.close()


def _refuse(_request: Request, error: ShopError) -> JSONResponse:
    return JSONResponse({"detail": error.message}, status_code=error.status)


app = create_app()
