"""The network guard: this process reaches services and loopback, and stubs in place of what lies outside.

It stands at `socket.connect` and `getaddrinfo`, below every client library. What an app in another process does is out
of its reach.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


class OutsideHostError(ConnectionRefusedError):
    """A test reached for a host outside; not retried by clients that only retry what passes by itself."""


@dataclass
class NetworkGuard:
    """What may be reached, and what was refused.

    Attributes:
        allowed: Names and addresses beside loopback: services, `[network] allow`. `*.example.com` is a pattern.
        stubs: Host name to the port of loopback that answers in its place.
        refused: Messages of the running test.
        reached: Outside hosts that were let through.
    """

    allowed: frozenset[str] = frozenset()
    stubs: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def standing(self) -> Iterator[NetworkGuard]:
        """Inside the block connections to other hosts are refused."""
        connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

        def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(self_: socket.socket, address: Any) -> Any:
                return original(self_, self._admitted(self_, address))

            return call

        def resolved(host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name in self.stubs:
                return getaddrinfo("127.0.0.1", self.stubs[name], *arguments, **named)
            if name and not self._may_reach(str(name)):
                raise self._refusal(str(name), port)
            found = getaddrinfo(host, port, *arguments, **named)
            for *_, address in found:
                self._names[str(address[0])] = str(name)
            return found

        socket.socket.connect = guarded(connect)  # type: ignore[method-assign]
        socket.socket.connect_ex = guarded(connect_ex)  # type: ignore[method-assign]
        socket.getaddrinfo = resolved
        try:
            yield self
        finally:
            socket.socket.connect = connect  # type: ignore[method-assign]
            socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
            socket.getaddrinfo = getaddrinfo

    def _admitted(self, connecting: socket.socket, address: Any) -> Any:
        if connecting.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            return address
        host, port = str(address[0]), address[1]
        if host in self.stubs:
            return ("127.0.0.1", self.stubs[host])
        if self._may_reach(host) or self._names.get(host, host) in self.reached:
            return address
        raise self._refusal(host, port)

    def _may_reach(self, host: str) -> bool:
        if _is_here(host) or host in self.allowed:
            return True
        if any(pattern.startswith("*.") and host.endswith(pattern[1:]) for pattern in self.allowed):
            self.reached.add(host)
            return True
        return False

    def _refusal(self, host: str, port: Any) -> OutsideHostError:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0] or "A test"
        scheme = "https" if str(port) in ("443", "https") else "http"
        words = (
            f"{test} reaches for {host} (port {port}), which is outside.\n"
            f'Stub it: stub_http("{scheme}://{host}").on("GET", "/").returns({{}})\n'
            f'or let it through: [network] allow = ["{host}"]'
        )
        self.refused.append(words)
        return OutsideHostError(words)


def _is_here(host: str) -> bool:
    if host in ("localhost", "localhost.localdomain", "", "0.0.0.0", "::"):  # noqa: S104 - the names of here
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
