"""The provider's side: the shop gives what the storefront relies on, each state made by rows in its database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pact import Verifier


def test_the_shop_keeps_its_contract_with_the_storefront(own_app: str, seed: Callable[..., Any], pacts: Path) -> None:
    def order_is_paid(**_state: Any) -> None:
        seed("orders", id=1, state="paid")

    verifier = Verifier("shop", host="127.0.0.1").add_transport(url=own_app).add_source(pacts)
    verifier.state_handler({"order 1 is paid": order_is_paid}, teardown=False)

    verifier.verify()
