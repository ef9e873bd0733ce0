"""The fixtures for databases on MariaDB and SQLite: what they can do there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.fixtures import pytest_in, suite

SCHEMA = """
CREATE TABLE customers (id integer PRIMARY KEY{auto}, name varchar(80) NOT NULL);
CREATE TABLE orders (
    id integer PRIMARY KEY{auto}, customer_id integer NOT NULL, state varchar(20) DEFAULT 'new',
    FOREIGN KEY (customer_id) REFERENCES customers (id)
);
CREATE VIEW names AS SELECT name FROM customers;
INSERT INTO customers (id, name) VALUES (1, 'Ada'), (2, 'Bob');
"""
TESTS = """
    import os
    import pytest
    from sqlalchemy import create_engine, text

    def names(database):
        return [row["name"] for row in database.execute("SELECT name FROM names ORDER BY name")]

    @pytest.mark.parametrize("turn", range(3))
    def test_commits(seed, clean_database, turn):
        assert clean_database.tables == ["customers", "orders"]
        engine = create_engine(clean_database.sqlalchemy_url)
        with engine.begin() as outside:
            outside.execute(text("UPDATE customers SET name = 'Eve' WHERE id = 1"))
        engine.dispose()
        made = seed("orders", customer_id=2)
        assert (made["customer_id"], made["state"]) == (2, "new")
        assert clean_database.rows("orders", customer_id=2) == [made]
        assert "orders" in clean_database.dirty()

    def test_nothing_is_left(clean_database):
        assert names(clean_database) == ["Ada", "Bob"]
        assert clean_database.rows("orders") == []
        assert clean_database.dirty() == []
        assert os.environ["DATABASE_URL"] == clean_database.url

    def test_a_session(db_session, database):
        db_session.execute(text("INSERT INTO orders (customer_id) VALUES (1)"))
        db_session.commit()
        assert db_session.execute(text("SELECT count(*) FROM orders")).scalar() == 1
        db_session.rollback()
        assert db_session.execute(text("SELECT count(*) FROM orders")).scalar() == 1

    def test_the_session_was_rolled_back(database):
        assert database.rows("orders") == []
"""
CONFTEST = """
    import pytest
    from ci_itest.pytest_plugin.databases.migrations import sql

    @pytest.fixture(scope="session")
    def migrations():
        return sql("schema.sql")
"""


def files(auto: str) -> dict[str, str]:
    named = {"tests/test_it.py": TESTS, "tests/test_more.py": TESTS, "tests/conftest.py": CONFTEST}
    return {**named, "schema.sql": SCHEMA.replace("{auto}", auto)}


def test_on_sqlite_every_worker_has_a_file_that_is_brought_back(tmp_path: Path) -> None:
    settings = '[database]\nurl = "sqlite:///shop.db"\n[environment]\nDATABASE_URL = "sqlite:///shop.db"\n'
    root = suite(tmp_path, files(""), settings=settings)

    ran = pytest_in(root, "-n", "2", "--dist", "loadfile")

    assert ran.counts == {"passed": 12}, ran.output
    assert not (root / "shop.db").exists()


@pytest.mark.docker
def test_on_mariadb_every_worker_has_a_copy_that_is_brought_back(tmp_path: Path, mariadb_url: str) -> None:
    settings = '[services]\ndb = "mariadb:10.11"\n[environment]\nDATABASE_URL = "{db.url}"\n'
    root = suite(tmp_path, files(" AUTO_INCREMENT"), settings=settings)
    url = mariadb_url.replace("test:", "root:", 1)

    ran = pytest_in(root, "-n", "2", "--dist", "loadfile", "--service", f"db={url}")

    assert ran.counts == {"passed": 12}, ran.output


@pytest.mark.docker
def test_on_mariadb_a_user_who_may_not_create_databases_is_told_so(tmp_path: Path, mariadb_url: str) -> None:
    root = suite(tmp_path, files(" AUTO_INCREMENT"), settings='[services]\ndb = "mariadb:10.11"\n')

    ran = pytest_in(root, "--service", f"db={mariadb_url}", "-k", "nothing")

    assert "The server does not let us create a database" in ran.output
    assert "Use a user with CREATE on all databases" in ran.output
