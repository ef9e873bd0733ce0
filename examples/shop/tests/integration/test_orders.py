"""Orders after the checkout: looking, shipping, refunding."""

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def mug(seed):
    return seed.product("MUG", price_cents=2000, stock=10)


def refund(client, order, amount_cents: int | None = None):
    return client.post(f"/orders/{order.id}/refund", json={"amount_cents": amount_cents})


def test_a_customer_sees_only_their_own_orders(as_customer, customer, seed, mug) -> None:
    own = seed.order(customer, mug)
    seed.order(seed.customer(), mug)

    assert [order["id"] for order in as_customer.get("/orders").json()] == [own.id]


def test_an_order_of_somebody_else_looks_like_none(as_customer, seed, mug) -> None:
    foreign = seed.order(seed.customer(), mug)

    assert as_customer.get(f"/orders/{foreign.id}").status_code == 404


def test_a_clerk_sees_all_orders_newest_first(as_clerk, seed, mug) -> None:
    orders = [seed.order(seed.customer(), mug) for _ in range(3)]

    assert [order["id"] for order in as_clerk.get("/orders").json()] == [order.id for order in reversed(orders)]


def test_a_paid_order_is_shipped_once(as_clerk, customer, seed, mug) -> None:
    order = seed.order(customer, mug)

    answers = [as_clerk.post(f"/orders/{order.id}/ship") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]


def test_what_is_not_paid_is_neither_shipped_nor_refunded(as_clerk, customer, seed, mug) -> None:
    order = seed.order(customer, mug, state="declined")

    assert as_clerk.post(f"/orders/{order.id}/ship").status_code == 409
    assert refund(as_clerk, order).status_code == 409


def test_a_full_refund_of_an_unshipped_order_returns_the_goods(
    as_clerk, customer, seed, stock_of, mug, payments
) -> None:
    payments.approves()
    order = seed.order(customer, mug, quantity=3)

    answer = refund(as_clerk, order).json()

    assert (answer["state"], answer["refunded_cents"]) == ("refunded", 6000)
    assert stock_of("MUG") == 13


def test_a_full_refund_of_a_shipped_order_returns_no_goods(as_clerk, customer, seed, stock_of, mug, payments) -> None:
    payments.approves()
    order = seed.order(customer, mug, state="shipped", quantity=3)

    assert refund(as_clerk, order).json()["state"] == "refunded"
    assert stock_of("MUG") == 10


def test_partial_refunds_add_up_to_the_payment_and_no_further(as_clerk, customer, seed, mug, payments) -> None:
    payments.approves()
    order = seed.order(customer, mug)

    first, second, third = (
        refund(as_clerk, order, 1500),
        refund(as_clerk, order, 501),
        refund(as_clerk, order, 500),
    )

    assert (first.json()["state"], first.json()["refunded_cents"]) == ("paid", 1500)
    assert (second.status_code, second.json()["detail"]) == (
        422,
        f"Only 500 cents of order {order.id} are left to refund.",
    )
    assert third.json()["state"] == "refunded"


def test_a_refund_the_provider_does_not_take_changes_nothing(
    as_clerk, customer, seed, mug, payments, clean_database
) -> None:
    payments.stub.on("POST", "/refunds").fails(400)
    order = seed.order(customer, mug)

    assert refund(as_clerk, order).status_code == 503
    assert [payment["refunded_cents"] for payment in clean_database.rows("payments")] == [0]
