"""Receipts: what happens after a checkout, from the message to the file that the customer downloads."""

import os
import urllib.request

import pytest
from shop.errors import NotFoundError
from shop.orders import find_order

pytestmark = pytest.mark.integration
needs_redis = pytest.mark.skipif("not os.environ.get('REDIS_URL')", reason="There is no broker without Redis.")
assert os  # used by the condition above, which is looked at when the services are there


@pytest.fixture
def receipts(app, bucket):
    """The consumer, writing into the bucket of this test."""
    from shop.receipts import Receipts

    return Receipts(app.state.sessions, bucket.client, bucket.name)


@pytest.fixture
def order(customer, seed):
    return seed.order(customer, seed.product("MUG", price_cents=1250), quantity=2)


def test_a_paid_order_gets_a_receipt_that_can_be_downloaded(deliver, receipts, bucket, order) -> None:
    key = deliver({"order": order.id}, to=receipts.on_order_placed)

    with urllib.request.urlopen(bucket.link(key)) as download:
        assert download.read().decode() == f"Order {order.id}\n2 x MUG  25.00\nTotal  25.00\n"


def test_an_order_that_is_not_there_gets_none(deliver, receipts, bucket) -> None:
    with pytest.raises(NotFoundError):
        deliver({"order": 404}, to=receipts.on_order_placed)

    assert bucket.keys() == []


def test_an_order_is_read_with_its_lines(db_session, order) -> None:
    found = find_order(db_session, order.id)

    assert [(line.quantity, line.product.sku) for line in found.lines] == [(2, "MUG")]


@needs_redis
def test_a_checkout_is_told_to_others(as_customer, customer, seed, payments, messages, settings) -> None:
    payments.approves()
    placed = messages("redis").listen(settings.orders_stream)
    seed.product("MUG", price_cents=1250)
    as_customer.post("/cart/items", json={"sku": "MUG", "quantity": 2})

    order = as_customer.post("/checkout").json()

    assert placed.next() == {"order": order["id"], "customer": customer.id, "total_cents": 2500}


@needs_redis
def test_the_worker_writes_a_receipt_for_each_message(messages, service, settings, receipts, bucket, order) -> None:
    from shop.events import RedisEvents
    from shop.worker import work

    messages("redis").publish(settings.orders_stream, {"order": order.id})

    assert work(RedisEvents(service("redis").url), receipts.on_order_placed, stream=settings.orders_stream) == 1
    assert bucket.keys("receipts/") == [f"receipts/{order.id}.txt"]


@needs_redis
def test_a_message_that_cannot_be_handled_is_given_up_with_its_reason(messages, service, settings, receipts) -> None:
    from shop.events import RedisEvents
    from shop.worker import work

    broker = messages("redis")
    broker.publish(settings.orders_stream, {"order": 404})

    work(RedisEvents(service("redis").url), receipts.on_order_placed, stream=settings.orders_stream)

    assert broker.dead_letter(f"{settings.orders_stream}.dead", order=404)["why"] == "There is no order 404."
