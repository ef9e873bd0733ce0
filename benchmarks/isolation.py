"""Isolation: what it costs to give each test a clean database, on a PostgreSQL as the preset starts it.

50 tables in a chain of foreign keys with three indexes each and 11 MB of rows, beside what others do: truncation, and a
clone for each test. The middle of the rounds is shown, and the least, which other load on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.table import Row, show
from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import running
from ci_itest.model.settings import ServiceSettings
from ci_itest.pytest_plugin.databases import orm
from ci_itest.pytest_plugin.databases.database import Database
from ci_itest.pytest_plugin.databases.postgres import Postgres, PostgresServer, install_reset

TABLES = 50
ROWS = 400
WORKERS = 8
TEMPLATE = "ci_itest_template_bench"

Action = Callable[[], None]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=300)
    options.add_argument("--quick", action="store_true", help="30 rounds")
    given = options.parse_args()
    rounds = 30 if given.quick else given.rounds
    with postgres() as url:
        server = PostgresServer(url)
        server.template(TEMPLATE, source="", build=build)
        show("isolation", list(rows(server, rounds)))


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a server that is started for the benchmark."""
    mirror = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
    engine = Engine.connect(os.environ)
    owner = Owner.of_this_process(run=f"bench-{uuid.uuid4().hex[:8]}", shard="isolation")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            service_specs({"postgres": ServiceSettings(image="postgres:15")}),
            engine=engine,
            owner=owner,
            mirror=mirror,
            log_directory=Path(folder),
            report=lambda _event: None,
            mask=str,
        ) as services,
    ):
        yield services.endpoints["postgres"].url


def build(url: str) -> None:
    """The schema: table n refers to table n - 1; half of them are seeded."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(TABLES):
            parent = f"parent_id int REFERENCES t{number - 1} (id)" if number else "parent_id int"
            connection.execute(
                f"CREATE TABLE t{number} (id serial PRIMARY KEY, {parent}, name text, amount int, at timestamptz)"
            )
            for column in ("name", "amount", "at"):
                connection.execute(f"CREATE INDEX ON t{number} ({column})")
            if number % 2 == 0:
                connection.execute(
                    f"INSERT INTO t{number} (name, amount, at) "
                    f"SELECT repeat(md5(n::text), 4), n, now() FROM generate_series(1, {ROWS}) n"
                )
    install_reset(url)


def rows(server: PostgresServer, rounds: int) -> Iterator[Row]:
    name, url = server.clone(TEMPLATE, worker="bench")
    database = Database(name, url, Postgres())
    writer = psycopg.connect(url, autocommit=True)

    def commit() -> None:
        for number in (41, 43, 45):
            writer.execute(f"INSERT INTO t{number} (name) VALUES ('x'), ('y')")

    engine = orm.engine_of(url)
    ways: dict[str, tuple[Action, Action, int]] = {
        "bare": (nothing, lambda: void(database.execute("SELECT 1")), rounds),
        "reset": (commit, lambda: void(database.reset()), rounds),
        "clean": (nothing, lambda: void(database.reset()), rounds),
        "session": (nothing, lambda: session(engine), rounds),
        "unused": (nothing, lambda: unused_session(engine), rounds),
        "truncate": (commit, truncation(writer), rounds // 10),
        "clone": (nothing, cloning(server), rounds // 10),
    }
    found = {way: several(before, action, count) for way, (before, action, count) in ways.items()}
    engine.dispose()
    database.close()
    writer.close()
    server.drop(name)
    bare = f"SELECT 1 alone {words(found['bare'])}"
    peers = f"truncate all {words(found['truncate'])}, clone and drop {words(found['clone'])}"
    yield row("reset after a test that committed (50 tables), ms", found["reset"], 1.5, peers)
    yield row("reset after a test that wrote nothing, ms", found["clean"], 1.5, bare)
    clones = worker_clones(server)
    yield row("database per worker, 50 tables, 8 workers one after another, ms each", clones, 60.0, "")
    together = worker_clones(server, at_once=True)
    yield row("the same, all 8 at once, ms each of the wall time", together, 60.0, "")
    own = f"the fixture's own share {words(found['unused'])}"
    yield row("rollback session, ms a test that adds 6 rows and commits", found["session"], 2.0, own)
    yield blocking(server)


def several(before: Action, action: Action, rounds: int) -> list[float]:
    """Milliseconds of each round; the way's own rounds follow one another, as its tests would."""
    found = []
    for _ in range(max(rounds, 3)):
        before()
        found.append(timed(action))
    return found


def row(figure: str, milliseconds: list[float], target: float, peers: str) -> Row:
    return Row(figure, words(milliseconds), f"<= {target:g}", statistics.median(milliseconds) <= target, peers)


def words(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):.2f} (least {min(milliseconds):.2f})"


def timed(action: Action) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def nothing() -> None:
    """A test that writes nothing."""


def void(_value: object) -> None:
    """Leave the value be."""


def truncation(connection: psycopg.Connection[object]) -> Action:
    """The 25 tables that are not seeded; the seeded ones would have to be filled again besides."""
    names = ", ".join(f"t{number}" for number in range(1, TABLES, 2))
    return lambda: void(connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE; SELECT ci_itest.reset()"))


def cloning(server: PostgresServer) -> Action:
    """A database for one test, as it is made without a choice of strategy."""

    def clone_and_drop() -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE bench_clone TEMPLATE "{TEMPLATE}"')
            connection.execute("DROP DATABASE bench_clone")

    return clone_and_drop


class Base(DeclarativeBase):
    """The models of the sessions."""


class Thing(Base):
    """A row of a table without seeds."""

    __tablename__ = "t41"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    amount: Mapped[int]


def session(engine: SqlEngine) -> None:
    with orm.rolled_back(engine) as opened:
        opened.add_all([Thing(name="x", amount=number) for number in range(6)])
        opened.commit()


def unused_session(engine: SqlEngine) -> None:
    """As long as it takes to begin and to roll back, with nothing between."""
    with orm.rolled_back(engine) as opened:
        opened.connection()


def worker_clones(server: PostgresServer, *, at_once: bool = False) -> list[float]:
    """Milliseconds each of eight clones took; of the wall time, where they are made at once."""

    def clone(number: int) -> tuple[str, float]:
        start = time.perf_counter()
        name, _ = server.clone(TEMPLATE, worker=f"gw{number}")
        return name, (time.perf_counter() - start) * 1000

    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS if at_once else 1) as pool:
        made = list(pool.map(clone, range(WORKERS)))
    wall = (time.perf_counter() - start) * 1000
    for name, _ in made:
        server.drop(name)
    return [wall / WORKERS] * WORKERS if at_once else [milliseconds for _, milliseconds in made]


def blocking(server: PostgresServer) -> Row:
    """Two transactions that write to the same table: by our marks, and by a table of marks."""
    name, url = server.clone(TEMPLATE, worker="two")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (name text PRIMARY KEY)")
        connection.execute("CREATE TABLE marked (id serial)")
        connection.execute(
            "CREATE FUNCTION by_table() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO marks VALUES (TG_TABLE_NAME) ON CONFLICT DO NOTHING; RETURN NULL; END $$"
        )
        connection.execute("CREATE TRIGGER m AFTER INSERT ON marked FOR EACH STATEMENT EXECUTE FUNCTION by_table()")
    ours, theirs = waits(url, "t41 (name) VALUES ('x')"), waits(url, "marked DEFAULT VALUES")
    server.drop(name)
    said = {True: "the second writer waits", False: "no waiting"}
    return Row("2 concurrent writers", said[ours], "no waiting", not ours, f"table of marks: {said[theirs]}")


def waits(url: str, insert: str) -> bool:
    with psycopg.connect(url) as first, psycopg.connect(url) as second:
        second.execute("SET lock_timeout = '500ms'")
        first.execute(f"INSERT INTO {insert}")
        has_waited = True
        with suppress(psycopg.errors.LockNotAvailable):
            second.execute(f"INSERT INTO {insert}")
            has_waited = False
    return has_waited


if __name__ == "__main__":
    main()
