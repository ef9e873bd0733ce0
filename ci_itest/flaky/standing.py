"""How a case stands: its rate of flaky failures with an interval, and its word."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ci_itest.flaky.assumptions import LEVELS
from ci_itest.flaky.weights import Weights, levels_of

_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a case fails by itself, if it is not healthy: the mean, and where it lies with 19 of 20 chances."""

    mean: float
    low: float
    high: float


def flake_rate(weights: Weights) -> Rate:
    """The rate of a case that is taken to be flaky."""
    levels, flaky = LEVELS[1:], levels_of(weights)[1:]
    total = sum(flaky)
    if total <= 0:
        return Rate(levels[0], levels[0], levels[0])
    shares = [weight / total for weight in flaky]
    mean = sum(level * share for level, share in zip(levels, shares, strict=True))
    low, high = _place(shares, _TAIL), _place(shares, 1 - _TAIL)
    # A level stands for the rates around it: up to half way, on the scale of ratios, to its neighbours.
    lowest = sqrt(levels[low] * levels[low - 1]) if low else levels[0] / 2
    highest = sqrt(levels[high] * levels[high + 1]) if high + 1 < len(levels) else 1.0
    return Rate(mean, min(lowest, mean), max(highest, mean))


def _place(shares: list[float], at: float) -> int:
    """The level at which the shares reach a quantile."""
    reached = 0.0
    for place, share in enumerate(shares):
        reached += share
        if reached >= at:
            return place
    return len(shares) - 1
