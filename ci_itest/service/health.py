"""Whether the service lives and can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from ci_itest.errors import HistoryError
from ci_itest.service.metrics import CONTENT_TYPE
from ci_itest.service.state import Running

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """`ok`, or what is wrong."""

    status: str


@router.get("/healthz")
def health() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Counters."}},
)
def metrics(service: Running) -> Response:
    """What this process counted, for Prometheus."""
    return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE})


@router.get("/readyz", responses={503: {"model": Health, "description": "The database does not answer."}})
def ready(service: Running, response: Response) -> Health:
    """The database answers too."""
    try:
        service.history.check()
    except HistoryError:
        # What exactly is wrong stands in the log: an error's words may name the database's address.
        response.status_code = 503
        return Health(status="the database does not answer")
    return Health(status="ok")
