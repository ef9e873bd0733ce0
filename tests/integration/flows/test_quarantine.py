"""The quarantine over many runs: what flakes is suggested or let in, and leaves when time or evidence say so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.errors import UsageError
from ci_itest.flows.judge import main_branch
from ci_itest.flows.quarantine import Keeper, active, keep_in_order, named_case, new_entry
from ci_itest.flows.record import record
from ci_itest.history.sql import SqlHistory
from ci_itest.history.store import HistoryStore
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.settings import FlakySettings, Seconds
from tests.helpers.history import REPOSITORY, result, run

FAILED, PASSED = Outcome.FAILED, Outcome.PASSED
RACE = CaseId("main", "tests/test_cart.py", "test_race")
NOW, IN_A_WEEK, IN_A_MONTH = "2026-02-01T00:00:00+00:00", "2026-02-08T00:00:00+00:00", "2026-03-01T00:00:00+00:00"
CODEOWNERS = "* @acme/all\n/tests/test_cart.py @acme/cart\n"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """History of 24 runs in every fourth of which `test_race` recovers."""
    path = tmp_path_factory.mktemp("learned") / "history.sqlite"
    with SqlHistory.open(path) as history:
        learn(history, [(FAILED, PASSED) if number % 4 == 3 else (PASSED,) for number in range(24)], name="a")
    return path


@pytest.fixture
def store(learned: Path, tmp_path: Path) -> Iterator[HistoryStore]:
    """A copy of that history for one test."""
    with SqlHistory.open(shutil.copy(learned, tmp_path)) as history:
        yield history


def learn(store: HistoryStore, outcomes: list[tuple[Outcome, ...]], *, name: str) -> None:
    for number, race in enumerate(outcomes):
        others = [result(f"test_{other}", file="tests/test_other.py") for other in range(30)]
        made = replace(run(f"{name}{number}", *others, result("test_race", *race)), commit=f"{name}{number}")
        record(made, store=store, repository=REPOSITORY, recorded_at=NOW, is_main=main_branch("main"))


def keeper(store: HistoryStore, quarantine: str = "auto", *, at: str = NOW) -> Keeper:
    settings = FlakySettings(quarantine=quarantine, expires=Seconds(14 * 86400))  # type: ignore[arg-type]
    return Keeper(store, REPOSITORY, settings, at=at, codeowners=CODEOWNERS)


def test_a_flaky_case_is_let_in_with_evidence_owner_and_time(store: HistoryStore) -> None:
    lines = keep_in_order(keeper(store))

    (entry,) = active(keeper(store))
    assert entry.case == RACE
    assert entry.owner == "@acme/cart"
    assert entry.evidence.startswith("Failed in 6 of 24 runs on main")
    assert entry.expires_at == "2026-02-15T00:00:00+00:00"
    assert lines == (f"{RACE} is in quarantine until 2026-02-15. {entry.evidence}",)


def test_a_suggestion_changes_nothing(store: HistoryStore) -> None:
    lines = keep_in_order(keeper(store, "suggest"))

    assert len(lines) == 1
    assert "ci-itest quarantine add" in lines[0]
    assert active(keeper(store, "suggest")) == ()


def test_off_is_silent_and_holds_nothing(store: HistoryStore) -> None:
    keep_in_order(keeper(store))

    assert keep_in_order(keeper(store, "off")) == ()
    assert active(keeper(store, "off")) == ()


def test_what_still_flakes_is_renewed_twice_and_then_counts_again(store: HistoryStore) -> None:
    keep_in_order(keeper(store))
    months = [f"2026-{month:02d}-20T00:00:00+00:00" for month in (3, 4, 5)]

    told = [keep_in_order(keeper(store, at=at)) for at in months]

    assert "stays in quarantine" in told[0][0]
    assert "stays in quarantine" in told[1][0]
    assert told[2][0] == f"{RACE} left quarantine: its time is up. @acme/cart, its failures count again."


def test_a_case_that_main_breaks_is_heard_at_once(store: HistoryStore) -> None:
    keep_in_order(keeper(store))
    learn(store, [(FAILED, FAILED)] * 8, name="b")

    lines = keep_in_order(keeper(store, at=IN_A_WEEK))

    assert lines[0].startswith(f"{RACE} left quarantine: it is broken on the default branch")
    assert active(keeper(store, at=IN_A_WEEK)) == ()


def test_an_entry_by_hand_ends_with_its_time(store: HistoryStore) -> None:
    kept = keeper(store, "suggest")
    other = CaseId("main", "tests/test_other.py", "test_3")
    entry = new_entry(kept, named_case(kept, "test_3"), reason="blocks the release", added_by="mara", seconds=86400)
    store.quarantine(entry, repository=REPOSITORY)

    assert [held.case for held in active(kept)] == [other]
    assert active(keeper(store, "suggest", at=IN_A_MONTH)) == ()
    assert f"{other} left quarantine: its time is up. @acme/all, its failures count again." in keep_in_order(
        keeper(store, "suggest", at=IN_A_MONTH)
    )


@pytest.mark.parametrize("name", ["tests/test_cart.py::test_race", "main/tests/test_cart.py::test_race"])
def test_a_case_goes_by_its_node_id(store: HistoryStore, name: str) -> None:
    assert named_case(keeper(store), name) == RACE


def test_a_name_that_no_case_has_is_refused(store: HistoryStore) -> None:
    with pytest.raises(UsageError, match="No recorded case is called 'test_rac'"):
        named_case(keeper(store), "test_rac")


def test_a_name_that_several_cases_share_is_refused_and_they_are_named(store: HistoryStore) -> None:
    twin = replace(run("twin", result("test_race", suite="e2e")), commit="twin")
    record(twin, store=store, repository=REPOSITORY, recorded_at=NOW)

    with pytest.raises(UsageError, match="2 recorded cases are called"):
        named_case(keeper(store), "tests/test_cart.py::test_race")
