"""From the cart to a paid order, with a provider that always says yes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def provider(payments) -> None:
    payments.approves()


def fill(client, **quantities: int) -> None:
    for sku, quantity in quantities.items():
        assert client.post("/cart/items", json={"sku": sku, "quantity": quantity}).status_code == 200


def test_a_checkout_makes_a_paid_order(as_customer, seed) -> None:
    seed.product("MUG", price_cents=1250)
    fill(as_customer, MUG=2)

    order = as_customer.post("/checkout").json()

    assert (order["state"], order["total_cents"]) == ("paid", 2500)
    assert order["lines"] == [{"sku": "MUG", "quantity": 2, "unit_price_cents": 1250}]


def test_a_checkout_takes_the_stock(as_customer, seed, stock_of) -> None:
    seed.product("MUG", stock=10)
    fill(as_customer, MUG=4)

    as_customer.post("/checkout")

    assert stock_of("MUG") == 6


def test_a_checkout_empties_the_cart(as_customer, seed) -> None:
    seed.product("MUG")
    fill(as_customer, MUG=1)

    as_customer.post("/checkout")

    assert as_customer.get("/cart").json()["items"] == {}


def test_an_empty_cart_cannot_be_bought(as_customer) -> None:
    answer = as_customer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (422, "The cart is empty.")


def test_an_order_below_the_threshold_gets_no_discount(as_customer, seed) -> None:
    seed.product("BOOK", price_cents=33_33)
    fill(as_customer, BOOK=3)

    assert as_customer.post("/checkout").json()["discount_cents"] == 0


def test_an_order_of_exactly_the_threshold_gets_the_discount(as_customer, seed) -> None:
    seed.product("LAMP", price_cents=50_00)
    fill(as_customer, LAMP=2)

    total_cents = as_customer.post("/checkout").json()["total_cents"]

    assert total_cents == 90_00, (
        f"Two lamps for 100.00 cost 90.00 (10 % off from 100.00 on), not {total_cents / 100:.2f}"
    )


def test_the_provider_is_asked_for_the_discounted_total(as_customer, seed, payments) -> None:
    seed.product("SOFA", price_cents=999_99)
    fill(as_customer, SOFA=1)

    order = as_customer.post("/checkout").json()

    assert payments.requests == [{"order": order["id"], "amount_cents": 899_99}]


def test_the_price_of_an_order_stays_when_the_product_gets_dearer(as_customer, as_clerk, seed) -> None:
    seed.product("MUG", price_cents=1000)
    fill(as_customer, MUG=1)
    order = as_customer.post("/checkout").json()

    as_clerk.patch("/products/MUG", json={"price_cents": 2000})

    assert as_customer.get(f"/orders/{order['id']}").json()["lines"][0]["unit_price_cents"] == 1000


def test_what_sold_out_meanwhile_stops_the_whole_checkout(
    as_customer, as_clerk, seed, stock_of, clean_database
) -> None:
    seed.product("MUG", stock=5)
    seed.product("PEN", stock=5)
    fill(as_customer, PEN=1, MUG=5)
    as_clerk.post("/stock/MUG/adjust", json={"pieces": -1})

    answer = as_customer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (409, "Not enough of MUG left.")
    assert stock_of("PEN") == 5
    assert clean_database.count("orders") == 0


def test_of_eight_who_want_the_last_three_only_three_get_one(api, seed, stock_of) -> None:
    seed.product("RARE", stock=3)
    buyers = [api.as_("customer", sub=str(seed.customer().id)) for _ in range(8)]
    for buyer in buyers:
        fill(buyer, RARE=1)

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda buyer: buyer.post("/checkout").status_code, buyers))

    assert sorted(statuses) == [201] * 3 + [409] * 5
    assert stock_of("RARE") == 0
