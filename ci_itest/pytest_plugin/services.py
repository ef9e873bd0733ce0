"""The fixture `service`: what a test knows of a service, whoever started it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ci_itest.model.services import Endpoint
from ci_itest.pytest_plugin.activity import activity_of
from ci_itest.pytest_plugin.session import session_of, told_plainly

_SHOWN_LINES = 30


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        url: With user, password and database; "" where the service has no address of a known form.
        ports: Its further published ports by name (mailpit: `smtp`).
    """

    name: str
    host: str
    port: int
    url: str = field(repr=False)
    credentials: dict[str, str] = field(repr=False)
    ports: dict[str, int]
    container: str = ""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def user(self) -> str:
        return self.credentials.get("user", "")

    @property
    def password(self) -> str:
        return self.credentials.get("password", "")

    @property
    def database(self) -> str:
        """Its main database, which all workers share; `database` the fixture is the worker's own."""
        return self.credentials.get("database", "")

    def logs(self, *, since: float = 0.0, lines: int | None = None) -> str:
        """What the service wrote, "" where it runs in no container of ours.

        Args:
            since: In seconds since 1970.
            lines: Only so many last ones.
        """
        if not self.container:
            return ""
        from ci_itest.containers.engine import Engine

        engine = Engine.connect(os.environ)
        try:
            return "\n".join(engine.log_lines(self.container, since=since, tail=lines))
        finally:
            engine.close()


def service_fixture(config: pytest.Config) -> Callable[[str], Service]:
    """What the fixture gives: a service by its name in the settings."""

    def service(name: str) -> Service:
        with told_plainly():
            session = session_of(config)
            found = service_of(session.endpoint(name), container=session.started.containers.get(name, ""))
            session.fill_environment()
            activity = activity_of(config)
            activity.sources[f"log of {name}"] = lambda: found.logs(since=activity.started_at, lines=_SHOWN_LINES)
            return found

    return service


def service_of(endpoint: Endpoint, *, container: str) -> Service:
    """The endpoint as tests see it."""
    return Service(
        endpoint.name,
        endpoint.host,
        endpoint.port,
        endpoint.url,
        dict(endpoint.credentials),
        dict(endpoint.ports),
        container,
    )
