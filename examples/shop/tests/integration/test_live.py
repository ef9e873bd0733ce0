"""The running app over real HTTP: the one at SHOP_URL, else one that this file starts itself.

That app has a database of its own, which other processes may use as well: nothing is seeded into its
tables, every name is new, and no test counts rows that it did not make.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.polling import eventually

pytestmark = [pytest.mark.integration, pytest.mark.keeps_data]

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def address(app) -> Iterator[str]:
    if address := os.environ.get("SHOP_URL"):
        yield address.rstrip("/")
        return
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, name="shop")
    thread.start()
    eventually(lambda: server.started, is_fine=bool, within_seconds=10)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def shop(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def clerk(token_for) -> dict[str, str]:
    """Headers of a clerk."""
    return {"Authorization": f"Bearer {token_for('clerk')}"}


@pytest.fixture(scope="module")
def shopper(shop: httpx.Client) -> dict[str, str]:
    """Headers of a customer who registered and signed in over HTTP; made once, for hashing takes its time."""
    email = f"{uuid.uuid4().hex}@example.test"
    shop.post("/customers", json={"email": email, "name": "Live", "password": PASSWORD}).raise_for_status()
    answer = shop.post("/login", json={"email": email, "password": PASSWORD}).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def sku(shop: httpx.Client, clerk: dict[str, str]) -> Iterator[str]:
    """A new product, 50 in stock, taken off sale afterwards."""
    sku = f"LIVE-{uuid.uuid4().hex[:12]}"
    product = {"sku": sku, "name": f"Live {sku}", "price_cents": 700, "quantity": 50}
    shop.post("/products", json=product, headers=clerk).raise_for_status()
    yield sku
    shop.patch(f"/products/{sku}", json={"is_active": False}, headers=clerk).raise_for_status()


def test_the_app_says_that_all_its_parts_are_well(shop) -> None:
    answer = shop.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "cache": "ok"})


def test_a_product_that_a_clerk_adds_is_found_by_everybody(shop, sku) -> None:
    page = shop.get("/products/search", params={"q": sku}).json()

    assert [item["sku"] for item in page["items"]] == [sku]


def test_a_cart_outlives_the_connection(shop, shopper, sku, address) -> None:
    shop.delete("/cart", headers=shopper)
    shop.post("/cart/items", json={"sku": sku, "quantity": 2}, headers=shopper).raise_for_status()

    cart = httpx.get(f"{address}/cart", headers=shopper).json()

    assert cart["items"] == {sku: 2}
    assert 0 < cart["expires_in_seconds"] <= 1800


def test_deliveries_over_many_connections_all_count(address, clerk, sku) -> None:
    def book(_delivery: int) -> int:
        return httpx.post(f"{address}/stock/{sku}/adjust", json={"pieces": 1}, headers=clerk, timeout=20).status_code

    with ThreadPoolExecutor(6) as connections:
        statuses = list(connections.map(book, range(24)))

    assert statuses == [200] * 24
    assert httpx.get(f"{address}/stock/{sku}", headers=clerk).json()["quantity"] == 74


def test_an_export_arrives_as_csv_with_every_column(shop, clerk, sku) -> None:
    with shop.stream("GET", "/products/export", headers=clerk) as answer:
        lines = list(answer.iter_lines())

    assert answer.headers["content-type"].startswith("text/csv")
    assert lines[0] == "sku,name,category,price_cents,quantity"
    assert f"{sku},Live {sku},,700,50" in lines


def test_the_interface_describes_itself(shop) -> None:
    paths = shop.get("/openapi.json").json()["paths"]

    assert {"/healthz", "/checkout", "/orders/{order_id}/refund", "/reports/sales"} <= paths.keys()
