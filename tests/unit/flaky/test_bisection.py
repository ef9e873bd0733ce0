"""Culprits are found, whatever else ran, and what is not sure is said with its confidence."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_itest.flaky.bisection import Answer, Bisected, Search

CASES = tuple(f"case-{number:03}" for number in range(199))


def fails_after(*culprits: str) -> Callable[[Sequence[str]], bool]:
    return lambda cases: set(culprits) <= set(cases)


def found(probe: Callable[[Sequence[str]], bool], cases: Sequence[str] = CASES) -> Bisected:
    return Search(cases, probe).run()


@given(places=st.sets(st.integers(0, 40), min_size=1, max_size=5), size=st.integers(41, 60))
def test_any_culprits_are_found_in_their_order(places: set[int], size: int) -> None:
    culprits = tuple(CASES[place] for place in sorted(places))

    end = found(fails_after(*culprits), CASES[:size])

    assert (end.answer, end.culprits) == (Answer.ORDER, culprits)


@pytest.mark.parametrize(("places", "most"), [((120,), 18), ((3, 180), 30), ((0, 90, 198), 45)])
def test_few_probes_find_few_culprits_among_many(places: tuple[int, ...], most: int) -> None:
    end = found(fails_after(*(CASES[place] for place in places)))

    assert len(end.culprits) == len(places)
    assert end.probes <= most


@given(
    spoils=st.integers(0, 30), mends=st.integers(0, 30), spoils_again=st.integers(0, 30)
)  # fmt: skip
def test_a_case_that_undoes_anothers_doings_leads_nowhere_wrong(spoils: int, mends: int, spoils_again: int) -> None:
    def fails(cases: Sequence[str]) -> bool:
        is_spoilt = False
        for case in cases:
            is_spoilt = (is_spoilt or case in (CASES[spoils], CASES[spoils_again])) and case != CASES[mends]
        return is_spoilt

    end = found(fails, CASES[:31])

    if fails(CASES[:31]):
        assert len(end.culprits) == 1
        assert fails(end.culprits)
    else:
        assert end.answer is Answer.NEVER


def test_either_of_two_is_enough_and_one_is_named() -> None:
    end = found(lambda cases: CASES[4] in cases or CASES[9] in cases)

    assert len(end.culprits) == 1


def test_a_case_that_fails_by_itself_has_no_culprit() -> None:
    end = found(lambda _cases: True)

    assert (end.answer, end.culprits, end.alone.rate) == (Answer.ALONE, (), 1.0)


def test_a_case_that_does_not_fail_again_is_not_blamed_on_anything() -> None:
    end = found(lambda _cases: False)

    assert (end.answer, end.with_culprits.failed, end.with_culprits.runs) == (Answer.NEVER, 0, 30)


def test_with_nothing_before_it_the_case_alone_is_judged() -> None:
    assert found(lambda _cases: True, ()).answer is Answer.ALONE
    assert found(lambda _cases: False, ()).answer is Answer.NEVER


@pytest.mark.parametrize("rate", [0.8, 0.5, 0.3])
def test_a_failure_that_comes_sometimes_is_traced_as_surely_as_stated(rate: float) -> None:
    right = 0
    for seed in range(100):
        drawn = random.Random(seed)

        def probe(cases: Sequence[str], drawn: random.Random = drawn) -> bool:
            return CASES[70] in cases and drawn.random() < rate

        end = found(probe)
        right += end.answer is Answer.ORDER and end.culprits == (CASES[70],)

    assert right >= 90


def test_what_is_known_of_the_rates_is_told() -> None:
    drawn = random.Random(1)

    end = found(lambda cases: CASES[70] in cases and drawn.random() < 0.5)

    assert end.confidence == 0.99
    assert 0.2 < end.with_culprits.rate < 0.8
    assert end.alone.failed == 0
    assert end.alone.runs >= math.log(0.01) / math.log(1 - end.with_culprits.rate)


def test_broken_off_it_has_the_fewest_cases_that_were_seen_to_fail() -> None:
    told: list[tuple[str, ...]] = []
    asked: list[Sequence[str]] = []

    def probe(cases: Sequence[str]) -> bool:
        asked.append(cases)
        if len(asked) == 8:
            raise KeyboardInterrupt
        return CASES[70] in cases

    search = Search(CASES, probe, told=told.append)
    with pytest.raises(KeyboardInterrupt):
        search.run()

    assert not search.so_far.is_whole
    assert search.so_far.culprits == told[-1]
    assert CASES[70] in told[-1]
    assert len(told[-1]) < len(CASES) / 2
    assert [len(cases) for cases in told] == sorted((len(cases) for cases in told), reverse=True)


def test_broken_off_before_the_first_failure_it_has_nothing() -> None:
    assert Search(CASES, lambda _cases: False).so_far.answer is Answer.NEVER
