"""What is known of one case: the probability of each flake level, in 32 bytes; and what one result does to it.

Probabilities are rounded to single precision after every step, as they are stored: a history that is folded again from
its results gives the very same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from operator import mul

from ci_itest.flaky.assumptions import BROKEN_FAILS, FORGETTING, LEVELS, PRIOR, REPEATS

Weights = bytes
"""Eight probabilities that sum up to 1, level by level, as single-precision numbers."""

Bad = tuple[float, ...]
"""For each level, how likely the case is broken on a branch, if that is its level."""

NOT_BAD: Bad = (0.0,) * len(LEVELS)

_FORMAT = struct.Struct("<8f")
_PASSES = tuple(1 - level for level in LEVELS)
_REPEATS = tuple(max(level, REPEATS) for level in LEVELS)
_PRIOR_SHARE = tuple(FORGETTING * prior for prior in PRIOR)

UNKNOWN: Weights = _FORMAT.pack(*PRIOR)


@dataclass(frozen=True, slots=True)
class Explained:
    """How well each explanation accounts for one result, and what is known after it.

    Attributes:
        flaky: Weight of the case failing by itself.
        broken: Weight of the case being broken on this build.
        noise: Weight of something around the case having failed.
        weights: The case's levels afterwards.
        bad: The build's state afterwards.
    """

    flaky: float
    broken: float
    noise: float
    weights: Weights
    bad: Bad


def levels_of(weights: Weights) -> tuple[float, ...]:
    return _FORMAT.unpack(weights)


def not_healthy(weights: Weights) -> float:
    """How likely the case is anything but healthy."""
    healthy: float = _FORMAT.unpack(weights)[0]
    return max(0.0, min(1.0, 1.0 - healthy))


def after_pass(weights: Weights, *, is_new_code: bool) -> Weights:
    """What is known after the case passed on a build on which nothing spoke for it being broken."""
    return _packed(map(mul, _remembered(weights, is_new_code=is_new_code), _PASSES))


def after_result(weights: Weights, bad: Bad, *, tries: int, failed: int, noise: float, is_new_code: bool) -> Explained:
    """What is known after a case ran `tries` times on one build and failed `failed` of them.

    Args:
        bad: The build's state before the result.
        noise: How likely something around the case made it fail.
    """
    known = _remembered(weights, is_new_code=is_new_code)
    alone, broken = _by_itself(tries, failed), _when_broken(tries, failed)
    parts_flaky = [weight * (1 - state) * chance for weight, state, chance in zip(known, bad, alone, strict=True)]
    parts_broken = [weight * state * broken for weight, state in zip(known, bad, strict=True)]
    if not failed:
        noise = 0.0
    mixed_alone = [(1 - noise) * chance + noise for chance in alone] if noise else alone
    mixed_broken = (1 - noise) * broken + noise
    likely = [state * mixed_broken + (1 - state) * chance for state, chance in zip(bad, mixed_alone, strict=True)]
    return Explained(
        flaky=(1 - noise) * sum(parts_flaky),
        broken=(1 - noise) * sum(parts_broken),
        noise=noise,
        weights=_packed(map(mul, known, likely)),
        bad=tuple(
            state * mixed_broken / chance if chance > 0 else 0.0 for state, chance in zip(bad, likely, strict=True)
        ),
    )


def _remembered(weights: Weights, *, is_new_code: bool) -> tuple[float, ...]:
    known = _FORMAT.unpack(weights)
    if not is_new_code:
        return known
    return tuple((1 - FORGETTING) * weight + share for weight, share in zip(known, _PRIOR_SHARE, strict=True))


def _by_itself(tries: int, failed: int) -> tuple[float, ...]:
    """How likely a case of each level has this result on a build that is fine."""
    if not failed:
        return _PASSES
    once = tuple(level * again ** (failed - 1) for level, again in zip(LEVELS, _REPEATS, strict=True))
    if failed >= tries:
        return once
    return tuple(chance * (1 - again) for chance, again in zip(once, _REPEATS, strict=True))


def _when_broken(tries: int, failed: int) -> float:
    if not failed:
        return 1 - BROKEN_FAILS
    return BROKEN_FAILS if failed >= tries else BROKEN_FAILS * (1 - BROKEN_FAILS)


def _packed(values: Iterable[float]) -> Weights:
    found = tuple(values)
    total = sum(found)
    # Nothing explains the result (all products underflowed): what is known is given up.
    return _FORMAT.pack(*(value / total for value in found)) if total > 0 else UNKNOWN
