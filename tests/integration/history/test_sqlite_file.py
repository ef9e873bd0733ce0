"""The history on a real SQLite file: shared, broken, foreign, newer."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ci_itest.errors import HistoryError
from ci_itest.history.database import engine_for, give_back_space, url_of_file
from ci_itest.history.rows import unpacked
from ci_itest.history.sql import SqlHistory, set_aside
from ci_itest.history.store import DamagedHistoryError
from ci_itest.model.cases import Outcome
from tests.helpers.history import RECORDED_AT, REPOSITORY, record_all, result, run, seconds_by_name, started_at


def record(path: Path, *days: int, cases: int = 3) -> None:
    with SqlHistory.open(path) as history:
        for day in days:
            results = [result(f"test_{n}", file=f"tests/test_{n % 7}.py") for n in range(cases)]
            failed = result("test_bad", Outcome.FAILED, message="assert 1 == 2", details="Traceback …")
            history.record(run(str(day), *results, failed, day=day), repository=REPOSITORY, recorded_at=RECORDED_AT)


def use(path: Path) -> None:
    """Everything a build asks of a history."""
    with SqlHistory.open(path) as history:
        history.timings("main", repository=REPOSITORY, branches=None)
        history.accuracy(repository=REPOSITORY)
        history.runs(repository=REPOSITORY)
        history.record(run("new", result("test_0"), day=28), repository=REPOSITORY, recorded_at=RECORDED_AT)
        history.prune(started_at(1))


def refusal(path: Path) -> str | None:
    """What a build is told of the history; None when it can be used."""
    try:
        use(path)
    except HistoryError as error:
        return error.message
    return None


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def test_the_folder_is_made_and_the_file_alone_is_the_history(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "history.sqlite"

    record(path, 1)

    assert [child.name for child in path.parent.iterdir()] == ["history.sqlite"]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


def test_what_one_process_recorded_the_next_reads(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1)
    record(path, 2)

    with SqlHistory.open(path) as history:
        timings = history.timings("main", repository=REPOSITORY, branches=None)

    assert seconds_by_name(timings)["test_0"] == [1.0, 1.0]


def test_only_failed_attempts_leave_texts_and_those_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    details = "Zeile für Zeile\n" * 200
    cases = [
        result("test_adds", Outcome.FAILED, Outcome.PASSED, message="assert 1 == 2", details=details),
        result("test_pays"),
        result("test_waits", Outcome.SKIPPED),
    ]

    with SqlHistory.open(path) as history:
        history.record(run("1", *cases), repository=REPOSITORY, recorded_at=RECORDED_AT)

    ((name, attempt, message, packed),) = query(
        path, "SELECT name, attempt, message, details FROM failures JOIN cases ON cases.id = case_id"
    )
    assert isinstance(message, bytes)
    assert isinstance(packed, bytes)
    assert (name, attempt, unpacked(message), unpacked(packed)) == ("test_adds", 1, "assert 1 == 2", details)
    assert len(packed) < len(details) / 10


def test_a_result_counts_its_attempts_and_their_failures(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    recovered = result("test_adds", Outcome.ERROR, Outcome.FAILED, Outcome.PASSED)

    with SqlHistory.open(path) as history:
        history.record(run("1", recovered), repository=REPOSITORY, recorded_at=RECORDED_AT)

    assert query(path, "SELECT outcome, verdict, attempts, failed_attempts FROM results") == [(1, 3, 3, 2)]


def test_a_case_has_one_row_however_often_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"

    record(path, 1, 2, 3)

    assert query(path, "SELECT count(*) FROM cases") == [(4,)]
    assert query(path, "SELECT count(*) FROM results") == [(12,)]


def test_two_processes_record_into_one_new_file_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    own = {name: [f"{name}{number}" for number in range(8)] for name in "ab"}

    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(record_all, path, [*own[name], "shared"]) for name in "ab"]
        answers = [future.result(timeout=120) for future in futures]

    assert [answer[:-1] for answer in answers] == [[True] * 8, [True] * 8]
    assert sorted(answer[-1] for answer in answers) == [False, True]
    with SqlHistory.open(path) as history:
        assert {one.run_id for one in history.runs(100, repository=REPOSITORY)} == {*own["a"], *own["b"], "shared"}
    assert query(path, "SELECT count(*) FROM results") == [(17 * 200,)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(path, "PRAGMA foreign_key_check") == []


def test_a_recording_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1)
    query(path, "CREATE TRIGGER full BEFORE INSERT ON failures BEGIN SELECT RAISE(ABORT, 'disk full'); END")

    with pytest.raises(HistoryError, match="disk full"):
        record(path, 2)

    with SqlHistory.open(path) as history:
        assert [one.run_id for one in history.runs(repository=REPOSITORY)] == ["1"]
    assert query(path, "SELECT count(*) FROM results") == [(4,)]


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 99, 100, 4095, 4096, 4097, 8192, 0.25, 0.5, 0.75, 0.9, 0.999])
def test_a_cut_off_file_is_refused_by_name_and_an_empty_one_started_anew(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1, 2, cases=300)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])

    if kept <= 1 and isinstance(kept, int):  # SQLite takes a file of one byte for an empty one
        use(path)
    else:
        with pytest.raises(DamagedHistoryError) as refused:
            use(path)
        assert str(path) in refused.value.message


def test_damage_anywhere_is_never_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1, 2, cases=60)
    whole = path.read_bytes()
    broken = tmp_path / "broken.sqlite"
    refusals = []

    for offset in range(0, len(whole) - 64, max(1, len(whole) // 25)):
        for damage in (bytes(64), b"\xff" * 64, whole[-64:]):
            for leftover in tmp_path.glob("broken.sqlite*"):
                leftover.unlink()
            broken.write_bytes(whole[:offset] + damage + whole[offset + 64 :])
            refusals.append(refusal(broken))

    assert all(message is None or str(broken) in message for message in refusals)
    assert any(message is None for message in refusals)
    assert any(message is not None for message in refusals)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE results SET call_us = 'soon'",
        "UPDATE results SET setup_us = x'00ff'",
        "UPDATE runs SET started_us = 9000000000000000000",
        "UPDATE cases SET name = CAST(x'ff' AS TEXT)",
        "UPDATE runs SET conclusion = 'perhaps'",
        "UPDATE runs SET started_us = 'Monday'",
        "UPDATE shards SET phases = '[[1'",
        "UPDATE shards SET planned_seconds = 'long'",
        "UPDATE meta SET value = 'one'",
        "UPDATE meta SET value = '0'",
        "DELETE FROM meta",
        "DROP TABLE results",
        "ALTER TABLE runs RENAME COLUMN branch TO twig",
    ],
)
def test_a_value_of_the_wrong_kind_is_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1)
    query(path, damage)

    with pytest.raises(DamagedHistoryError, match=r"history\.sqlite is damaged"):
        use(path)


def test_a_text_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Not a history\n" * 100)

    with pytest.raises(DamagedHistoryError, match=r"README\.md is damaged"):
        SqlHistory.open(path)

    assert path.read_text() == "# Not a history\n" * 100


def test_a_history_of_a_newer_schema_is_refused_and_both_are_named(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, 1)
    query(path, "UPDATE meta SET value = '7' WHERE name = 'schema'")

    with pytest.raises(HistoryError, match=r"is of schema 7; this version reads up to schema 2\.") as refused:
        SqlHistory.open(path)

    assert not isinstance(refused.value, DamagedHistoryError)


def test_another_programs_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    query(path, "CREATE TABLE customers (id INTEGER)")

    with pytest.raises(HistoryError, match="it holds the table 'customers'") as refused:
        SqlHistory.open(path)

    assert not isinstance(refused.value, DamagedHistoryError)
    assert query(path, "SELECT name FROM sqlite_master") == [("customers",)]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(HistoryError, match=r"Cannot make the folder of the history .*file/history\.sqlite"):
        SqlHistory.open(tmp_path / "file" / "history.sqlite")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").mkdir()

    with pytest.raises(HistoryError, match=r"history\.sqlite: unable to open"):
        SqlHistory.open(tmp_path / "history.sqlite")


@pytest.mark.parametrize("url", ["nosuchdatabase://host/name", "://", "sqlite+nosuchdriver:///x.sqlite"])
def test_an_address_of_no_known_database_is_a_history_error(url: str) -> None:
    with pytest.raises(HistoryError):
        SqlHistory.open(url)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(HistoryError) as refused:
        SqlHistory.open("nosuchdatabase://user:hunter2@host/name")

    assert "hunter2" not in str(refused.value)


def test_a_damaged_file_put_aside_makes_room_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"no database" * 100)
    (tmp_path / "history.sqlite-wal").write_bytes(b"nor a log")

    moved = set_aside(path)
    record(path, 1)

    assert moved.read_bytes() == b"no database" * 100
    assert sorted(child.name for child in tmp_path.iterdir()) == ["history.sqlite", "history.sqlite.damaged"]


def test_pruning_forgets_older_runs_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqlHistory.open(path) as history:
        gone = [result("test_gone"), result("test_adds", Outcome.FAILED, message="assert")]
        history.record(run("1", *gone, day=1), repository=REPOSITORY, recorded_at=RECORDED_AT)
        history.record(run("2", result("test_adds"), day=2), repository=REPOSITORY, recorded_at=RECORDED_AT)

        assert history.prune(started_at(2)) == 1
        assert history.prune(started_at(2)) == 0

        timings = history.timings("main", repository=REPOSITORY, branches=None)
        assert seconds_by_name(timings) == {"test_adds": [1.0]}
    assert query(path, "SELECT name FROM cases") == [("test_adds",)]
    for table, count in {"runs": 1, "shards": 1, "results": 1, "failures": 0}.items():
        assert query(path, f"SELECT count(*) FROM {table}") == [(count,)]


def test_a_file_is_packed_when_it_has_grown_by_a_third_and_left_alone_until_then(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    cases = [result(f"test_{number}") for number in range(2_000)]
    packed, sizes = [], []

    for runs in (range(1, 13), range(13, 15), range(15, 21)):
        with SqlHistory.open(path) as history:
            for number in runs:
                history.record(run(str(number), *cases), repository=REPOSITORY, recorded_at=RECORDED_AT)
        loose_bytes = path.stat().st_size
        engine = engine_for(url_of_file(path))
        packed.append(give_back_space(engine, packed_bytes=(100_000, 10_000_000)))
        engine.dispose()
        sizes.append(path.stat().st_size / loose_bytes)

    assert packed == [True, False, True]
    assert (sizes[0] < 0.95, sizes[1], sizes[2] < 0.97) == (True, 1, True)


def test_pruning_most_of_a_history_shrinks_its_file(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    record(path, *range(1, 11), cases=1000)
    before = path.stat().st_size

    with SqlHistory.open(path) as history:
        history.prune(started_at(10))

    assert path.stat().st_size < before / 2
