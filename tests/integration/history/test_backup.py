"""A history moved between SQLite and PostgreSQL by backups: every row of every table arrives as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ci_itest.errors import HistoryError
from ci_itest.history import schema
from ci_itest.history.retention import Retention
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.quarantine import QuarantineEntry
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run

NOW, LATER = "2026-03-04T10:00:00+00:00", "2026-03-18T10:00:00+00:00"
ODD = 'test_ä[\U0001f40d"%s"]'


def fill(address: str) -> None:
    """Something in every table that a history of some days has."""
    with SqlHistory.open(address) as history:
        store = ServiceStore(history)
        tenant = store.make_tenant(REPOSITORY, at=NOW)
        store.make_key(tenant, label="ci", at=NOW)
        store.audit(tenant, at=NOW, actor="mara", action="quarantine", subject=ODD)
        store.add_delivery(tenant, url="https://example.com", event="run.recorded", body=b"\x00{}", at_us=1)
        for number in range(6):
            flaky = result(ODD, Outcome.FAILED, Outcome.PASSED, message="lost\x1b[0m", details="ß" * 500)
            made = replace(run(str(number), result("test_adds"), flaky, day=number + 1), commit=f"c{number}")
            history.record(made, repository=REPOSITORY, recorded_at=RECORDED_AT)
        history.learn(repository=REPOSITORY, is_main=lambda branch: branch == "main")
        case = CaseId("main", "tests/test_cart.py", ODD)
        history.quarantine(QuarantineEntry(case, "races", NOW, LATER), repository=REPOSITORY)
        history.rename([(case, replace(case, name="test_new"))], repository=REPOSITORY, at=NOW)
        bypass = BypassRecord("9", 1, 5, "c0ffee", "docs", "alice", "label", "skip", "docs alone", NOW)
        history.record_bypass(bypass, repository=REPOSITORY)
        history.forget(Retention(results=0, texts=0, rollups=400), now="2026-01-04T00:00:00+00:00")


def rows_of(address: str) -> dict[str, list[tuple[Any, ...]]]:
    with SqlHistory.open(address) as history, history.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
            # What numbers of cases a process may remember is told anew in every database.
            if table is not schema.meta
        }


def test_a_history_goes_to_postgresql_and_back_without_a_change(tmp_path: Path, postgres_url: str) -> None:
    first, last = str(tmp_path / "first.sqlite"), str(tmp_path / "last.sqlite")
    fill(first)

    for number, (source, target) in enumerate([(first, postgres_url), (postgres_url, last)]):
        backup = tmp_path / f"{number}.backup"
        with SqlHistory.open(source) as history:
            history.back_up(backup)
        with SqlHistory.open(target) as history:
            history.restore(backup)

    before = rows_of(first)
    filled = {name for name, rows in before.items() if rows}
    assert {"results", "failures", "case_days", "quarantine", "renames", "bypasses", "upload_keys"} <= filled
    assert {"flaky_pages", "flaky_rest", "audit_log", "deliveries"} <= filled
    assert rows_of(postgres_url) == before
    assert rows_of(last) == before


def test_what_was_restored_goes_on_with_numbers_of_its_own(tmp_path: Path, postgres_url: str) -> None:
    source = str(tmp_path / "first.sqlite")
    fill(source)
    with SqlHistory.open(source) as history:
        history.back_up(tmp_path / "one.backup")

    with SqlHistory.open(postgres_url) as history:
        history.restore(tmp_path / "one.backup")
        is_new = history.record(run("new", result("test_never_seen")), repository=REPOSITORY, recorded_at=RECORDED_AT)
        again = history.record(run("5", result("test_adds")), repository=REPOSITORY, recorded_at=RECORDED_AT)
        names = {case.name for case in history.case_numbers(repository=REPOSITORY)}

    assert (is_new, again) == (True, False)
    assert {"test_never_seen", "test_adds", "test_new"} <= names


def test_a_backup_that_is_none_is_refused_and_leaves_the_database_empty(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "one.backup").write_bytes(b"not a database at all" * 100)

    with SqlHistory.open(postgres_url) as history:
        with pytest.raises(HistoryError):
            history.restore(tmp_path / "one.backup")

        assert history.runs(repository=REPOSITORY) == ()
