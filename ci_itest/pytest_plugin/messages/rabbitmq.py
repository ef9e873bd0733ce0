"""RabbitMQ: queues (`orders`), and exchanges by routing key (`exchange:orders/placed`)."""

from __future__ import annotations

from typing import Any

from ci_itest.pytest_plugin.messages.broker import Broker, Inbox, encoded

EXCHANGE = "exchange:"


class RabbitBroker(Broker):
    """A queue that is not there is declared, durable; one that the app declared is taken as it is."""

    def __init__(self, url: str) -> None:
        import pika

        super().__init__()
        self._pika: Any = pika
        self._connection: Any = pika.BlockingConnection(pika.URLParameters(url))
        self._channel: Any = self._connection.channel()

    def publish(self, name: str, message: Any) -> None:
        exchange, key = _exchange_and_key(name)
        if not exchange:
            self._declare(name)
        self._channel.basic_publish(exchange, key, encoded(message))

    def declare_with_dead_letters(self, name: str, *, dead: str) -> None:
        """A queue whose refused and expired messages go to the queue `dead`."""
        self._declare(dead)
        self.names |= {name, dead}
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        self._channel.queue_declare(name, durable=True, arguments=arguments)

    def reject(self, name: str) -> None:
        """Take the next message of a queue and refuse it for good, as a consumer does that cannot handle it."""
        method, _properties, _body = self._channel.basic_get(name)
        if method is not None:
            self._channel.basic_reject(method.delivery_tag, requeue=False)

    def _listen(self, name: str) -> Inbox:
        exchange, key = _exchange_and_key(name)
        if exchange:
            queue = self._channel.queue_declare("", exclusive=True).method.queue
            self._channel.queue_bind(queue, exchange, key or "#")
            return _Queue(name, self._channel, queue)
        self._declare(name)
        return _Queue(name, self._channel, name)

    def _declare(self, name: str) -> None:
        self.names.add(name)
        try:
            self._channel.queue_declare(name, passive=True)
        except self._pika.exceptions.ChannelClosedByBroker:
            self._channel = self._connection.channel()
            self._channel.queue_declare(name, durable=True)

    def _purge(self, name: str) -> None:
        if not name.startswith(EXCHANGE):
            self._channel.queue_purge(name)

    def close(self) -> None:
        self._connection.close()


class _Queue(Inbox):
    def __init__(self, name: str, channel: Any, queue: str) -> None:
        super().__init__(name)
        self._channel = channel
        self._queue = queue

    def _take(self) -> list[bytes]:
        found: list[bytes] = []
        while True:
            method, _properties, body = self._channel.basic_get(self._queue, auto_ack=True)
            if method is None:
                return found
            found.append(body)


def _exchange_and_key(name: str) -> tuple[str, str]:
    if not name.startswith(EXCHANGE):
        return "", name
    exchange, _, key = name.removeprefix(EXCHANGE).partition("/")
    return exchange, key
