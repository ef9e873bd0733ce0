"""Fixtures: a database for this worker, the app on it, a client for each role, seeds, the payment stub.

FastAPI, SQLAlchemy and Alembic are imported by the fixtures that need them, so that `pytest --collect-only`,
and every process that only has to learn which tests there are, does not wait for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from shop.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from pytest_httpserver import HTTPServer
    from shop.models import Customer
    from sqlalchemy.orm import Session
    from support.payments import PaymentStub
    from support.seeds import Seed

# Such ids are in no table: for callers whose role is all that matters.
NOBODY = 1_000_000_000

TokenFor = Callable[..., str]
ClientFor = Callable[..., "TestClient"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the libraries once the tests are known: whichever runs first would take seconds longer than it is."""
    if session.items and not session.config.option.collectonly:
        import support.databases  # noqa: F401
        from fastapi import testclient  # noqa: F401
        from shop import app  # noqa: F401


@pytest.fixture(scope="session")
def run_name() -> str:
    """A name that no other worker, shard or session on this machine or server has."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", "")[:12] or f"{os.getpid()}_{os.urandom(3).hex()}"
    return f"shop_test_{run}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(scope="session")
def payment_server() -> Iterator[HTTPServer]:
    """One for the worker, with a thread a request: a request that hangs must not hold up the next."""
    from pytest_httpserver import HTTPServer

    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture(scope="session")
def settings(run_name: str, payment_server: HTTPServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings from outside, but with a database, cart keys and payment provider of this worker."""
    from support.databases import worker_database

    outside = Settings.from_environment()
    folder = tmp_path_factory.mktemp("database")
    with worker_database(outside.database_url, name=run_name, folder=folder) as url:
        yield replace(
            outside,
            database_url=url,
            cart_prefix=f"{run_name}:cart:",
            payments_url=payment_server.url_for("").rstrip("/"),
        )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[FastAPI]:
    from shop.app import create_app

    app = create_app(settings)
    yield app
    app.state.engine.dispose()


@pytest.fixture
def app_with(settings: Settings) -> Iterator[Callable[..., FastAPI]]:
    """Makes an app with other settings, on the same database."""
    from shop.app import create_app

    apps = []

    def make(**changes: Any) -> FastAPI:
        apps.append(create_app(replace(settings, **changes)))
        return apps[-1]

    yield make
    for app in apps:
        app.state.engine.dispose()


@pytest.fixture(autouse=True)
def clean_state(app: FastAPI, request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin with no row, and leave none and no cart behind, whichever process or thread made it."""
    from support.cleaning import empty_tables

    if "keeps_data" in request.keywords:
        yield
        app.state.cache.clear(app.state.settings.cart_prefix)
        return
    with empty_tables(app.state.engine):
        yield
        app.state.cache.clear(app.state.settings.cart_prefix)


@pytest.fixture
def db(app: FastAPI) -> Iterator[Session]:
    with app.state.sessions() as session:
        yield session


@pytest.fixture
def seed(db: Session) -> Seed:
    from support.seeds import Seed

    return Seed(db)


@pytest.fixture(scope="session")
def token_for(settings: Settings) -> TokenFor:
    """Mints a token: `token_for("clerk")`, or `token_for("customer", customer)`; claims can be overridden."""

    from shop.tokens import mint_token

    def mint(role: str, customer: Customer | None = None, **claims: Any) -> str:
        customer_id = customer.id if customer else NOBODY
        return mint_token(customer_id, role, secret=settings.jwt_secret, lifetime=timedelta(minutes=5), **claims)

    return mint


@pytest.fixture(scope="session")
def client_for(app: FastAPI, token_for: TokenFor) -> ClientFor:
    """A client that is signed in: `client_for("clerk")`, `client_for("customer", customer)`."""

    from fastapi.testclient import TestClient

    def make(role: str, customer: Customer | None = None, *, app: FastAPI = app) -> TestClient:
        return TestClient(app, headers={"Authorization": f"Bearer {token_for(role, customer)}"})

    return make


@pytest.fixture(scope="session")
def anonymous(app: FastAPI) -> TestClient:
    from fastapi.testclient import TestClient

    return TestClient(app)


@pytest.fixture
def customer(seed: Seed) -> Customer:
    return seed.customer()


@pytest.fixture
def as_customer(client_for: ClientFor, customer: Customer) -> TestClient:
    """A client signed in as the fixture `customer`."""
    return client_for("customer", customer)


@pytest.fixture(scope="session")
def as_clerk(client_for: ClientFor) -> TestClient:
    return client_for("clerk")


@pytest.fixture(scope="session")
def as_admin(client_for: ClientFor) -> TestClient:
    return client_for("admin")


@pytest.fixture
def payments(payment_server: HTTPServer) -> Iterator[PaymentStub]:
    """Answers nothing (status 500) until the test says what."""
    from support.payments import PaymentStub

    stub = PaymentStub(payment_server)
    yield stub
    stub.reset()
