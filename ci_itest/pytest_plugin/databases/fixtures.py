"""What the fixtures `database`, `db_session`, `clean_database` and `seed` do."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci_itest.model.coverage import READ
from ci_itest.pytest_plugin.activity import activity_of
from ci_itest.pytest_plugin.coverage import coverage_of
from ci_itest.pytest_plugin.databases.database import Database
from ci_itest.pytest_plugin.databases.migrations import checked
from ci_itest.pytest_plugin.databases.seeding import Seed
from ci_itest.pytest_plugin.databases.template import Server, Source, Workshop, source_of
from ci_itest.pytest_plugin.session import Session, session_of, told_plainly


class LeftRowsWarning(pytest.PytestWarning):
    """A test wrote to the database for good without asking for `clean_database`."""


_OF_TOOLS = {"alembic_version", "django_migrations", "schema_migrations", "flyway_schema_history"}
"""Tables that no test is expected to write to."""

_WORKSHOP = pytest.StashKey[Workshop]()
_ENGINE = pytest.StashKey[Any]()


def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The worker's own database; `[environment]` names it from now on."""
    config = request.config
    with told_plainly():
        session = session_of(config)
        found = checked(request.getfixturevalue("migrations"))
        workshop = _workshop(request, session, source_of(session, found))
        made = workshop.database()
    session.fill_environment()
    os.environ.update(workshop.variables(made.url))
    activity_of(config).sources["database"] = lambda: written_rows(made)
    config.stash[_WORKSHOP] = workshop
    coverage_of(config).declare("tables", set(made.tables) - _OF_TOOLS)
    yield made
    engine = config.stash.get(_ENGINE, None)
    if engine is not None:
        engine.dispose()
    for table, times in made.reads().items():
        coverage_of(config).touch(READ, table, times=times)
    with told_plainly():
        workshop.drop(made)


def empty_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without a table, for tests of the migrations themselves."""
    request.getfixturevalue("database")
    workshop = request.config.stash[_WORKSHOP]
    with told_plainly():
        made = workshop.empty(suffix="_empty")
    yield made
    workshop.drop(made)


def db_session(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A session that is rolled back."""
    from ci_itest.pytest_plugin.databases import orm

    if "clean_database" in request.fixturenames:
        request.getfixturevalue("clean_database")  # first, so that the reset does not meet our open transaction
    with orm.rolled_back(_engine(request)) as session:
        yield session


def clean_database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The worker's database, as it was prepared before the test and again after it."""
    database: Database = request.getfixturevalue("database")
    activity = activity_of(request.config)
    with _blamed(request.node.nodeid):
        if left := database.reset():
            words = f"{left} row{'s' if left > 1 else ''}"
            warnings.warn(
                LeftRowsWarning(
                    f"{activity.last or 'An earlier test'} left {words} in the database. "
                    "Let it use the fixture clean_database, or db_session."
                ),
                stacklevel=1,
            )
    yield database
    with _blamed(request.node.nodeid):
        written = database.take_back().tables
    database.note_reset(written)
    coverage_of(request.config).touch("tables", *written)


def seed(request: pytest.FixtureRequest) -> Seed:
    """Puts rows into the worker's database, which is clean again after the test."""
    database: Database = request.getfixturevalue("clean_database")

    def add_objects(objects: list[Any]) -> None:
        from ci_itest.pytest_plugin.databases import orm

        orm.add_all(_engine(request), objects)

    return Seed(database, root=session_of(request.config).root, add_objects=add_objects)


def written_rows(database: Database, *, largest: int = 5) -> str:
    """The first rows of each table that was written to since the last reset."""
    lines = []
    for table in database.dirty():
        rows = database.rows(table)
        lines.append(f"{table}: {len(rows)} row{'' if len(rows) == 1 else 's'}")
        lines += [f"  {row}" for row in rows[:largest]]
    return "\n".join(lines)


@contextmanager
def _blamed(nodeid: str) -> Iterator[None]:
    with told_plainly(prefix=f"{nodeid}: "):
        yield


def _engine(request: pytest.FixtureRequest) -> Any:
    from ci_itest.pytest_plugin.databases import orm

    stash = request.config.stash
    if stash.get(_ENGINE, None) is None:
        database: Database = request.getfixturevalue("database")
        stash[_ENGINE] = orm.engine_of(database.url)
    return stash[_ENGINE]


def _workshop(request: pytest.FixtureRequest, session: Session, source: Source) -> Workshop:
    return Workshop(session, source, _server(request, source))


def _server(request: pytest.FixtureRequest, source: Source) -> Server:
    if not source.service:
        from ci_itest.pytest_plugin.databases.sqlite import SqliteServer

        return SqliteServer(_shared_folder(request) / "ci-itest-databases")
    if source.url.startswith("postgres"):
        from ci_itest.pytest_plugin.databases.postgres import PostgresServer

        return PostgresServer(source.url)
    from ci_itest.pytest_plugin.databases.mysql import MySqlServer

    return MySqlServer(source.url)


def _shared_folder(request: pytest.FixtureRequest) -> Path:
    """A folder of this run that all its workers have in common."""
    own: Path = request.getfixturevalue("tmp_path_factory").getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
