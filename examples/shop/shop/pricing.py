"""What an order costs. Pure arithmetic on whole cents."""

from collections.abc import Iterable
from dataclasses import dataclass

VOLUME_THRESHOLD_CENTS = 100_00
VOLUME_DISCOUNT_PERCENT = 10


@dataclass(frozen=True)
class Price:
    subtotal_cents: int
    discount_cents: int

    @property
    def total_cents(self) -> int:
        return self.subtotal_cents - self.discount_cents


def price(lines: Iterable[tuple[int, int]], *, counts_threshold: bool = True) -> Price:
    """The price of (quantity, unit price in cents) pairs, with 10 % off from 100.00 on.

    Args:
        counts_threshold: Whether exactly 100.00 is already enough.
    """
    subtotal_cents = sum(quantity * unit_price_cents for quantity, unit_price_cents in lines)
    threshold_cents = VOLUME_THRESHOLD_CENTS if counts_threshold else VOLUME_THRESHOLD_CENTS + 1
    is_discounted = subtotal_cents >= threshold_cents
    return Price(subtotal_cents, percent_of(subtotal_cents, VOLUME_DISCOUNT_PERCENT) if is_discounted else 0)


def percent_of(cents: int, percent: int) -> int:
    """A share in whole cents; half a cent goes to the customer."""
    return (cents * percent + 50) // 100
