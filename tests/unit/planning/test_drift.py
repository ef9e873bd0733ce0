from __future__ import annotations

import pytest

from ci_itest.model.history import ShardAccuracy
from ci_itest.planning.drift import drift_of, drift_words, staleness_words

NOW = "2026-02-01T00:00:00+00:00"


def shards(*planned_and_real: tuple[float, float]) -> list[ShardAccuracy]:
    count = len(planned_and_real)
    return [
        ShardAccuracy("main", index, count, planned, real, real, "1", NOW)
        for index, (planned, real) in enumerate(planned_and_real, start=1)
    ]


@pytest.mark.parametrize("real", [126.0, 79.0])
def test_a_run_a_quarter_off_its_plan_raises_the_alarm(real: float) -> None:
    assert "Durations have drifted" in drift_words(drift_of(shards((100.0, real))))


@pytest.mark.parametrize("real", [124.0, 81.0])
def test_a_run_near_its_plan_raises_none(real: float) -> None:
    assert drift_words(drift_of(shards((100.0, real)))) == ""


def test_the_alarm_names_how_much_the_worst_shard_and_what_to_do() -> None:
    words = drift_words(drift_of(shards((100.0, 110.0), (100.0, 390.0))))

    assert "150% more" in words
    assert "shard 2/2 took 3.90 times" in words
    assert "default branch" in words


@pytest.mark.parametrize("pairs", [[], [(0.0, 50.0)], [(2.0, 9.0)]], ids=["no run", "no plan", "seconds"])
def test_what_was_not_planned_or_is_tiny_raises_none(pairs: list[tuple[float, float]]) -> None:
    assert drift_words(drift_of(shards(*pairs))) == ""


def test_an_old_history_is_said_to_be_old() -> None:
    assert "31 days old" in staleness_words("2026-01-01T00:00:00+00:00", now=NOW)


@pytest.mark.parametrize("newest", ["2026-01-25T00:00:00+00:00", ""], ids=["fresh", "none"])
def test_a_fresh_or_missing_history_is_not(newest: str) -> None:
    assert staleness_words(newest, now=NOW) == ""
