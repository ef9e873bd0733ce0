"""Carts: what goes in, what is refused, when they expire, and two devices at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from shop.carts import Carts
from shop.models import Product
from shop.passwords import hash_password, password_matches
from sqlalchemy import select

pytestmark = pytest.mark.integration

# Long enough to look twice on a busy machine, short enough to wait for.
SHORT_TTL_SECONDS = 0.9
# How much else the phone does: the mug then meets an open read-and-write in about one run of fifteen.
LOOKS_BETWEEN_ADDS = 24


@pytest.fixture
def as_hurried_customer(api, app_with, customer):
    """A customer of a shop whose carts live for a moment only."""
    return api.on(app_with(cart_ttl_seconds=SHORT_TTL_SECONDS)).as_("customer", sub=str(customer.id))


def add(client, sku: str, quantity: int = 1):
    return client.post("/cart/items", json={"sku": sku, "quantity": quantity})


def items(client) -> dict[str, int]:
    return client.get("/cart").json()["items"]


def test_a_new_customer_has_an_empty_cart(as_customer) -> None:
    assert as_customer.get("/cart").json() == {"items": {}, "expires_in_seconds": None}


def test_adding_a_product_again_adds_up(as_customer, seed) -> None:
    seed.product("MUG")

    add(as_customer, "MUG", 2)
    add(as_customer, "MUG", 3)

    assert items(as_customer) == {"MUG": 5}


def test_every_customer_has_a_cart_of_their_own(as_customer, api, seed) -> None:
    seed.product("MUG")
    neighbour = api.as_("customer", sub=str(seed.customer().id))

    add(as_customer, "MUG")

    assert items(neighbour) == {}


def test_no_more_than_the_stock_can_be_added(as_customer, seed) -> None:
    seed.product("MUG", stock=3)
    add(as_customer, "MUG", 2)

    answer = add(as_customer, "MUG", 2)

    assert (answer.status_code, answer.json()["detail"]) == (409, "Only 3 of MUG can be ordered, not 4.")
    assert items(as_customer) == {"MUG": 2}


def test_a_senseless_quantity_is_refused(as_customer, seed) -> None:
    seed.product("MUG", stock=5000)

    assert [add(as_customer, "MUG", quantity).status_code for quantity in (-1, 0, 1000)] == [422] * 3


def test_quantity_zero_takes_a_product_out(as_customer, seed) -> None:
    seed.product("MUG")
    seed.product("PEN")
    add(as_customer, "MUG")
    add(as_customer, "PEN")

    as_customer.put("/cart/items/MUG", json={"quantity": 0})

    assert items(as_customer) == {"PEN": 1}


def test_a_forgotten_cart_expires(as_hurried_customer, seed, eventually) -> None:
    seed.product("MUG")
    add(as_hurried_customer, "MUG")
    assert items(as_hurried_customer) == {"MUG": 1}

    eventually(lambda: items(as_hurried_customer), until=lambda cart: cart == {}, within="3s")


def test_using_a_cart_keeps_it_alive(as_hurried_customer, seed, eventually) -> None:
    seed.product("MUG")
    add(as_hurried_customer, "MUG")

    def seconds_left() -> float:
        return as_hurried_customer.get("/cart").json()["expires_in_seconds"] or 0

    half = SHORT_TTL_SECONDS / 2
    eventually(seconds_left, until=lambda left: left < half, within="3s")
    add(as_hurried_customer, "MUG")

    assert seconds_left() > half
    assert items(as_hurried_customer) == {"MUG": 2}


def test_looking_at_a_cart_does_not_keep_it_alive(as_hurried_customer, seed, eventually) -> None:
    seed.product("MUG")
    add(as_hurried_customer, "MUG")

    # Each look of the polling below is one more chance to prolong it by mistake.
    eventually(
        lambda: as_hurried_customer.get("/cart").json()["expires_in_seconds"],
        until=lambda left: left is None,
        within=SHORT_TTL_SECONDS + 1,
    )


def test_two_devices_of_one_customer_lose_nothing(app, seed) -> None:
    """Flaky, and rightly so: the cart is read, changed and written in three steps.

    The phone puts a pen into the cart and looks around a little, over and over. Meanwhile the laptop
    signs in, which takes as long as it takes, and adds one mug. When the mug comes while the phone
    stands between its read and its write, one of the two is lost.
    """
    seed.product("PEN", stock=900)
    seed.product("MUG", stock=900)
    customer = seed.customer(password_hash=hash_password("correct horse battery"))
    carts = Carts(app.state.cache, app.state.settings.cart_prefix, ttl_seconds=60)
    laptop_is_done = Event()

    def put_in(sku: str) -> None:
        with app.state.sessions() as session:
            carts.add(customer.id, sku, 1, session=session)

    def look_around() -> None:
        for _ in range(LOOKS_BETWEEN_ADDS):
            with app.state.sessions() as session:
                session.scalar(select(Product.price_cents).where(Product.sku == "PEN"))
            carts.read(customer.id)

    def use_phone() -> int:
        pens = 0
        while not laptop_is_done.is_set():
            put_in("PEN")
            pens += 1
            look_around()
        return pens

    def use_laptop() -> None:
        try:
            assert password_matches("correct horse battery", customer.password_hash)
            put_in("MUG")
        finally:
            laptop_is_done.set()

    with ThreadPoolExecutor(2) as devices:
        phone, laptop = devices.submit(use_phone), devices.submit(use_laptop)
        pens = phone.result()
        laptop.result()

    assert carts.read(customer.id) == {"PEN": pens, "MUG": 1}, "One device overwrote what the other had added."
