"""Databases of earlier versions: migrated with all they hold, after a backup, and never half."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from ci_itest.history import schema
from ci_itest.history.sql import SqlHistory
from tests.helpers import old_histories
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run, seconds_by_name

KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return str(request.getfixturevalue("tmp_path") / "history.sqlite")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    made = old_histories.postgres_engine(address) if "://" in address else old_histories.sqlite_engine(Path(address))
    yield made
    made.dispose()


@pytest.mark.parametrize("shape", old_histories.SHAPES)
def test_a_database_of_any_earlier_version_is_migrated_with_all_it_holds(
    address: str, engine: Engine, shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_histories.make(engine, shape)
    engine.dispose()

    with SqlHistory.open(address) as history:
        timings = seconds_by_name(history.timings("main", repository=REPOSITORY, branches={"main"}))
        failures = history.failures([1], repository=REPOSITORY)
        learned = history.learn(repository=REPOSITORY, is_main=lambda branch: branch == "main")
        answer = history.record(
            run("9", result("test_0", file="tests/test_0.py")), repository=REPOSITORY, recorded_at=RECORDED_AT
        )

    assert timings["test_3"] == [pytest.approx(0.00411)] * 3
    assert [failure.is_recovered for failure in failures[1]] == [True] * 3
    assert (learned, answer) == (3, True)
    with engine.connect() as connection:
        days = connection.execute(text("SELECT sum(runs), sum(recovered), count(*) FROM case_days")).one()
    assert tuple(days) == (13, 3, 13)


@pytest.mark.parametrize("shape", old_histories.SHAPES)
def test_a_migrated_database_has_the_tables_of_a_new_one(
    address: str, engine: Engine, shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_histories.make(engine, shape)
    engine.dispose()
    SqlHistory.open(address).close()

    migrated = inspect(engine)

    assert set(migrated.get_table_names()) == set(schema.metadata.tables)
    for table in schema.metadata.sorted_tables:
        assert {column["name"] for column in migrated.get_columns(table.name)} == set(table.columns.keys())
        expected = {index.name for index in table.indexes}
        assert {index["name"] for index in migrated.get_indexes(table.name)} >= expected, table.name
    assert migrated.get_foreign_keys("results") == []


def test_what_was_there_before_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    engine = old_histories.sqlite_engine(path)
    old_histories.make(engine, old_histories.SHAPES[0])
    engine.dispose()

    SqlHistory.open(path).close()

    with closing(sqlite3.connect(tmp_path / "history.sqlite.schema-1.backup")) as backup:
        assert backup.execute("SELECT value FROM meta").fetchone() == ("1",)
        assert backup.execute("SELECT count(*) FROM results").fetchone() == (12,)


def test_a_server_is_backed_up_into_a_file_before_it_is_migrated(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = old_histories.postgres_engine(postgres_url)
    old_histories.make(engine, old_histories.SHAPES[-1])
    engine.dispose()

    SqlHistory.open(postgres_url).close()

    (backup,) = tmp_path.glob("*.schema-1.backup")
    with closing(sqlite3.connect(backup)) as file:
        assert file.execute("SELECT count(*) FROM results").fetchone() == (12,)
        assert file.execute("SELECT message FROM failures").fetchall() == [(b"m",)] * 3


def test_processes_that_start_at_once_migrate_once(
    address: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_histories.make(engine, old_histories.SHAPES[0], runs=20, cases=50)
    engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(SqlHistory.open, address) for _ in range(4)]:
            started.result().close()

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM results")).scalar_one() == 1000
