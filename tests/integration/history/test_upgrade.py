"""Databases of earlier versions: migrated with all they hold, after a backup, and never half."""

from __future__ import annotations

import ast
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, text

from ci_itest.history import migrations
from ci_itest.history.sql import SqlHistory
from tests.helpers import old_histories, postgres
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
def test_a_migrated_database_has_the_very_tables_of_a_new_one(
    address: str, engine: Engine, shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_histories.make(engine, shape)
    engine.dispose()
    SqlHistory.open(address).close()

    with _new_database(address, tmp_path) as new:
        assert _shape_of(engine) == _shape_of(new)


@contextmanager
def _new_database(address: str, folder: Path) -> Iterator[Engine]:
    """A database of this version beside the other."""
    with ExitStack() as stack:
        if "://" in address:
            url = stack.enter_context(postgres.database(address))
            made = old_histories.postgres_engine(url)
        else:
            url = str(folder / "new.sqlite")
            made = old_histories.sqlite_engine(Path(url))
        SqlHistory.open(url).close()
        yield made
        made.dispose()


def _shape_of(engine: Engine) -> dict[str, Any]:
    """All that a database says of its tables but the columns' order, which nothing relies on."""
    found = inspect(engine)
    shape: dict[str, Any] = {}
    for table in found.get_table_names():
        columns = {
            column["name"]: (str(column["type"]), column["nullable"], _default(column))
            for column in found.get_columns(table)
        }
        shape[table] = {
            "columns": columns,
            "key": found.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(each["column_names"] for each in found.get_unique_constraints(table)),
            "foreign": sorted(str(_foreign(each)) for each in found.get_foreign_keys(table)),
            "indexes": sorted(str(_index(each)) for each in found.get_indexes(table)),
        }
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            rowless = connection.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'"))
            shape["without rowid"] = sorted(rowless.scalars())
    return shape


def _default(column: Mapping[str, Any]) -> str:
    """Without the quotes that SQLite keeps as they were written."""
    return str(column.get("default")).replace("'", "")


def _foreign(key: Mapping[str, Any]) -> tuple[Any, ...]:
    return key["constrained_columns"], key["referred_table"], key["referred_columns"], key["options"]


def _index(index: Mapping[str, Any]) -> tuple[Any, ...]:
    where = {
        name: str(value) for name, value in index.get("dialect_options", {}).items() if str(value) not in ("", "[]")
    }
    return index["name"], index["column_names"], bool(index["unique"]), where


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


KILLED_AFTER = range(8, 68, 3)
"""Statements, of some 70: twenty kills from the first look at the tables to the last rows that move."""


def test_a_migration_killed_in_the_middle_twenty_times_leaves_what_was_there(
    address: str, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old_histories.make(engine, old_histories.SHAPES[0])

    found = []
    for count in KILLED_AFTER:
        engine.dispose()
        killed = multiprocessing.get_context("fork").Process(target=_migrate_until_killed, args=(address, count))
        killed.start()
        killed.join()
        with engine.connect() as connection:
            schema = connection.execute(text("SELECT value FROM meta WHERE name = 'schema'")).scalar_one()
            results = connection.execute(text("SELECT count(*) FROM results")).scalar_one()
        found.append((killed.exitcode, schema, results))
    engine.dispose()
    SqlHistory.open(address).close()

    assert found == [(-signal.SIGKILL, "1", 12)] * 20
    with engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM meta WHERE name = 'schema'")).scalar_one() == "2"
        assert connection.execute(text("SELECT count(*) FROM results")).scalar_one() == 12


def _migrate_until_killed(address: str, count: int) -> None:
    """Open a history; the process is killed once it has executed so many statements."""
    left = iter(range(count - 1, -1, -1))

    def die_after_the_last(*_: object) -> None:
        if not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", die_after_the_last)
    SqlHistory.open(address)


MIGRATIONS = Path(migrations.__file__).parent / "versions"


@pytest.mark.parametrize("module", sorted(MIGRATIONS.glob("schema_*.py")), ids=lambda path: path.stem)
def test_a_migration_takes_nothing_from_modules_that_change(module: Path) -> None:
    imported = [
        node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {getattr(node, "module", None) or node.names[0].name for node in imported}

    assert {name for name in names if name.split(".")[0] == "ci_itest"} == set()
