"""The shop on this worker's own database, clients for its roles, rows in its words.

Services, database, `api`, `seed`, tokens, stubs, storage and brokers are fixtures of ci-itest; here stands what only
the shop can know. FastAPI and SQLAlchemy are imported by the fixtures that need them, so that `pytest --collect-only`,
and every process that only has to learn which tests there are, does not wait for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from shop.settings import Settings, with_driver

from ci_itest.pytest_plugin.databases.migrations import alembic

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shop.models import Customer
    from support.provider import Provider
    from support.seeds import Seed

    from ci_itest.pytest_plugin.databases.migrations import Migrations

PAYMENTS = "https://payments.example"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the libraries once the tests are known: whichever runs first would take seconds longer than it is."""
    if session.items and not session.config.option.collectonly:
        import httpx  # noqa: F401
        from shop import app  # noqa: F401


@pytest.fixture(scope="session")
def migrations() -> Migrations:
    """How an empty database becomes the shop's, where the settings have no `[[prepare]]` that does it."""
    return alembic(inputs=("migrations/**",))


@pytest.fixture(scope="session")
def settings(database) -> Settings:
    """The settings from outside, but with a database, cart keys and a stream of this worker, and a provider to stub."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return replace(
        Settings.from_environment(),
        database_url=with_driver(database.url),
        cart_prefix=f"test-{os.getpid()}:cart:",
        orders_stream=f"orders.placed.{worker}",
        payments_url=PAYMENTS,
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[FastAPI]:
    """What `api` speaks to: the shop, in this process."""
    from shop.app import create_app

    app = create_app(settings)
    yield app
    app.state.engine.dispose()


@pytest.fixture
def app_with(settings: Settings) -> Callable[..., FastAPI]:
    """Makes a shop with other settings, on the same database; for `api.on(…)`."""
    from shop.app import create_app

    return lambda **changes: create_app(replace(settings, **changes))


@pytest.fixture(autouse=True)
def clean_state(app: FastAPI, request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no row and no cart behind, whichever process or thread made it."""
    if "keeps_data" not in request.keywords:
        request.getfixturevalue("clean_database")
    yield
    app.state.cache.clear(app.state.settings.cart_prefix)


@pytest.fixture
def seed(seed) -> Seed:
    """ci-itest's `seed` in the words of the shop: `seed.product("MUG", stock=3)`."""
    from support.seeds import Seed

    return Seed(seed)


@pytest.fixture
def stock_of(database) -> Callable[[str], int]:
    """How many of a product are in stock now, whoever changed it."""

    def stock_of(sku: str) -> int:
        (product,) = database.rows("products", sku=sku)
        return database.rows("stock", product_id=product["id"])[0]["quantity"]

    return stock_of


@pytest.fixture
def customer(seed: Seed) -> Customer:
    return seed.customer()


@pytest.fixture
def as_customer(api, customer: Customer):
    """A client signed in as the fixture `customer`."""
    return api.as_("customer", sub=str(customer.id))


@pytest.fixture
def as_clerk(api):
    return api.as_("clerk")


@pytest.fixture
def as_admin(api):
    return api.as_("admin")


@pytest.fixture
def payments(stub_http) -> Provider:
    """The payment provider; a test says what it answers, and what it does not say fails the test."""
    from support.provider import Provider

    return Provider(stub_http(PAYMENTS))
