"""What every request handler is given: `Service`, and how a handler gets at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ci_itest.history.sql import SqlHistory
from ci_itest.service.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Service:
    """The running service.

    Attributes:
        clock: Seconds since 1970.
    """

    settings: ServiceSettings
    history: SqlHistory
    clock: Callable[[], float]


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Running = Annotated[Service, Depends(_service)]
"""Type of a handler's argument that is the running service."""
