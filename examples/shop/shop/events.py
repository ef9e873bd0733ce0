"""What the shop tells others: streams in Redis, one entry for each event. Without Redis nobody is told."""

import json
from typing import Any, Protocol

ORDERS_PLACED = "orders.placed"


class Events(Protocol):
    def tell(self, stream: str, message: dict[str, Any]) -> None: ...


class NoEvents:
    """For a shop without Redis."""

    def tell(self, stream: str, message: dict[str, Any]) -> None:
        pass


class RedisEvents:
    """Entries hold the message as JSON in the field `message`."""

    def __init__(self, url: str) -> None:
        import redis  # half a second, which a shop without it need not spend

        self.redis = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)

    def tell(self, stream: str, message: dict[str, Any]) -> None:
        self.redis.xadd(stream, {"message": json.dumps(message)})


def make_events(redis_url: str) -> Events:
    return RedisEvents(redis_url) if redis_url else NoEvents()
