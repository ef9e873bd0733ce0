"""Prices without a database."""

import pytest
from shop.pricing import percent_of, price


def test_a_small_order_costs_the_sum_of_its_lines() -> None:
    assert price([(2, 1250), (1, 499)]).total_cents == 2999


def test_an_order_above_the_threshold_is_ten_percent_cheaper() -> None:
    cost = price([(3, 50_00)])

    assert (cost.subtotal_cents, cost.discount_cents, cost.total_cents) == (150_00, 15_00, 135_00)


@pytest.mark.parametrize(("cents", "share"), [(10_000, 1000), (10_004, 1000), (10_005, 1001)])
def test_half_a_cent_of_discount_goes_to_the_customer(cents: int, share: int) -> None:
    assert percent_of(cents, 10) == share
