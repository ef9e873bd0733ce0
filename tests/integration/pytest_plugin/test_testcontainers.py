"""A suite written for testcontainers-python, with fixtures of its own, runs unchanged beside us and in shards."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.peers import PeerMissingError, python_with
from ci_itest.process import output_of
from tests.conftest import skip_or_fail
from tests.helpers.suites import ci_itest_command, suite_environment, write_files

pytestmark = pytest.mark.docker

PROJECT = Path(__file__).parents[3]
REQUIREMENTS = ("testcontainers>=4.9", "pytest>=8.3", "psycopg[binary]>=3.2", "redis>=5.2", "sqlalchemy>=2")

CONFTEST = """
    import os

    import pytest
    import redis
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import sessionmaker
    from testcontainers.postgres import PostgresContainer
    from testcontainers.redis import RedisContainer


    @pytest.fixture(scope="session")
    def service():
        with PostgresContainer(os.environ["POSTGRES_IMAGE"], driver="psycopg") as postgres:
            yield postgres


    @pytest.fixture(scope="session")
    def cache():
        with RedisContainer(os.environ["REDIS_IMAGE"]) as container:
            yield container.get_client(decode_responses=True)


    @pytest.fixture(scope="session")
    def database(service):
        engine = create_engine(service.get_connection_url())
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE notes (id serial PRIMARY KEY, words text NOT NULL)"))
        yield engine
        engine.dispose()


    @pytest.fixture
    def db_session(database):
        connection = database.connect()
        transaction = connection.begin()
        session = sessionmaker(bind=connection, join_transaction_mode="create_savepoint")()
        yield session
        session.close()
        transaction.rollback()
        connection.close()


    @pytest.fixture
    def seed(db_session):
        def seed(*words):
            for one in words:
                db_session.execute(text("INSERT INTO notes (words) VALUES (:words)"), {"words": one})
            db_session.commit()
        return seed
"""
TESTS = {
    "test_notes": """
    import pytest
    from sqlalchemy import text

    @pytest.mark.parametrize("count", [1, 3])
    def test_notes_are_counted(db_session, seed, count):
        seed(*"abc"[:count])
        assert db_session.scalar(text("SELECT count(*) FROM notes")) == count

    def test_each_test_begins_without_any(db_session):
        assert db_session.scalar(text("SELECT count(*) FROM notes")) == 0
""",
    "test_cache": """
    def test_a_key_is_kept(cache):
        cache.set("note", "words")
        assert cache.get("note") == "words"
""",
}


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return python_with("testcontainers", [*REQUIREMENTS, "--editable", str(PROJECT)])
    except PeerMissingError as error:
        skip_or_fail(str(error))
        raise


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    files = {f"tests/{name}.py": text for name, text in TESTS.items()}
    return write_files(tmp_path, {"pytest.ini": "[pytest]\n", "tests/conftest.py": CONFTEST, **files})


def variables(mirror: str) -> dict[str, str]:
    """Where the images are, and no container of testcontainers' own that removes what a killed session left."""
    prefix = f"{mirror}/library/" if mirror else ""
    return {
        "POSTGRES_IMAGE": f"{prefix}postgres:15",
        "REDIS_IMAGE": f"{prefix}redis:7",
        "TESTCONTAINERS_RYUK_DISABLED": "true",
    }


def test_with_plain_pytest_it_does_what_it_does_without_us(suite: Path, python: Path, mirror: str) -> None:
    environment = suite_environment(**variables(mirror))

    ended = [
        output_of(
            [str(python), "-m", "pytest", "-q", "-W", "ignore", *options],
            directory=suite,
            environment=environment,
            within_seconds=240,
        )
        for options in ((), ("-p", "no:ci_itest"))
    ]

    assert [code for code, _ in ended] == [0, 0], ended
    with_us, without_us = (re.sub(r"in [\d.]+s.*", "", output) for _, output in ended)
    assert with_us == without_us
    assert "4 passed" in with_us


def test_in_shards_it_is_divided_and_reported_as_any_other(suite: Path, python: Path, mirror: str) -> None:
    (suite / "ci-itest.toml").write_text(f'python = "{python}"\nshards = 2\nworkers = 1\n')

    code, output = output_of(
        ci_itest_command("run"), directory=suite, environment=suite_environment(**variables(mirror)), within_seconds=300
    )

    assert code == 0, output
    assert "4 tests passed" in output
    assert "2 shards" in output
