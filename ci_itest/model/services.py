"""Containers as asked for and as they run: `ServiceSpec`, `ReadyCheck`, `Endpoint`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReadyCheck:
    """When a service counts as ready.

    Attributes:
        kind: `preset` (speaks the image's own protocol), `http`, `port`, `command`, `log` or `healthcheck`; further
            `answers` (the app's warm-up) and `started` (nothing more than that it runs).
        value: For `preset` the protocol's name, for `http` and `answers` a path, for `command` a shell command run
            inside the container, for `log` a regular expression; "" for the others.
    """

    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One container to start, every default of its image's preset filled in.

    Attributes:
        port: The port the service listens on inside its container, 0 for none.
        command: Arguments after the image's entrypoint, empty for the image's own.
        tmpfs: Paths inside the container that are kept in memory.
        url: Template of the address tests use (`{host}` and `{port}` stand for the published ones); "" for none.
        credentials: `user`, `password`, `database` … where the image has them; hidden from repr.
        needs: Names of services that must be ready before this one starts.
        ready_seconds: How long it may take from start to ready.
        ports: Further ports inside the container, by name (mailpit: `smtp`).
        cpus: Processor cores it may use at most, 0 for no limit.
        memory_bytes: Memory it may use at most, swap included; 0 for no limit.
        network_port: Where other containers of its network are served, where that is another port; else 0.
        is_app: Whether it is the team's own server.
        prepared: Image on the engine to start instead of `image`, made from it, with its data prepared; "" for none.
        prepared_from: Digest of `image` in that case.
        keeps_port: Whether it is published on the same port when it is stopped and started again.
    """

    name: str
    image: str
    ready: ReadyCheck
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    url: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    needs: tuple[str, ...] = ()
    ready_seconds: float = 60.0
    ports: Mapping[str, int] = field(default_factory=dict)
    cpus: float = 0.0
    memory_bytes: int = 0
    network_port: int = 0
    is_app: bool = False
    prepared: str = ""
    prepared_from: str = ""
    keeps_port: bool = False

    @property
    def title(self) -> str:
        """How a message calls it."""
        return f"{'App' if self.is_app else 'Service'} {self.name}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running service as tests see it.

    Attributes:
        url: With credentials, so hidden from repr; "" where the service has none.
        image: As named in the settings.
        digest: Content address of the image that runs (`sha256:…`), "" where the engine knows none.
        ready_seconds: From the request to start it until it was ready.
        ports: Published ports of the spec's further ports, by the same names.
    """

    name: str
    host: str
    port: int
    url: str = field(default="", repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str = ""
    digest: str = ""
    ready_seconds: float = 0.0
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"
