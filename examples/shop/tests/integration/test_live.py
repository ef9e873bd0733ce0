"""The running app over real HTTP: the one at SHOP_URL, else one that is started for this worker (`own_app`).

That app has a database of its own, which other processes may use as well: nothing is seeded into its
tables, every name is new, and no test counts rows that it did not make.
"""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.keeps_data]

PASSWORD = "correct horse battery"
ACCOUNTS: dict[str, str] = {}
"""Signed-in customers by the address of their shop: made once, for hashing takes its time."""


@pytest.fixture(scope="module")
def app(request) -> Iterator[str]:
    """The address that `api` speaks to in this file."""
    if address := os.environ.get("SHOP_URL"):
        yield address
        return
    yield request.getfixturevalue("own_app")
    request.getfixturevalue("database").reset()


@pytest.fixture(autouse=True)
def clean_state() -> None:
    """Nothing to clean: see above."""


@pytest.fixture
def shopper(api, app: str) -> dict[str, str]:
    """Headers of a customer who registered and signed in over HTTP."""
    if app not in ACCOUNTS:
        email = f"{uuid.uuid4().hex}@example.test"
        api.post("/customers", json={"email": email, "name": "Live", "password": PASSWORD}).raise_for_status()
        answer = api.post("/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        ACCOUNTS[app] = answer.json()["access_token"]
    return {"Authorization": f"Bearer {ACCOUNTS[app]}"}


@pytest.fixture
def sku(as_clerk) -> Iterator[str]:
    """A new product, 50 in stock, taken off sale afterwards."""
    sku = f"LIVE-{uuid.uuid4().hex[:12]}"
    product = {"sku": sku, "name": f"Live {sku}", "price_cents": 700, "quantity": 50}
    as_clerk.post("/products", json=product).raise_for_status()
    yield sku
    as_clerk.patch(f"/products/{sku}", json={"is_active": False}).raise_for_status()


def test_the_app_says_that_all_its_parts_are_well(api) -> None:
    answer = api.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "cache": "ok"})


def test_a_product_that_a_clerk_adds_is_found_by_everybody(api, sku) -> None:
    page = api.get("/products/search", params={"q": sku}).json()

    assert [item["sku"] for item in page["items"]] == [sku]


def test_a_cart_outlives_the_connection(api, app, shopper, sku) -> None:
    api.delete("/cart", headers=shopper)
    api.post("/cart/items", json={"sku": sku, "quantity": 2}, headers=shopper).raise_for_status()

    cart = api.on(app).get("/cart", headers=shopper).json()

    assert cart["items"] == {sku: 2}
    assert 0 < cart["expires_in_seconds"] <= 1800


def test_deliveries_over_many_connections_all_count(as_clerk, sku) -> None:
    def book(_delivery: int) -> int:
        return as_clerk.post(f"/stock/{sku}/adjust", json={"pieces": 1}, timeout=20).status_code

    with ThreadPoolExecutor(6) as connections:
        statuses = list(connections.map(book, range(24)))

    assert statuses == [200] * 24
    assert as_clerk.get(f"/stock/{sku}").json()["quantity"] == 74


def test_an_export_arrives_as_csv_with_every_column(as_clerk, sku) -> None:
    with as_clerk.stream("GET", "/products/export") as answer:
        lines = list(answer.iter_lines())

    assert answer.headers["content-type"].startswith("text/csv")
    assert lines[0] == "sku,name,category,price_cents,quantity"
    assert f"{sku},Live {sku},,700,50" in lines


def test_the_interface_describes_itself(api) -> None:
    paths = api.get("/openapi.json").json()["paths"]

    assert {"/healthz", "/checkout", "/orders/{order_id}/refund", "/reports/sales"} <= paths.keys()
