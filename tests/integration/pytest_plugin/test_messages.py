"""The fixtures `messages` and `deliver`: real brokers, and handlers called directly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.fixtures import pytest_in, suite

ROUND_TRIPS = """
    import pytest

    @pytest.mark.parametrize("turn", range(2))
    def test_round_trip(messages, turn):
        broker = messages("broker")
        inbox = broker.listen("orders")
        broker.publish("orders", {"id": 1})
        broker.publish("orders", {"id": 2, "state": "paid"})
        broker.publish("orders", "text")
        assert inbox.next(state="paid") == {"id": 2, "state": "paid"}
        assert inbox.next() == "text"
        inbox.nothing(within="0.1s")

    def test_nothing_comes(messages):
        with pytest.raises(pytest.fail.Exception, match="No message with {'id': 3} in orders within 0.2; others came"):
            inbox = messages("broker").listen("orders")
            messages("broker").publish("orders", {"id": 4})
            inbox.next(within=0.2, id=3)

    def test_something_comes(messages):
        inbox = messages("broker").listen("orders")
        messages("broker").publish("orders", {"id": 4})
        with pytest.raises(pytest.fail.Exception, match="A message came in orders"):
            inbox.nothing(within=2)
"""
REDIS = """
    def test_a_channel(messages):
        inbox = messages("broker").listen("channel:prices")
        messages("broker").publish("channel:prices", {"eur": 2})
        assert inbox.next() == {"eur": 2}

    def test_an_entry_of_several_fields_and_a_dead_letter(messages, service):
        import redis
        redis.Redis.from_url(service("broker").url).xadd("dead", {"id": "7", "why": "broken"})
        assert messages("broker").dead_letter("dead", id="7")["why"] == "broken"
"""
RABBITMQ = """
    def test_a_dead_letter(messages):
        broker = messages("broker")
        broker.declare_with_dead_letters("work", dead="work.dead")
        broker.publish("work", {"id": 1})
        broker.reject("work")
        assert broker.dead_letter("work.dead", id=1) == {"id": 1}

    def test_an_exchange(messages):
        inbox = messages("broker").listen("exchange:amq.topic/orders.*")
        messages("broker").publish("exchange:amq.topic/orders.placed", {"id": 1})
        assert inbox.next() == {"id": 1}
"""
NATS = """
    def test_a_wildcard(messages):
        inbox = messages("broker").listen("orders.*")
        messages("broker").publish("orders.placed", {"id": 1})
        assert inbox.next() == {"id": 1}
"""


@pytest.mark.docker
@pytest.mark.parametrize(
    ("image", "own", "count"), [("redis:7", REDIS, 6), ("rabbitmq:3", RABBITMQ, 6), ("nats:2", NATS, 5)]
)
def test_messages_make_the_round_trip(tmp_path: Path, mirror: str, image: str, own: str, count: int) -> None:
    root = suite(tmp_path, {"tests/test_it.py": ROUND_TRIPS + own}, settings=f'[services]\nbroker = "{image}"\n')

    ran = pytest_in(root, CI_ITEST_IMAGES_MIRROR=mirror)

    assert ran.counts == {"passed": count}, ran.output


def test_a_handler_is_called_directly(tmp_path: Path) -> None:
    text = """
    import pytest

    async def later(message): return message["id"] + 1

    def test_it(deliver):
        assert deliver({"id": 1}, to=later) == 2
        assert deliver({"id": 1}, to=lambda message: message["id"]) == 1
        assert deliver({"id": 1}, to=lambda data: data, raw=True) == b'{"id": 1}'
        with pytest.raises(KeyError):
            deliver({}, to=later)
"""
    root = suite(tmp_path, {"tests/test_it.py": text})

    ran = pytest_in(root)

    assert ran.counts == {"passed": 1}, ran.output


def test_a_service_that_is_no_broker_is_refused(tmp_path: Path) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(messages): messages('db')\n"})

    ran = pytest_in(root, "--service", "db=postgresql://h/d")

    assert "messages knows no broker at postgresql://" in ran.output
