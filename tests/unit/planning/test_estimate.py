from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ci_itest.model.history import CaseTimings, RunTiming
from ci_itest.planning.estimate import estimate, run_speeds, weighted_median
from tests.helpers.plans import case


def history(name: str, *seconds: float, file: str = "a.py", setup: float = 0.0, days: int = 7) -> CaseTimings:
    """A case that took so long in weekly runs, the newest (on 30 January) first."""
    runs = tuple(
        RunTiming(f"2026-01-{30 - days * age:02d}T00:00:00+00:00", setup, value, 0.0)
        for age, value in enumerate(seconds)
    )
    return CaseTimings(case(file, name), runs)


def expected(*timings: CaseTimings, name: str = "test_it") -> float:
    return estimate(timings).seconds[case("a.py", name)]


def test_one_run_is_believed() -> None:
    assert expected(history("test_it", 3.0)) == 3.0


def test_a_single_outlier_never_decides() -> None:
    assert expected(history("test_it", 60.0, 3.0, 3.1, 2.9)) < 4


def test_a_lasting_change_shows_after_three_runs() -> None:
    assert expected(history("test_it", 9.0, 9.0, 9.0, 3.0, 3.0)) == 9.0


def test_a_run_months_older_hardly_counts() -> None:
    old = tuple(RunTiming(f"2025-0{month}-01T00:00:00+00:00", 0.0, 9.0, 0.0) for month in (6, 4, 2))
    newest = RunTiming("2026-01-01T00:00:00+00:00", 0.0, 2.0, 0.0)

    assert expected(CaseTimings(case("a.py"), (newest, *old))) == 2.0


def test_a_slow_run_counts_by_its_speed() -> None:
    slow = [history(f"test_{number}", 2.0 * number, 1.0 * number, 1.0 * number) for number in range(1, 20)]
    found = estimate(slow)

    assert found.speeds["2026-01-30T00:00:00+00:00", 0] == 2.0
    assert found.seconds[case("a.py", "test_7")] == 7.0


def test_impossible_measurements_are_left_out_and_named() -> None:
    found = estimate(
        [
            history("test_nan", float("nan"), 2.0),
            history("test_negative", -5.0, 2.0),
            history("test_suspended", 40_000.0, 2.0),
            history("test_lost", float("inf")),
        ]
    )

    assert {case.name: seconds for case, seconds in found.seconds.items()} == {
        "test_nan": 2.0,
        "test_negative": 2.0,
        "test_suspended": 2.0,
    }
    assert [words.split(" took ")[0] for words in found.rejected] == [
        "a.py::test_nan",
        "a.py::test_negative",
        "a.py::test_suspended",
        "a.py::test_lost",
    ]


def test_what_ran_past_its_timeout_is_not_believed() -> None:
    found = estimate([history("test_it", 900.0, 3.0)], limit_seconds=180.0)

    assert found.seconds[case("a.py")] == 3.0
    assert "900 s" in found.rejected[0]


def test_a_case_that_is_there_twice_counts_once_and_is_named() -> None:
    found = estimate([history("test_it", 2.0), history("test_it", 50.0)])

    assert found.seconds[case("a.py")] == 2.0
    assert found.rejected == ("a.py::test_it is in the history twice; its first entry counts",)


def test_a_case_that_the_newest_runs_no_longer_have_is_gone() -> None:
    renamed = CaseTimings(case("a.py", "test_old"), history("test_old", 5.0, 5.0, 5.0, 5.0, 5.0).runs[3:])

    found = estimate([history("test_new", 5.0, 5.0, 5.0, 5.0), renamed])

    assert list(found.seconds) == [case("a.py", "test_new")]


def test_the_setup_that_moves_from_case_to_case_belongs_to_the_file() -> None:
    def runs(*setups: float) -> tuple[RunTiming, ...]:
        return tuple(
            RunTiming(f"2026-01-{20 - age:02d}T00:00:00+00:00", setup, 1.0, 0.0) for age, setup in enumerate(setups)
        )

    found = estimate(
        [
            CaseTimings(case("a.py", "test_a"), runs(8.0, 0.0, 8.0)),
            CaseTimings(case("a.py", "test_b"), runs(0.0, 8.0, 0.0)),
            CaseTimings(case("a.py", "test_c"), runs(0.0, 0.0, 0.0)),
        ]
    )

    assert found.setup.seconds == {"a.py": 8.0}
    assert set(found.seconds.values()) == {1.0}


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.01, 1)), min_size=1))
def test_the_weighted_median_is_one_of_the_values(values: list[tuple[float, float]]) -> None:
    assert weighted_median(values) in [value for value, _ in values]


@given(st.permutations([history(f"test_{number}", 1.0 + number, 2.0 + number) for number in range(5)]))
def test_the_order_of_the_history_never_matters(timings: list[CaseTimings]) -> None:
    assert estimate(timings) == estimate(sorted(timings, key=lambda timing: timing.case))


def test_a_run_without_compared_cases_has_no_speed() -> None:
    assert run_speeds([[("2026-01-01", 0, 3.0)]]) == {}


def test_an_overloaded_shard_does_not_make_its_cases_longer() -> None:
    """Times of one overloaded shard are up to 1.6 times too long; planned by, they would swing from run to run."""

    def measured(number: int) -> CaseTimings:
        shard = number % 2 + 1
        runs = (
            RunTiming("2026-01-20T00:00:00+00:00", 0.0, 8.0 if shard == 1 else 5.0, 0.0, shard),
            RunTiming("2026-01-19T00:00:00+00:00", 0.0, 5.0, 0.0, shard),
        )
        return CaseTimings(case("a.py", f"test_{number:03}"), runs)

    found = estimate([measured(number) for number in range(100)])

    assert set(found.seconds.values()) == {5.0}


def test_a_shard_of_few_cases_has_no_speed_of_its_own() -> None:
    runs = [[("2026-01-02", 3, 9.0), ("2026-01-01", 1, 3.0)] for _ in range(20)]

    assert set(run_speeds(runs)) == {("2026-01-02", 0), ("2026-01-01", 0)}
