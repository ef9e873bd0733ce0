"""The job that a recording becomes, and how its outcome stands beside the recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.errors import UsageError
from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.recordings import Recording
from ci_itest.flows.replay import CaseTimes, Wish, compared, job_of
from ci_itest.flows.shard_jobs import ShardJob
from ci_itest.masking import MASK
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ServiceTime, ShardResult
from ci_itest.model.settings import ServiceSettings, SuiteSettings
from tests.helpers.recordings import attempt, case_id, here, recording

DIGEST = "sha256:" + "1" * 64
A, B, C, D = (f"tests/test_{name}.py::test_{name}" for name in "abcd")


def job(of: Recording, *only: str, home: str = "", **machine: object) -> ShardJob:
    return job_of(of, here(**machine), folder=BundleFolder(Path("new")), wish=Wish(only=only, home=home))


def test_every_worker_gets_its_own_queue_and_idle_ones_an_empty_one() -> None:
    found = job(recording({"gw1": [C, A], "gw0": [B]}, workers=3))

    assert found.queues == (("gw0", (B,)), ("gw1", (C, A)), ("gw2", ()))
    assert found.settings.workers == 3
    assert set(found.only) == {A, B, C}


def test_what_ran_without_workers_is_played_by_one() -> None:
    found = job(recording({"main": [B, A]}, workers=4))

    assert found.queues == (("gw0", (B, A)),)
    assert found.settings.workers == 1


def test_wanted_cases_run_on_one_worker_in_the_recorded_order() -> None:
    found = job(recording({"gw0": [A, B], "gw1": [D, C]}), C, B, "test_a", C)

    assert found.queues == (("gw0", (A, B, C)),)
    assert (found.only, found.settings.workers) == ((A, B, C), 1)


def test_a_part_of_several_names_is_refused_with_them() -> None:
    with pytest.raises(UsageError, match=rf"tests/ is part of several names.*\n.*{A}"):
        job(recording({"gw0": [A, B]}), "tests/")


def test_a_case_that_did_not_run_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=rf"test_aa did not run in this shard\.\nDid you mean: {A}\?"):
        job(recording({"gw0": [A]}), "tests/test_a.py::test_aa".removeprefix("tests/test_a.py::"))


def test_a_shard_whose_tests_never_began_has_no_order_to_play() -> None:
    with pytest.raises(UsageError, match=r"No test ran in this shard.*\nService db: no such image"):
        job(recording({}, message="Service db: no such image\nmore"))


def test_a_case_that_was_collected_and_never_ran_can_be_run_alone() -> None:
    assert job(recording({}, collected=(case_id(A), case_id(B))), B).only == (B,)


def test_time_zone_locale_and_seeds_are_the_recorded_ones() -> None:
    there = Surroundings(time_zone="Asia/Tokyo", locale="de_DE.UTF-8", hash_seed="7", seed="9", variables=("LANG",))
    mine = {"TZ": "UTC", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "1", "CI_ITEST_X": "1", "PATH": "/bin"}

    found = job(recording(surroundings=there), environment=mine)

    assert found.environment == {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "PATH": "/bin"}
    assert (found.hash_seed, found.seed) == ("7", "9")


def test_what_was_masked_there_has_the_value_that_the_settings_have_here_and_else_none() -> None:
    recorded = {"KEY": MASK, "URL": f"db://app:{MASK}@{{db.host}}", "GONE": MASK, "MODE": "as there"}
    there = Surroundings(settings=SuiteSettings(environment=recorded))
    mine = {"KEY": "hidden key", "URL": "db://app:hidden@{db.host}", "MODE": "as here", "NEW": "of later"}

    found = job(recording(surroundings=there), filled={"main": mine, "e2e": {"GONE": "another suite's"}})

    assert found.settings.environment == {"KEY": mine["KEY"], "URL": mine["URL"], "MODE": "as there"}


def test_what_was_not_set_there_is_not_set_here() -> None:
    assert job(recording(), environment={"TZ": "UTC", "LC_ALL": "C", "LANG": "C"}).environment == {}


def test_a_stranger_sees_no_secret_no_agent_and_not_the_users_home() -> None:
    mine = {
        "GH_TOKEN": "x", "AWS_PROFILE": "x", "SSH_AUTH_SOCK": "x", "DB_PASSWORD": "x", "DOCKER_CONFIG": "x",
        "XDG_CONFIG_HOME": "x", "HOME": "/home/me", "PATH": "/bin", "EDITOR": "vi",
    }  # fmt: skip

    assert job(recording(), environment=mine, home="/empty").environment == {
        "HOME": "/empty",
        "PATH": "/bin",
        "EDITOR": "vi",
    }
    assert job(recording(), environment=mine).environment == mine


def test_no_more_cores_are_used_than_there_were() -> None:
    there = recording(surroundings=Surroundings(cores=2))

    assert (job(there, cores=8).cores, job(there, cores=1).cores) == (2, 1)


@pytest.mark.parametrize(
    ("image", "digest", "mine", "expected"),
    [
        ("redis:7", DIGEST, DIGEST, "redis:7"),
        ("redis:7", DIGEST, "", f"redis:7@{DIGEST}"),
        ("redis:7", DIGEST, "sha256:2", f"redis:7@{DIGEST}"),
        ("redis:7", "", "", "redis:7"),
        (f"redis:7@{DIGEST}", DIGEST, "", f"redis:7@{DIGEST}"),
    ],
)
def test_an_image_is_pinned_where_its_tag_is_another_one_here(
    image: str, digest: str, mine: str, expected: str
) -> None:
    there = Surroundings(settings=SuiteSettings(services={"cache": ServiceSettings(image=image)}))
    of = recording(surroundings=there, services=(ServiceTime("cache", image, digest, 1.0),))

    assert job(of, has_image=lambda _: mine).settings.services["cache"].image == expected


def test_a_service_that_never_started_there_keeps_its_tag() -> None:
    there = Surroundings(settings=SuiteSettings(services={"cache": ServiceSettings(image="redis:7")}))

    assert job(recording(surroundings=there)).settings.services["cache"].image == "redis:7"


def again(of: Recording, *, failed: tuple[str, ...] = (), **changes: object) -> ShardResult:
    """The recording played here, with other cases failing."""
    attempts = tuple(attempt(case, is_good=case not in failed, seconds=2.0) for case in of.played)
    return replace(of.result, **{"attempts": attempts, **changes})  # type: ignore[arg-type]


def test_failures_there_and_here_are_told_apart() -> None:
    of = recording({"gw0": [A, B, C]}, failed=(A, B))

    found = compared(of, again(of, failed=(B, C)), Surroundings(), expected=of.played)

    assert (found.reproduced, found.passed_here, found.new, found.not_run) == ((B,), (A,), (C,), ())
    assert found.is_same_order
    assert found.has_failed
    assert found.times[0] == CaseTimes(A, 1.0, 2.0)


def test_cases_that_were_left_out_did_not_pass() -> None:
    of = recording({"gw0": [A, B]}, failed=(A,))

    found = compared(of, again(of), Surroundings(), expected=(B,))

    assert (found.reproduced, found.passed_here) == ((), ())
    assert not found.is_whole


def test_a_case_that_never_ended_here_is_told() -> None:
    of = recording({"gw0": [A, B]})
    result = again(of, attempts=(attempt(A),), queues=(("gw0", (A,)),))

    found = compared(of, result, Surroundings(), expected=of.played)

    assert (found.not_run, found.is_same_order) == ((B,), False)


def test_a_case_that_hangs_again_is_reproduced() -> None:
    of = recording({"gw0": [A]}, attempts=(), running=(case_id(A),))

    assert compared(of, of.result, Surroundings(), expected=of.played).reproduced == (A,)


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        ((("gw0", (A, B)), ("gw1", (C,))), True),
        ((("gw0", (A, B)), ("gw1", (C,)), ("gw2", ())), True),
        ((("gw0", (B, A)), ("gw1", (C,))), False),
        ((("gw1", (A, B)), ("gw0", (C,))), False),
    ],
)
def test_the_order_is_the_same_when_every_worker_ran_the_same(
    queues: tuple[tuple[str, tuple[str, ...]], ...], expected: bool
) -> None:
    of = recording({"gw0": [A, B], "gw1": [C]})

    found = compared(of, again(of, queues=queues), Surroundings(), expected=of.played)

    assert found.is_same_order is expected


def test_one_worker_alone_is_the_same_as_no_worker() -> None:
    of = recording({"main": [A, B]})

    assert compared(of, again(of, queues=(("gw0", (A, B)),)), Surroundings(), expected=of.played).is_same_order


def test_other_images_and_versions_are_told() -> None:
    there = Surroundings(versions=(("python", "3.12.1"), ("pytest", "8.3"), ("pytest-mock", "1")))
    of = recording(surroundings=there, services=(ServiceTime("cache", "redis:7", DIGEST, 1.0),))
    result = again(of, services=(ServiceTime("cache", "redis:7", "sha256:2", 1.0),))

    found = compared(of, result, Surroundings(versions=(("python", "3.12.1"), ("pytest", "9.0"))), expected=of.played)

    assert found.images == (("cache", DIGEST, "sha256:2"),)
    assert found.versions == (("pytest", "8.3", "9.0"), ("pytest-mock", "1", "not there"))
