from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from ci_itest.waiting import DeadlinePassed, wait_until, within


class Clock:
    """Time that passes only while something waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_ends_when_the_check_is_content() -> None:
    clock = Clock()
    answers: Iterator[str] = iter(["refused", "starting up", ""])

    waited = wait_until(lambda: next(answers), within_seconds=9, every_seconds=0.5, clock=clock, pause=clock.pause)

    assert waited == 1.0


def test_a_deadline_says_what_was_last_seen() -> None:
    clock = Clock()

    with pytest.raises(DeadlinePassed, match="starting up") as passed:
        wait_until(lambda: "starting up", within_seconds=2, every_seconds=0.5, clock=clock, pause=clock.pause)

    assert passed.value.seconds == 2.0


def test_pauses_grow_with_what_was_waited_up_to_the_slowest() -> None:
    clock, asked_at = Clock(), []

    def check() -> str:
        asked_at.append(clock())
        return "" if clock() > 5 else "not yet"

    wait_until(check, within_seconds=9, every_seconds=0.02, slowest_seconds=0.05, clock=clock, pause=clock.pause)

    pauses = [round(later - earlier, 6) for earlier, later in pairwise(asked_at)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.02, 0.05)


def test_a_check_that_takes_long_is_made_less_often() -> None:
    clock, asked_at = Clock(), []

    def check() -> str:
        asked_at.append(clock())
        clock.pause(0.1)  # what it takes
        return "" if len(asked_at) == 3 else "not yet"

    wait_until(check, within_seconds=9, every_seconds=0.02, slowest_seconds=0.15, clock=clock, pause=clock.pause)

    assert [round(later - earlier, 3) for earlier, later in pairwise(asked_at)] == [0.2, 0.2]


def test_the_check_is_made_even_when_there_is_no_time() -> None:
    assert wait_until(lambda: "", within_seconds=0) >= 0


def test_an_action_that_ends_in_time_gives_its_value() -> None:
    assert within(10, lambda: "done") == "done"


def test_what_an_action_raises_is_raised_where_it_is_waited_for() -> None:
    with pytest.raises(ZeroDivisionError):
        within(10, lambda: 1 // 0)


def test_an_action_that_does_not_come_back_is_given_up() -> None:
    never = threading.Event()

    with pytest.raises(TimeoutError, match="no end after 0 s"):
        within(0.01, never.wait)
