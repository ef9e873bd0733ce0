"""A reporting service on loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from ci_itest.service.app import create_app
from ci_itest.service.oidc import FetchKeys, fetch_keys
from ci_itest.service.settings import ServiceSettings

START_SECONDS = 60.0


@contextmanager
def serving(
    settings: ServiceSettings, *, clock: Callable[[], float] = time.time, fetch: FetchKeys = fetch_keys, port: int = 0
) -> Iterator[str]:
    """The service's address while it runs."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        app = create_app(settings, clock=clock, fetch=fetch)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            _await(lambda: server.started or not thread.is_alive())
            assert server.started, "the service did not start"
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _await(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.01)
