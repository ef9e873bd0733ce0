"""Quarantine in the history's file: kept, changed, released."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import CaseId
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
from tests.helpers.history import REPOSITORY

RACE = CaseId("main", "tests/test_cart.py", "test_race[\udc80]")
NOW, LATER = "2026-03-04T10:00:00+00:00", "2026-03-18T10:00:00+00:00"
ENTRY = QuarantineEntry(
    replace(RACE, name="test_race"), "races", NOW, LATER, evidence="7 of 212", owner="@acme/cart", added_by="mara"
)


def test_an_entry_is_kept_whole_between_runs(tmp_path: Path) -> None:
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        history.quarantine(ENTRY, repository=REPOSITORY)

    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        assert history.quarantined(repository=REPOSITORY) == (ENTRY,)
        assert history.quarantined(repository="acme/other") == ()


def test_a_second_entry_for_a_case_takes_the_place_of_the_first(tmp_path: Path) -> None:
    skipped = replace(ENTRY, mode=QuarantineMode.SKIPPED, reason="blocks everyone")
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        history.quarantine(ENTRY, repository=REPOSITORY)
        history.quarantine(skipped, repository=REPOSITORY)

        assert history.quarantined(repository=REPOSITORY) == (skipped,)


def test_a_released_case_can_come_back(tmp_path: Path) -> None:
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        history.quarantine(ENTRY, repository=REPOSITORY)

        assert history.release(ENTRY.case, repository=REPOSITORY, because="fixed", at=NOW)
        assert not history.release(ENTRY.case, repository=REPOSITORY, because="fixed", at=NOW)
        assert history.quarantined(repository=REPOSITORY) == ()

        history.quarantine(ENTRY, repository=REPOSITORY)
        assert history.quarantined(repository=REPOSITORY) == (ENTRY,)


def test_names_that_no_database_takes_are_kept_as_they_can_be_shown(tmp_path: Path) -> None:
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        history.quarantine(replace(ENTRY, case=RACE), repository=REPOSITORY)

        assert history.release(RACE, repository=REPOSITORY, because="fixed", at=NOW)
