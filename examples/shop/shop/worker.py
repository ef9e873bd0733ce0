"""Hears of placed orders and writes their receipts: `python -m shop.worker`, beside the app."""

import json
import os
from collections.abc import Callable
from typing import Any

from shop.database import make_engine, make_sessions
from shop.errors import ShopError
from shop.events import RedisEvents
from shop.receipts import Receipts, make_storage
from shop.settings import Settings

GROUP = "receipts"
ATTEMPTS = 3
"""A message that fails so often is given up, and lies in the stream `<stream>.dead` from then on."""


def work(events: RedisEvents, handle: Callable[[dict[str, Any]], Any], *, stream: str, wait_ms: int = 1000) -> int:
    """Handle what has come; how many messages that were."""
    try:
        events.redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except Exception as error:
        if "BUSYGROUP" not in str(error):
            raise
    count = 0
    for _stream, entries in events.redis.xreadgroup(GROUP, "worker", {stream: ">"}, count=100, block=wait_ms) or ():
        for number, fields in entries:
            _handled(events, handle, json.loads(fields["message"]), stream=stream)
            events.redis.xack(stream, GROUP, number)
            count += 1
    return count


def _handled(events: RedisEvents, handle: Callable[[dict[str, Any]], Any], message: Any, *, stream: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            handle(message)
            return
        except ShopError as error:
            if attempt == ATTEMPTS:
                events.tell(f"{stream}.dead", {**message, "why": error.message})


def main() -> None:
    settings = Settings.from_environment()
    sessions = make_sessions(make_engine(settings.database_url))
    receipts = Receipts(sessions, make_storage(), os.environ["RECEIPTS_BUCKET"])
    events = RedisEvents(settings.redis_url)
    while True:
        work(events, receipts.on_order_placed, stream=settings.orders_stream)


if __name__ == "__main__":
    main()
