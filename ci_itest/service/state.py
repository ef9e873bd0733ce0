"""What every request handler is given: `Service`, and how a handler gets at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.service.learner import Learner
from ci_itest.service.limits import Limits
from ci_itest.service.metrics import Metrics
from ci_itest.service.oidc import TokenVerifier
from ci_itest.service.settings import ServiceSettings
from ci_itest.service.viewers import Viewers
from ci_itest.service.webhooks import Webhooks
from ci_itest.service.writer import Writer


@dataclass(frozen=True, slots=True)
class Service:
    """The running service.

    Attributes:
        clock: Seconds since 1970.
        tokens: None where no tokens of GitHub are taken.
    """

    settings: ServiceSettings
    history: SqlHistory
    clock: Callable[[], float]
    store: ServiceStore
    tokens: TokenVerifier | None
    limits: Limits
    writer: Writer
    learner: Learner
    metrics: Metrics
    viewers: Viewers
    webhooks: Webhooks

    def now(self) -> str:
        """UTC, ISO 8601."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="seconds")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Running = Annotated[Service, Depends(_service)]
"""Type of a handler's argument that is the running service."""
