"""The payment provider on a bad day. Slow because the pauses between attempts are real."""

import pytest
from shop.models import Order
from sqlalchemy import select

pytestmark = pytest.mark.integration


@pytest.fixture
def buyer(as_customer, seed):
    """A customer with one mug, of five, in the cart."""
    seed.product("MUG", price_cents=1250, stock=5)
    as_customer.post("/cart/items", json={"sku": "MUG"})
    return as_customer


def test_a_passing_failure_is_tried_again(buyer, payments) -> None:
    payments.fails(status=429, times=1)
    payments.approves()

    assert buyer.post("/checkout").status_code == 201
    assert len(payments.requests) == 2


def test_the_last_attempt_can_still_save_the_order(buyer, payments) -> None:
    payments.fails(status=502, times=3)
    payments.approves()

    assert buyer.post("/checkout").json()["state"] == "paid"


def test_all_attempts_carry_one_key_so_that_money_is_taken_once(buyer, payments) -> None:
    payments.fails(status=503, times=2)
    payments.approves()

    order = buyer.post("/checkout").json()

    assert payments.keys == [f"order-{order['id']}"] * 3


def test_after_four_failures_the_order_is_given_up(buyer, payments, seed, db) -> None:
    payments.fails(status=503, times=4)

    answer = buyer.post("/checkout")

    assert answer.status_code == 503
    assert "status 503, 4 attempts" in answer.json()["detail"]
    assert db.scalars(select(Order.state)).all() == ["cancelled"]
    assert seed.stock_of("MUG") == 5


def test_a_silent_provider_is_not_waited_for(buyer, payments) -> None:
    payments.keeps_silent(times=1)
    payments.approves()

    assert buyer.post("/checkout").json()["state"] == "paid"


def test_a_provider_that_never_answers_costs_only_the_timeouts(app_with, client_for, customer, seed, payments) -> None:
    payments.keeps_silent(times=2)
    seed.product("MUG")
    buyer = client_for("customer", customer, app=app_with(payment_attempts=2, payment_timeout_seconds=0.3))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, "ReadTimeout" in answer.json()["detail"]) == (503, True)


def test_a_provider_that_is_not_there_is_named_so(app_with, client_for, customer, seed) -> None:
    seed.product("MUG")
    # Port 9 (discard) on loopback: nobody listens.
    buyer = client_for("customer", customer, app=app_with(payments_url="http://127.0.0.1:9", payment_attempts=2))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, "ConnectError" in answer.json()["detail"]) == (503, True)


def test_without_a_provider_nothing_can_be_bought(app_with, client_for, customer, seed, db) -> None:
    seed.product("MUG")
    buyer = client_for("customer", customer, app=app_with(payments_url=""))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (503, "No payment provider is set.")
    assert db.scalars(select(Order.id)).all() == []


def test_a_declined_payment_is_not_tried_again(buyer, payments) -> None:
    payments.declines("card expired")

    answer = buyer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (402, "card expired")
    assert len(payments.requests) == 1


def test_a_declined_payment_gives_the_stock_back_and_leaves_the_cart(buyer, payments, seed) -> None:
    payments.declines("card expired")

    buyer.post("/checkout")

    assert seed.stock_of("MUG") == 5
    assert buyer.get("/cart").json()["items"] == {"MUG": 1}
