"""Rows straight into the tables; a test names only what matters to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from shop.models import Base, Customer, Order, OrderLine, Payment, Product, Stock
from shop.pricing import price

Row = TypeVar("Row", bound=Base)

# No password matches it, and no time is spent on hashing.
NO_PASSWORD = "!"


@dataclass(frozen=True)
class Seed:
    """Rows in the words of the shop.

    Attributes:
        put: Takes objects and commits them (ci-itest's `seed`), or keeps them for later (`list.append`).
    """

    put: Callable[[Any], Any]
    numbers: count = field(default_factory=lambda: count(1))

    def customer(self, *, role: str = "customer", email: str = "", password_hash: str = NO_PASSWORD) -> Customer:
        number = next(self.numbers)
        return self._keep(
            Customer(
                email=email or f"{role}-{number}@example.test",
                name=f"{role.capitalize()} {number}",
                role=role,
                password_hash=password_hash,
            )
        )

    def product(
        self,
        sku: str = "",
        *,
        name: str = "",
        category: str = "",
        price_cents: int = 1000,
        stock: int = 100,
        is_active: bool = True,
    ) -> Product:
        sku = sku or f"SKU-{next(self.numbers)}"
        product = Product(
            sku=sku,
            name=name or f"Product {sku}",
            category=category,
            price_cents=price_cents,
            is_active=is_active,
        )
        product.stock = Stock(quantity=stock)
        return self._keep(product)

    def order(self, customer: Customer, *products: Product, state: str = "paid", quantity: int = 1) -> Order:
        """An order for so many of each product; paid for unless it is pending, declined or cancelled."""
        cost = price((quantity, product.price_cents) for product in products)
        order = Order(
            customer_id=customer.id,
            state=state,
            subtotal_cents=cost.subtotal_cents,
            discount_cents=cost.discount_cents,
            total_cents=cost.total_cents,
            lines=[
                OrderLine(product_id=product.id, quantity=quantity, unit_price_cents=product.price_cents)
                for product in products
            ],
        )
        if state in ("paid", "shipped"):
            order.payment = Payment(reference=f"seeded-{next(self.numbers)}", amount_cents=cost.total_cents)
        return self._keep(order)

    def _keep(self, row: Row) -> Row:
        self.put(row)
        return row
