"""The payment provider's API: charges and refunds, tried again when the line is bad."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from shop.errors import PaymentDeclinedError, PaymentUnavailableError

# 429 and the gateway errors pass; every other answer is the provider's last word.
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class PaymentClient:
    """Speaks to the provider. Every charge carries a key, so that a repeated one is taken only once.

    Attributes:
        http: Knows the provider's base URL and the timeout of one try.
        attempts: Tries in all, 1 or more.
        backoff_seconds: Pause after the first failed try; doubles after each.
    """

    http: httpx.Client
    attempts: int
    backoff_seconds: float
    pause: Callable[[float], None] = time.sleep

    def charge(self, *, order_id: int, amount_cents: int) -> str:
        """Take the money; the provider's reference.

        Raises:
            PaymentDeclinedError: The provider said no. Trying again would not help.
            PaymentUnavailableError: No usable answer after all attempts.
        """
        body = {"order": order_id, "amount_cents": amount_cents}
        return self._post("/charges", body, key=f"order-{order_id}")["reference"]

    def refund(self, reference: str, *, amount_cents: int, already_refunded_cents: int) -> None:
        key = f"refund-{reference}-{already_refunded_cents}-{amount_cents}"
        self._post("/refunds", {"reference": reference, "amount_cents": amount_cents}, key=key)

    def _post(self, path: str, body: dict[str, Any], *, key: str) -> dict[str, Any]:
        reason = ""
        for attempt in range(self.attempts):
            if attempt:
                self.pause(self.backoff_seconds * 2 ** (attempt - 1))
            try:
                response = self.http.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                reason = type(error).__name__
                continue
            if response.status_code not in RETRIED_STATUSES:
                return _answer(response)
            reason = f"status {response.status_code}"
        raise PaymentUnavailableError(f"The payment provider did not answer ({reason}, {self.attempts} attempts).")


def make_payment_client(
    url: str, *, timeout_seconds: float, attempts: int, backoff_seconds: float
) -> PaymentClient | None:
    """None where no provider is set."""
    if not url:
        return None
    return PaymentClient(httpx.Client(base_url=url, timeout=timeout_seconds), attempts, backoff_seconds)


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.status_code == 402:
        raise PaymentDeclinedError(response.json().get("reason", "declined"))
    if response.is_error:
        raise PaymentUnavailableError(f"The payment provider refused the request ({response.status_code}).")
    return response.json()
