"""Webhooks: signed, to public https addresses alone, kept until they are delivered, given up after ten tries."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from ci_itest.errors import HistoryError
from ci_itest.history.tenancy import Delivery, ServiceStore
from ci_itest.model.tenant import Tenant

SIGNATURE = "X-CI-ITEST-Signature-256"
ROUND_SECONDS = 5.0
_SEND_SECONDS = 10.0
_log = logging.getLogger("ci_itest.service")

Post = Callable[[str, bytes, Mapping[str, str]], int]
"""Sends a body to an address and says the status; OSError when nobody answers."""


def signature(secret: str, body: bytes) -> str:
    """What a receiver compares with: `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """A thread that delivers what is kept to be delivered.

    Args:
        secret: What deliveries are signed with.
        urls: Where each goes.
        post: How one is sent.
        clock: Seconds since 1970.
    """

    def __init__(
        self, store: ServiceStore, *, secret: str, urls: tuple[str, ...], post: Post, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._secret = secret
        self._urls = urls
        self._post = post
        self._clock = clock
        self._wakes = threading.Event()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        if self._urls:
            self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._wakes.set()
        if self._urls:
            self._thread.join(2 * _SEND_SECONDS)

    def tell(self, tenant: Tenant, event: str, facts: Mapping[str, object]) -> None:
        """Have an event told to all who asked for it."""
        if not self._urls:
            return
        body = json.dumps({"event": event, "repository": tenant.name, **facts}, sort_keys=True).encode()
        now_us = int(self._clock() * 1e6)
        for url in self._urls:
            self._store.add_delivery(tenant, url=url, event=event, body=body, at_us=now_us)
        self._wakes.set()

    def deliver(self) -> int:
        """Send what is due; how many arrived."""
        now_us = int(self._clock() * 1e6)
        count = 0
        for delivery in self._store.due_deliveries(now_us=now_us):
            is_there = self._send(delivery)
            count += is_there
            # Half a minute, one, two, four … after each try that failed.
            later_us = now_us + int(30e6 * 2 ** min(delivery.tries, 10))
            self._store.end_delivery(delivery.number, is_delivered=is_there, next_us=later_us)
        return count

    def _send(self, delivery: Delivery) -> bool:
        headers = {
            "Content-Type": "application/json",
            "X-CI-ITEST-Event": delivery.event,
            "X-CI-ITEST-Delivery": str(delivery.number),
            SIGNATURE: signature(self._secret, delivery.body),
        }
        try:
            return 200 <= self._post(delivery.url, delivery.body, headers) < 300
        except (OSError, http.client.HTTPException, ValueError) as error:
            _log.info("A webhook was not delivered: %s", type(error).__name__)
            return False

    def _work(self) -> None:
        while not self._ends.is_set():
            self._wakes.wait(ROUND_SECONDS)
            self._wakes.clear()
            try:
                self.deliver()
            except HistoryError as error:
                _log.warning("Webhooks were put off: %s", error.message)


def post_publicly(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send to a public https address; no redirect is followed, and the address that was looked at is connected to.

    Raises:
        OSError: It is another kind of address, or nobody answers.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise OSError("a webhook goes to https:// alone")
    port = parts.port or 443
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    if any(not ip_address(one[4][0]).is_global for one in found):
        raise OSError("a webhook does not go to a private address")
    connection = http.client.HTTPSConnection(parts.hostname, port, timeout=_SEND_SECONDS)
    plain = socket.create_connection((address, port), timeout=_SEND_SECONDS)
    connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body=body, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()
