"""The payment provider as tests see it: a stub that answers as they say."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Provider:
    """What `stub_http` gives for the provider's host, in the provider's words.

    Attributes:
        stub: The host; a rule made later counts first.
    """

    stub: Any

    def approves(self, *, after_failures: int = 0, status: int = 503) -> None:
        """Every charge and refund is taken, the first so many tries excepted."""
        charges = self.stub.on("POST", "/charges")
        if after_failures:
            charges.fails(status, times=after_failures)
        charges.answers(lambda asked: {"reference": f"charge-{asked.json()['order']}"})
        self.stub.on("POST", "/refunds").returns({"reference": "refund"})

    def declines(self, reason: str) -> None:
        self.stub.on("POST", "/charges").returns({"reason": reason}, status=402)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies received so far, in order."""
        return [asked.json() for asked in self.stub.requests]

    @property
    def keys(self) -> list[str]:
        """The idempotency keys received so far, in order."""
        return [asked.request_headers["Idempotency-Key"] for asked in self.stub.requests]
