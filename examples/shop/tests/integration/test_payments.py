"""The payment provider on a bad day. Slow because the pauses between attempts are real."""

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def buyer(as_customer, seed):
    """A customer with one mug, of five, in the cart."""
    seed.product("MUG", price_cents=1250, stock=5)
    as_customer.post("/cart/items", json={"sku": "MUG"})
    return as_customer


def test_a_passing_failure_is_tried_again(buyer, payments) -> None:
    payments.approves(after_failures=1, status=429)

    assert buyer.post("/checkout").status_code == 201
    assert len(payments.requests) == 2


def test_the_last_attempt_can_still_save_the_order(buyer, payments) -> None:
    payments.approves(after_failures=3, status=502)

    assert buyer.post("/checkout").json()["state"] == "paid"


def test_all_attempts_carry_one_key_so_that_money_is_taken_once(buyer, payments) -> None:
    payments.approves(after_failures=2)

    order = buyer.post("/checkout").json()

    assert payments.keys == [f"order-{order['id']}"] * 3


def test_after_four_failures_the_order_is_given_up(buyer, payments, stock_of, clean_database) -> None:
    payments.stub.on("POST", "/charges").fails(503)

    answer = buyer.post("/checkout")

    assert answer.status_code == 503
    assert "status 503, 4 attempts" in answer.json()["detail"]
    assert [order["state"] for order in clean_database.rows("orders")] == ["cancelled"]
    assert stock_of("MUG") == 5


def test_a_silent_provider_is_not_waited_for(buyer, payments) -> None:
    payments.stub.on("POST", "/charges").keeps_silent(times=1).returns({"reference": "charge-1"})

    assert buyer.post("/checkout").json()["state"] == "paid"


def test_a_provider_that_never_answers_costs_only_the_timeouts(api, app_with, customer, seed, payments) -> None:
    payments.stub.on("POST", "/charges").keeps_silent()
    seed.product("MUG")
    buyer = api.on(app_with(payment_attempts=2, payment_timeout_seconds=0.3)).as_("customer", sub=str(customer.id))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, "ReadTimeout" in answer.json()["detail"]) == (503, True)


def test_a_provider_that_is_not_there_is_named_so(api, app_with, customer, seed) -> None:
    seed.product("MUG")
    # Port 9 (discard) on loopback: nobody listens.
    nowhere = app_with(payments_url="http://127.0.0.1:9", payment_attempts=2)
    buyer = api.on(nowhere).as_("customer", sub=str(customer.id))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, "ConnectError" in answer.json()["detail"]) == (503, True)


def test_without_a_provider_nothing_can_be_bought(api, app_with, customer, seed, clean_database) -> None:
    seed.product("MUG")
    buyer = api.on(app_with(payments_url="")).as_("customer", sub=str(customer.id))
    buyer.post("/cart/items", json={"sku": "MUG"})

    answer = buyer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (503, "No payment provider is set.")
    assert clean_database.rows("orders") == []


def test_a_declined_payment_is_not_tried_again(buyer, payments) -> None:
    payments.declines("card expired")

    answer = buyer.post("/checkout")

    assert (answer.status_code, answer.json()["detail"]) == (402, "card expired")
    assert len(payments.requests) == 1


def test_a_declined_payment_gives_the_stock_back_and_leaves_the_cart(buyer, payments, stock_of) -> None:
    payments.declines("card expired")

    buyer.post("/checkout")

    assert stock_of("MUG") == 5
    assert buyer.get("/cart").json()["items"] == {"MUG": 1}
