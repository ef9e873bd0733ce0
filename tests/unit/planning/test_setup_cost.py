from __future__ import annotations

import pytest

from ci_itest.model.history import CaseTimings, RunTiming, ShardAccuracy
from ci_itest.model.run import PhaseTime
from ci_itest.planning.setup_cost import UNKNOWN_SERVICE_SECONDS, learn_overheads, learn_setup
from tests.helpers.plans import case

DAY = "2026-01-01T00:00:00+00:00"


def file_with_setups(*setups: float) -> list[CaseTimings]:
    """A file whose cases each took so long to set up, in one run."""
    return [
        CaseTimings(case("a.py", f"test_{number}"), (RunTiming(DAY, setup, 1.0, 0.0),))
        for number, setup in enumerate(setups)
    ]


def shard(index: int, *, wall: float, work: float, **phases: float) -> ShardAccuracy:
    named = tuple(PhaseTime(name.replace("__", ":").replace("_", "-"), value) for name, value in phases.items())
    return ShardAccuracy("main", index, 2, 10.0, work, wall, "1", DAY, named)


def test_the_excess_of_the_first_case_is_the_files() -> None:
    learned = learn_setup(file_with_setups(5.1, 0.1, 0.1, 0.1))

    assert learned.seconds == {"a.py": pytest.approx(5.0)}
    assert learned.excess[case("a.py", "test_0")] == {DAY: pytest.approx(5.0)}


@pytest.mark.parametrize(
    "setups",
    [(0.1, 0.11, 0.1, 0.1), (5.0, 5.0, 0.1, 0.1), (5.0,)],
    ids=["noise", "half of the cases", "a single case"],
)
def test_what_does_not_stand_out_is_the_cases_own(setups: tuple[float, ...]) -> None:
    assert learn_setup(file_with_setups(*setups)).seconds == {}


def test_boot_session_and_services_are_what_the_phases_say() -> None:
    found = learn_overheads(
        [shard(1, wall=60, work=40, prepare=10, services=8, tests=30, service__postgres=8, service__redis=1)],
        services=["postgres", "redis"],
        workers=2,
    )

    assert found.boot_seconds == 22
    assert found.session_seconds == 10
    assert found.service_seconds == {"postgres": 8, "redis": 1}


def test_without_a_recorded_run_services_have_a_guess() -> None:
    found = learn_overheads([], services=["postgres"], workers=1)

    assert (found.boot_seconds, found.session_seconds) == (0.0, 0.0)
    assert found.service_seconds == {"postgres": UNKNOWN_SERVICE_SECONDS}


def test_a_service_that_was_not_told_apart_takes_what_all_took() -> None:
    found = learn_overheads([shard(1, wall=20, work=10, services=6, tests=10)], services=["kafka"], workers=1)

    assert found.service_seconds == {"kafka": 6}
