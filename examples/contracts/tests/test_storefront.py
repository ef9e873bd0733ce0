"""The consumer's side: what the storefront relies on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pact import Pact, match
from storefront import state_of


@pytest.fixture
def pact(pacts: Path) -> Iterator[Pact]:
    pact = Pact("storefront", "shop")
    yield pact
    pact.write_file(pacts)


def test_the_storefront_shows_the_state_of_an_order(pact: Pact) -> None:
    asked = pact.upon_receiving("a question for an order").given("order 1 is paid").with_request("GET", "/orders/1")
    asked.will_respond_with(200).with_body({"id": match.int(1), "state": "paid"}, content_type="application/json")

    with pact.serve() as shop:
        assert state_of(1, shop=str(shop.url).rstrip("/")) == "paid"


def test_the_storefront_knows_no_order_that_the_shop_does_not_have(pact: Pact) -> None:
    asked = pact.upon_receiving("a question for an order that is not there").with_request("GET", "/orders/9")
    asked.will_respond_with(404)

    with pact.serve() as shop:
        assert state_of(9, shop=str(shop.url).rstrip("/")) == "unknown"
