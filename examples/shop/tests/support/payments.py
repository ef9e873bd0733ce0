"""A stand-in for the payment provider: a real HTTP server that answers as a test tells it to."""

import json
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from support.polling import eventually

# No other answer of the stub has it, and nobody is left to read it.
SILENT_STATUS = 408


@dataclass(frozen=True)
class PaymentStub:
    """The provider, and what it owes an answer to.

    Attributes:
        released: Set at the end of a test, so that no silent request hangs longer than that.
        held: The requests that `keeps_silent` has taken.
    """

    server: HTTPServer
    released: Event = field(default_factory=Event)
    held: list[Request] = field(default_factory=list)

    def approves(self) -> None:
        """Every charge and refund is taken."""
        self.server.expect_request("/charges", method="POST").respond_with_handler(_approve)
        self.server.expect_request("/refunds", method="POST").respond_with_json({"reference": "refund"})

    def declines(self, reason: str) -> None:
        self.server.expect_request("/charges", method="POST").respond_with_json({"reason": reason}, status=402)

    def fails(self, *, status: int, times: int) -> None:
        """The next so many requests get this status, whatever comes after."""
        for _ in range(times):
            self.server.expect_oneshot_request("/charges", method="POST").respond_with_data("", status=status)

    def keeps_silent(self, *, times: int) -> None:
        """The next so many requests are accepted and not answered before the test is over."""

        def wait(request: Request) -> Response:
            self.held.append(request)
            self.released.wait(timeout=10)
            return Response(status=SILENT_STATUS)

        for _ in range(times):
            self.server.expect_oneshot_request("/charges", method="POST").respond_with_handler(wait)

    def reset(self) -> None:
        """Let go of silent requests, wait until they are through, and forget everything."""
        self.released.set()
        eventually(self._silent_answers, is_fine=lambda count: count == len(self.held), within_seconds=5)
        self.server.clear()

    def _silent_answers(self) -> int:
        return sum(response.status_code == SILENT_STATUS for _request, response in self.server.log)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies received so far, in order."""
        return [json.loads(request.get_data()) for request, _response in self.server.log]

    @property
    def keys(self) -> list[str]:
        """The idempotency keys received so far, in order."""
        return [request.headers["Idempotency-Key"] for request, _response in self.server.log]


def _approve(request: Request) -> Response:
    order = json.loads(request.get_data())["order"]
    return Response(json.dumps({"reference": f"charge-{order}"}), content_type="application/json")
