"""The demonstration's suite and schedule: the same for a seed, and like a real one in what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from random import Random

from ci_itest.service.demo.schedule import Scheduled, schedule
from ci_itest.service.demo.suite import MAIN, demo_suite

UNTIL = datetime(2026, 3, 4, 12, tzinfo=UTC)


def scheduled(seed: int = 11, count: int = 240) -> list[Scheduled]:
    random = Random(seed)
    return list(schedule(random, demo_suite(random), count=count, until=UNTIL))


def test_every_case_has_a_name_of_its_own_and_a_few_flake() -> None:
    suite = demo_suite(Random(1))

    assert len({one.case for one in suite}) == len(suite) > 200
    assert 0.02 < sum(one.flake is not None for one in suite) / len(suite) < 0.08


def test_runs_are_in_order_and_end_shortly_before_the_time_asked_for() -> None:
    runs = scheduled()

    assert len(runs) == 240
    assert all(one.started_at < other.started_at for one, other in pairwise(runs))
    assert 0 < (UNTIL - runs[-1].started_at).total_seconds() < 3600
    assert 20 < (UNTIL - runs[0].started_at).days < 50


def test_a_second_attempt_is_of_the_very_same_code() -> None:
    runs = scheduled()
    again = [(first, second) for first, second in pairwise(runs) if second.attempt == 2]

    assert again
    for first, second in again:
        assert (first.number, first.commit, first.broken) == (second.number, second.commit, second.broken)


def test_main_has_nearly_half_of_the_runs_and_is_rarely_broken() -> None:
    main = [run for run in scheduled() if run.branch == MAIN]

    assert 80 < len(main) < 160
    assert sum(bool(run.broken) for run in main) / len(main) < 0.3


def test_equal_seeds_make_equal_histories() -> None:
    assert scheduled(7) == scheduled(7)
    assert scheduled(7) != scheduled(8)
