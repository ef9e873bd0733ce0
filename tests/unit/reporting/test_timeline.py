"""When shards, services and tests ran, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ci_itest.model.cases import Attempt, CaseResult, Outcome, Verdict, verdict_of
from ci_itest.model.run import PhaseTime, Run, ServiceTime, ShardResult, ShardState
from ci_itest.reporting.timeline import MAX_SHARDS, MAX_TESTS, Bar, Lane, ShardTimeline, TimelineView, timeline_view
from tests.helpers.runs import case_id


def clock(seconds: float) -> str:
    return f"2026-03-04T10:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"


def timed_shard(index: int = 1, *, at: float = 0.0, tests: float = 30.0, count: int = 1) -> ShardResult:
    """10 s until the tests begin, 4 s of them for services, then `tests` seconds and 2 s of clean-up."""
    return ShardResult(
        suite="main",
        index=index,
        count=count,
        plan_digest="d",
        state=ShardState.FINISHED,
        started_at=clock(at),
        seconds=12.0 + tests,
        phases=(
            PhaseTime("services", 4.0),
            PhaseTime("prepare", 6.0),
            PhaseTime("tests", tests),
            PhaseTime("clean-up", 2.0),
        ),
        services=(
            ServiceTime("postgres", "postgres:16", ready_seconds=2.0, start_seconds=0.5),
            ServiceTime("search", "opensearch:2", ready_seconds=1.5, start_seconds=2.5),
        ),
    )


def timed(
    name: str,
    *,
    at: float,
    seconds: float = 1.0,
    worker: str = "gw0",
    outcomes: Sequence[Outcome] = (Outcome.PASSED,),
    shard: int = 1,
) -> CaseResult:
    case = case_id(name)
    attempts = tuple(
        Attempt(
            case, outcome, number, started_at=clock(at + (number - 1) * seconds), call_seconds=seconds, worker=worker
        )
        for number, outcome in enumerate(outcomes, start=1)
    )
    return CaseResult(case, attempts, verdict_of(attempts), shard=shard)


def picture(*cases: CaseResult, shards: Sequence[ShardResult] | None = None) -> TimelineView:
    view = timeline_view(
        Run("1", "c", clock(0), shards=tuple(shards or [timed_shard()]), cases=cases),
    )
    assert view is not None
    return view


def lane(of: ShardTimeline, name: str) -> Lane:
    return next(lane for lane in of.lanes if lane.name == name)


def span_of(bar: Bar, *, of: float) -> tuple[float, float]:
    """Start and end of a bar in seconds of an axis of this length."""
    return round(bar.x * of / 100, 1), round((bar.x + bar.width) * of / 100, 1)


def test_a_service_is_starting_until_it_is_ready_and_up_until_the_clean_up() -> None:
    view = picture()

    starting, up = lane(view.shards[0], "search").bars
    assert (starting.kind, up.kind) == ("starting", "up")
    assert span_of(starting, of=60) == (2.5, 4.0)
    assert span_of(up, of=60) == (4.0, 40.0)


def test_the_axis_ends_at_a_round_time_and_holds_every_bar() -> None:
    view = picture(timed("test_a", at=11))

    assert [tick.text for tick in view.ticks] == ["0 s", "15.0 s", "30.0 s", "45.0 s", "1m 0s"]
    assert all(bar.x + bar.width <= 100 for shard in view.shards for lane in shard.lanes for bar in lane.bars)


def test_a_test_stands_on_its_worker_where_it_ran() -> None:
    view = picture(timed("test_a", at=12, seconds=6), timed("test_b", at=20, seconds=3, worker="gw1"))

    busy, bar = lane(view.shards[0], "gw1").bars
    assert span_of(bar, of=60) == span_of(busy, of=60) == (20.0, 23.0)
    assert bar.text == "tests/test_shop.py::test_b: passed, 3.00 s"
    assert bar.link == "#t=main%2Ftests%2Ftest_shop.py%3A%3Atest_b"


@pytest.mark.parametrize(
    ("outcomes", "kinds"),
    [
        ([Outcome.FAILED, Outcome.FAILED], ["failed", "failed"]),
        ([Outcome.FAILED, Outcome.PASSED], ["recovered", "passed"]),
        ([Outcome.SKIPPED], ["skipped"]),
    ],
)
def test_every_attempt_shows_what_it_came_to(outcomes: Sequence[Outcome], kinds: Sequence[str]) -> None:
    view = picture(timed("test_a", at=12, outcomes=outcomes))

    assert sorted(bar.kind for bar in lane(view.shards[0], "gw0").bars[1:]) == sorted(kinds)


def test_of_many_tests_those_that_failed_and_the_longest_have_bars() -> None:
    many = [timed(f"test_{number}", at=11 + number / 10, seconds=0.01 + number / 1000) for number in range(200)]

    view = picture(*many, timed("test_bad", at=31, seconds=0.001, outcomes=[Outcome.FAILED]))

    bars = lane(view.shards[0], "gw0").bars[1:]
    assert len(bars) == MAX_TESTS
    assert any("test_bad" in bar.text for bar in bars)
    assert any("test_199:" in bar.text for bar in bars)
    assert not any("test_0:" in bar.text for bar in bars)


def test_shards_that_ran_beside_each_other_share_one_axis() -> None:
    view = picture(shards=[timed_shard(1, at=0, count=2), timed_shard(2, at=5, count=2)])

    second = lane(view.shards[1], "phases").bars
    assert span_of(second[0], of=60) == (5.0, 9.0)
    assert view.words == "Times count from the start of the first shard."


def test_a_shard_of_a_later_attempt_counts_from_its_own_start() -> None:
    view = picture(shards=[timed_shard(1, at=0, count=2), timed_shard(2, at=600, count=2)])

    assert span_of(lane(view.shards[1], "phases").bars[0], of=60) == (0.0, 4.0)
    assert view.words == "Each shard counts from its own start."


def test_a_killed_shard_shows_the_tests_it_ran() -> None:
    killed = replace(timed_shard(), state=ShardState.STARTED, seconds=0.0, phases=timed_shard().phases[:2])

    view = picture(timed("test_a", at=11, seconds=15), shards=[killed])

    shown = view.shards[0]
    assert span_of(lane(shown, "gw0").bars[1], of=30) == (11.0, 26.0)
    assert [(bar.kind, span_of(bar, of=30)) for bar in lane(shown, "phases").bars][-1] == ("tests", (10.0, 26.0))
    assert span_of(lane(shown, "postgres").bars[-1], of=30) == (2.5, 26.0)


def test_a_run_without_times_has_no_timeline() -> None:
    blank = ShardResult(suite="main", index=1, count=1, plan_digest="d")

    assert timeline_view(Run("1", "c", "", shards=(blank,))) is None
    assert timeline_view(Run("1", "c", "")) is None


@pytest.mark.parametrize("started_at", ["", "yesterday", "9999-99-99T99:99:99", "0001-01-01T00:00:00", "nan"])
def test_a_start_that_is_no_time_leaves_the_phases(started_at: str) -> None:
    view = picture(timed("test_a", at=12), shards=[replace(timed_shard(), started_at=started_at)])

    assert "phases" in [lane.name for lane in view.shards[0].lanes]
    assert all(0 <= bar.x <= 100 for lane in view.shards[0].lanes for bar in lane.bars)


def test_of_hundreds_of_shards_the_longest_are_shown_and_the_rest_counted() -> None:
    shards = [timed_shard(index, tests=10 + index, count=256) for index in range(1, 257)]

    view = picture(shards=shards)

    assert len(view.shards) == MAX_SHARDS
    assert view.shards[-1].label == "256/256"
    assert view.rest_count == 256 - MAX_SHARDS
    assert [shard.label for shard in view.shards if shard.is_open] == ["256/256"]


def test_the_words_of_a_lane_say_what_its_picture_shows() -> None:
    view = picture(timed("test_a", at=12, seconds=6), timed("test_b", at=20, seconds=3))

    assert lane(view.shards[0], "gw0").words == (
        "gw0: 2 attempts; longest tests/test_shop.py::test_a 6.00 s, tests/test_shop.py::test_b 3.00 s"
    )
    assert lane(view.shards[0], "postgres").words == "postgres: asked for at 0.50 s, ready after 2.00 s"
    assert view.kinds == ("starting", "up", "passed")


def test_a_case_without_a_start_of_its_own_has_no_bar() -> None:
    case = case_id("test_a")
    result = CaseResult(case, (Attempt(case, Outcome.PASSED, call_seconds=1.0),), Verdict.PASSED, shard=1)

    assert "gw0" not in [lane.name for lane in picture(result).shards[0].lanes]
