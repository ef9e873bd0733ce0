"""The table of what matches."""

from __future__ import annotations

import pytest

from ci_itest.flows.matching import Match, comparison, missing_variables
from ci_itest.flows.recordings import Recording
from ci_itest.masking import MASK
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ServiceTime
from ci_itest.model.settings import SuiteSettings
from tests.helpers.recordings import SHA, here, recording

LINUX = Surroundings(platform="linux", machine="x86_64", cores=2, hash_seed="7")
DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def row(what: str, rows: tuple[Match, ...]) -> Match:
    (found,) = [row for row in rows if row.what == what]
    return found


def test_the_same_commit_on_the_same_kind_of_machine_matches_in_every_row() -> None:
    assert {row.is_same for row in comparison(recording(surroundings=LINUX), here())} == {True}


@pytest.mark.parametrize(
    ("mine", "shown", "is_same"),
    [
        ({"commit": "b" * 40}, "b" * 12, False),
        ({"is_clean": False}, SHA[:12] + " with changes", False),
        ({}, SHA[:12], True),
    ],
)
def test_another_commit_and_a_changed_tree_are_told(mine: dict[str, object], shown: str, is_same: bool) -> None:
    found = row("commit", comparison(recording(surroundings=LINUX), here(**mine)))

    assert (found.there, found.here, found.is_same) == (SHA[:12], shown, is_same)


def test_a_local_run_had_a_working_tree_that_no_commit_stands_for() -> None:
    found = row("commit", comparison(recording(run_id="local-1", surroundings=LINUX), here()))

    assert (found.there, found.is_same) == (f"{SHA[:12]}, a working tree", None)


@pytest.mark.parametrize(("there", "mine", "shown", "is_same"), [(4, 2, "2 of 2", False), (2, 8, "2 of 8", True)])
def test_more_cores_can_be_made_fewer_and_fewer_cannot_be_made_more(
    there: int, mine: int, shown: str, is_same: bool
) -> None:
    found = row("cores", comparison(recording(surroundings=Surroundings(cores=there)), here(cores=mine)))

    assert (found.here, found.is_same) == (shown, is_same)


def with_service(digest: str, *, machine: str = "x86_64") -> Recording:
    surroundings = Surroundings(platform="linux", machine=machine, cores=2, hash_seed="7")
    return recording(surroundings=surroundings, services=(ServiceTime("db", "postgres:16", digest, 1.0),))


@pytest.mark.parametrize(
    ("there", "mine", "shown", "is_same"),
    [
        (DIGEST, DIGEST, "1" * 12, True),
        (DIGEST, OTHER, "1" * 12 + ", to be fetched by digest", True),
        (DIGEST, "", "1" * 12 + ", to be fetched by digest", True),
        ("", OTHER, "2" * 12, None),
        ("", "", "not here", None),
    ],
)
def test_images_are_compared_by_digest(there: str, mine: str, shown: str, is_same: bool | None) -> None:
    found = row("image postgres:16", comparison(with_service(there), here(has_image=lambda _: mine)))

    assert (found.here, found.is_same) == (shown, is_same)


def test_another_processor_is_told_with_what_it_means_for_images() -> None:
    found = row("system", comparison(with_service(DIGEST), here(machine="arm64")))

    assert found.is_same is False
    assert "images made for x86_64 alone are emulated" in found.here


def test_less_memory_is_told_and_as_much_is_not() -> None:
    there = recording(surroundings=Surroundings(memory_bytes=16 * 2**30))

    found = row("memory", comparison(there, here(memory_bytes=8 * 2**30)))

    assert (found.there, found.here, found.is_same) == ("16.0 GiB", "8.0 GiB", False)
    assert not [row for row in comparison(there, here(memory_bytes=15 * 2**30)) if row.what == "memory"]


def test_a_shard_that_died_before_it_said_anything_is_compared_as_unknown() -> None:
    rows = comparison(recording(surroundings=None), here())

    assert (row("system", rows).there, row("hash seed", rows).here) == ("unknown", "drawn anew")


def test_variables_of_the_ci_machine_and_of_every_shell_are_not_missed() -> None:
    there = Surroundings(
        settings=SuiteSettings(environment={"DATABASE_URL": "{db.url}"}),
        variables=("CI", "DATABASE_URL", "GITHUB_SHA", "HOME", "RUNNER_OS", "SHOP_KEY", "STRIPE_MODE"),
    )

    assert missing_variables(there, {"STRIPE_MODE": "x", "DATABASE_URL": "x"}) == ["SHOP_KEY"]
    found = row("variables", comparison(recording(surroundings=there), here()))
    assert (found.here, found.is_same) == ("not set: SHOP_KEY, STRIPE_MODE", False)


@pytest.mark.parametrize(
    ("filled", "shown"),
    [({"main": {"SHOP_KEY": "in these files"}}, "all that matter are set"), ({}, "not set: SHOP_KEY")],
    ids=["known here", "nowhere"],
)
def test_a_value_that_was_masked_is_missed_where_no_settings_have_it(
    filled: dict[str, dict[str, str]], shown: str
) -> None:
    there = Surroundings(settings=SuiteSettings(environment={"SHOP_KEY": MASK}), variables=("SHOP_KEY",))

    assert row("variables", comparison(recording(surroundings=there), here(filled=filled))).here == shown


def test_many_missing_variables_are_counted() -> None:
    there = Surroundings(variables=tuple(f"SHOP_{number}" for number in range(11)))

    assert row("variables", comparison(recording(surroundings=there), here())).here.endswith("SHOP_7 and 3 more")
