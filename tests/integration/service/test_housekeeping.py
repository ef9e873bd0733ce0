"""What a service does for itself by the hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci_itest.history.archive import from_archive
from ci_itest.history.retention import Retention
from ci_itest.history.rows import upload_of
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.cases import Outcome
from ci_itest.service.housekeeping import Housekeeper
from tests.helpers.history import REPOSITORY, result, run, shard

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now.timestamp()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("tmp_path") / "history.sqlite")
    url: str = request.getfixturevalue("postgres_url")
    return url


def count(history: SqlHistory, table: str) -> int:
    with history.reading() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def test_a_run_whose_last_shards_never_came_is_closed_as_incomplete(tmp_path: Path) -> None:
    clock = Clock()
    part = replace(upload_of(run("7", result("test_adds"), shards=[shard(1, count=2)])), shard_count=2)
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        store = ServiceStore(history)
        tenant = store.make_tenant(REPOSITORY, at=START.isoformat())
        store.take(tenant, part, part="main/1", digest=b"d" * 32, at=START.isoformat())
        housekeeper = Housekeeper(history, Retention(), clock=clock)

        open_after = []
        for hours in (5, 2):
            clock.now += timedelta(hours=hours)
            housekeeper.round()
            with history.reading() as connection:
                open_after.append(bool(connection.exec_driver_sql("SELECT is_open FROM runs").scalar_one()))

        assert open_after == [True, False]
        assert [str(each.conclusion) for each in history.runs(repository=REPOSITORY)] == ["incomplete"]


def test_texts_go_first_then_results_into_the_archive_and_days_last(address: str) -> None:
    clock = Clock()
    failing = result("test_pays", Outcome.FAILED, message="boom", details="at line 7")
    made = replace(run("7", result("test_adds"), failing), started_at=START.isoformat())
    with SqlHistory.open(address) as history:
        history.record(made, repository=REPOSITORY, recorded_at=START.isoformat())
        housekeeper = Housekeeper(history, Retention(results=90, texts=30, rollups=400), clock=clock)
        kept = {}
        for day in (29, 31, 89, 91, 399, 402):
            clock.now = START + timedelta(days=day)
            housekeeper.round()
            with history.reading() as connection:
                texts = connection.exec_driver_sql("SELECT count(*) FROM failures WHERE length(message) > 0")
                kept[day] = (int(texts.scalar_one()), *(count(history, t) for t in ("results", "case_days", "runs")))
        with history.reading() as connection:
            archived = connection.exec_driver_sql("SELECT data FROM archive").scalars().all()

    assert kept == {
        29: (1, 2, 2, 1),
        31: (0, 2, 2, 1),
        89: (0, 2, 2, 1),
        91: (0, 0, 2, 1),
        399: (0, 0, 2, 1),
        402: (0, 0, 0, 0),
    }
    (facts, rows), *others = [from_archive(bytes(data)) for data in archived]
    assert (facts["run"], len(rows), others) == ("7", 2, [])


def test_a_second_round_finds_nothing_to_do(tmp_path: Path) -> None:
    clock = Clock()
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        made = replace(run("7", result("test_adds")), started_at=START.isoformat())
        history.record(made, repository=REPOSITORY, recorded_at=START.isoformat())
        clock.now += timedelta(days=100)
        Housekeeper(history, Retention(), clock=clock).round()

        again = history.forget(Retention(), now=clock.now.isoformat())

    assert (again.archived_runs, again.texts, again.runs) == (0, 0, 0)


def test_a_housekeeper_ends_at_once_when_it_is_asked_to(tmp_path: Path) -> None:
    with SqlHistory.open(tmp_path / "history.sqlite") as history:
        housekeeper = Housekeeper(history, Retention(), clock=Clock())
        housekeeper.start()

        housekeeper.stop()

        assert not housekeeper._thread.is_alive()
