"""Scripted servers for probes, and short ways to say what a containers test needs."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ci_itest.containers.engine import Engine
from ci_itest.containers.presets import service_specs
from ci_itest.containers.protocols.connection import Target
from ci_itest.containers.readiness import protocol_probe
from ci_itest.containers.services import RunningServices
from ci_itest.containers.starting import ServiceEvent
from ci_itest.model.services import Endpoint, ServiceSpec
from ci_itest.model.settings import ServiceSettings

Conversation = Callable[[socket.socket], None]


@contextmanager
def serving(conversation: Conversation) -> Iterator[int]:
    """The port of a server that holds this conversation with each client, then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(OSError):
                    client, _ = listening.accept()
                    with client:
                        client.settimeout(5)
                        if not over.is_set():
                            conversation(client)

        thread = threading.Thread(target=serve)
        thread.start()
        port = int(listening.getsockname()[1])
        try:
            yield port
        finally:
            over.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                pass
            thread.join()


def saying(answer: bytes) -> Conversation:
    """Reads what the client sends first, then says this, then waits for the client to hang up."""

    def conversation(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(answer)
        while client.recv(65536):
            pass

    return conversation


def greeting(answer: bytes) -> Conversation:
    """Says this before the client has sent anything."""

    def conversation(client: socket.socket) -> None:
        client.sendall(answer)
        while client.recv(65536):
            pass

    return conversation


def answering(*exchanges: tuple[bytes, bytes]) -> Conversation:
    """Expects exactly these requests, in order, and gives the answer that stands beside each."""

    def conversation(client: socket.socket) -> None:
        for request, answer in exchanges:
            if read_exactly(client, len(request)) != request:
                return
            client.sendall(answer)
        while client.recv(65536):
            pass

    return conversation


def read_exactly(client: socket.socket, size: int) -> bytes:
    """So many bytes; ConnectionError, which ends the conversation, when the client hangs up before."""
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionError("the client hung up")
        data += part
    return data


def seen_by(protocol: str, conversation: Conversation, *, seconds: float = 2.0, **credentials: str) -> str:
    """What the protocol's probe says of a server that holds this conversation."""
    with serving(conversation) as port:
        return protocol_probe(protocol, Target("127.0.0.1", port, credentials, seconds))()


def specs(**services: str | Mapping[str, Any]) -> tuple[ServiceSpec, ...]:
    """Specs from images, or from the keys of `[services.NAME]`."""
    return service_specs(
        {
            name: ServiceSettings(image=given) if isinstance(given, str) else ServiceSettings(**given)
            for name, given in services.items()
        }
    )


def spec(image: str, **settings: Any) -> ServiceSpec:
    """The spec of one service called `service`."""
    (only,) = specs(service={"image": image, **settings})
    return only


def bson(**values: float | str) -> bytes:
    """A BSON document of doubles and strings."""
    elements = b"".join(
        b"\x02" + name.encode() + b"\0" + struct.pack("<i", len(value) + 1) + value.encode() + b"\0"
        if isinstance(value, str)
        else b"\x01" + name.encode() + b"\0" + struct.pack("<d", value)
        for name, value in values.items()
    )
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def held_by(engine: Engine, run: str) -> list[str]:
    """Ids of all that the engine holds for a run."""
    label = (f"ci-itest.run={run}",)
    held = (*engine.containers(label), *engine.networks(label), *engine.volumes(label))
    return [one.id for one in held]


def log_of(services: RunningServices, name: str) -> str:
    """What a service wrote so far."""
    return "\n".join(services._engine.log_lines(services.containers[name]))


class Events:
    """Collects what `running` reports, and may act on it."""

    def __init__(self, act: Callable[[ServiceEvent], None] = lambda _event: None) -> None:
        self.seen: list[ServiceEvent] = []
        self._act = act

    def __call__(self, event: ServiceEvent) -> None:
        self.seen.append(event)
        self._act(event)

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(event.service, event.state) for event in self.seen]


def no_mask(text: str) -> str:
    return text


def probed(endpoint: Endpoint, protocol: str) -> str:
    """What a client of that protocol sees at the endpoint; "" when it is served."""
    return protocol_probe(protocol, Target(endpoint.host, endpoint.port, endpoint.credentials, 5.0))()
