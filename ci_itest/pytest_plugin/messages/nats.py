"""NATS: subjects, wildcards among them (`orders.*`). What nobody listens to is lost, so listen first."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

from ci_itest.pytest_plugin.messages.broker import Broker, Inbox, encoded

_SECONDS = 10.0


class NatsBroker(Broker):
    """The client is asynchronous: it lives in an event loop of a thread of its own."""

    def __init__(self, url: str) -> None:
        import nats

        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client: Any = self._run(nats.connect(url))

    def publish(self, name: str, message: Any) -> None:
        self._run(self._client.publish(name, encoded(message)))
        self._run(self._client.flush())

    def _listen(self, name: str) -> Inbox:
        inbox = _Subject(name)

        async def arrived(message: Any) -> None:
            inbox.arrived.put(message.data)

        subscription = self._run(self._client.subscribe(name, cb=arrived))
        self._run(self._client.flush())
        inbox.end = lambda: self._run(subscription.unsubscribe())
        return inbox

    def _purge(self, name: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_SECONDS)


class _Subject(Inbox):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.end: Any = None

    def _take(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.arrived.get_nowait())
            except queue.Empty:
                return found

    def close(self) -> None:
        if self.end is not None:
            end, self.end = self.end, None
            end()
