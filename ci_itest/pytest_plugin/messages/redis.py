"""Redis and Valkey: streams (`orders`), channels of publish and subscribe (`channel:orders`)."""

from __future__ import annotations

from typing import Any

from ci_itest.pytest_plugin.messages.broker import Broker, Inbox, encoded

CHANNEL = "channel:"
_FIELD = "message"


class RedisBroker(Broker):
    """A stream's entry holds the message in the field `message`, or the fields of a flat mapping that another sent."""

    def __init__(self, url: str) -> None:
        import redis

        super().__init__()
        self._client: Any = redis.Redis.from_url(url)

    def publish(self, name: str, message: Any) -> None:
        self.names.add(name)
        if name.startswith(CHANNEL):
            self._client.publish(name.removeprefix(CHANNEL), encoded(message))
        else:
            self._client.xadd(name, {_FIELD: encoded(message)})

    def _listen(self, name: str) -> Inbox:
        if name.startswith(CHANNEL):
            return _Channel(name, self._client)
        return _Stream(name, self._client)

    def dead_letter(self, name: str, *, within: float | str = 5.0, **fields: Any) -> Any:
        """Also one that came before the test asked: a stream keeps what was sent."""
        self.names.add(name)
        return _Stream(name, self._client, begin="0").next(within=within, **fields)

    def _purge(self, name: str) -> None:
        if not name.startswith(CHANNEL):
            self._client.delete(name)

    def close(self) -> None:
        self._client.close()


class _Stream(Inbox):
    def __init__(self, name: str, client: Any, *, begin: str = "") -> None:
        super().__init__(name)
        self._client = client
        last = [] if begin else client.xrevrange(name, count=1)
        self._after: Any = last[0][0] if last else "0"

    def _take(self) -> list[bytes]:
        found = []
        for _stream, entries in self._client.xread({self.name: self._after}) or ():
            for number, fields in entries:
                self._after = number
                found.append(_message_of(fields))
        return found


def _message_of(fields: dict[bytes, bytes]) -> bytes:
    if set(fields) == {_FIELD.encode()}:
        return fields[_FIELD.encode()]
    return encoded({key.decode(): value.decode() for key, value in fields.items()})


class _Channel(Inbox):
    def __init__(self, name: str, client: Any) -> None:
        super().__init__(name)
        self._subscription = client.pubsub(ignore_subscribe_messages=True)
        self._subscription.subscribe(name.removeprefix(CHANNEL))
        # The answer to the subscription: from now on nothing is missed.
        self._subscription.get_message(timeout=5.0)

    def _take(self) -> list[bytes]:
        found = []
        while message := self._subscription.get_message(timeout=0):
            found.append(message["data"])
        return found

    def close(self) -> None:
        self._subscription.close()
