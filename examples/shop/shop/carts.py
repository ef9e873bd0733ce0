"""Carts live in the cache, as JSON, until they are bought or expire."""

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.cache import Cache
from shop.errors import ConflictError, NotFoundError
from shop.models import Product, Stock

MAX_QUANTITY = 999


@dataclass(frozen=True)
class Carts:
    """All carts of the shop, each a mapping of SKU to quantity."""

    cache: Cache
    prefix: str
    ttl_seconds: float

    def read(self, customer_id: int) -> dict[str, int]:
        text = self.cache.get(self._key(customer_id))
        return json.loads(text) if text else {}

    def add(self, customer_id: int, sku: str, quantity: int, *, session: Session) -> dict[str, int]:
        """Put more of a product into the cart.

        Raises:
            NotFoundError: There is no such product, or it is no longer sold.
            ConflictError: The cart would hold more than is in stock.
        """
        # Read, change, write: two devices of one customer can overtake each other between the
        # read and the write. tests/integration/test_cart.py shows it, now and then.
        cart = self.read(customer_id)
        wanted = cart.get(sku, 0) + quantity
        require_stock(sku, wanted, session=session)
        return self._write(customer_id, cart | {sku: wanted})

    def set_quantity(self, customer_id: int, sku: str, quantity: int, *, session: Session) -> dict[str, int]:
        """Hold exactly this many of a product; 0 takes it out."""
        cart = self.read(customer_id)
        if sku not in cart:
            raise NotFoundError(f"{sku} is not in the cart.")
        if quantity == 0:
            return self._write(customer_id, {key: count for key, count in cart.items() if key != sku})
        require_stock(sku, quantity, session=session)
        return self._write(customer_id, cart | {sku: quantity})

    def empty(self, customer_id: int) -> None:
        self.cache.remove(self._key(customer_id))

    def seconds_left(self, customer_id: int) -> float | None:
        """How long the cart will be kept; None where there is none."""
        return self.cache.seconds_left(self._key(customer_id))

    def _write(self, customer_id: int, cart: dict[str, int]) -> dict[str, int]:
        self.cache.put(self._key(customer_id), json.dumps(cart), ttl_seconds=self.ttl_seconds)
        return cart

    def _key(self, customer_id: int) -> str:
        return f"{self.prefix}{customer_id}"


def require_stock(sku: str, wanted: int, *, session: Session) -> None:
    statement = select(Stock.quantity).join(Product).where(Product.sku == sku, Product.is_active)
    available = session.scalar(statement)
    if available is None:
        raise NotFoundError(f"There is no product {sku}.")
    if wanted > min(available, MAX_QUANTITY):
        raise ConflictError(f"Only {min(available, MAX_QUANTITY)} of {sku} can be ordered, not {wanted}.")
