"""The reset of a PostgreSQL database: what it brings back, what it notices, whom it does not hold up."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from ci_itest.errors import ServiceError
from ci_itest.process import output_of
from ci_itest.pytest_plugin.databases.database import Database
from ci_itest.pytest_plugin.databases.postgres import RESET_SQL, Postgres, PostgresServer, install_reset
from tests.conftest import skip_or_fail

pytestmark = pytest.mark.docker

SCHEMA = """
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    loud text GENERATED ALWAYS AS (upper(name)) STORED
);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE);
CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, number int, PRIMARY KEY (order_id, number));
CREATE TABLE events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE SCHEMA billing;
CREATE TABLE billing."Invoices" (id int PRIMARY KEY);
CREATE TABLE untouched (id int PRIMARY KEY);
INSERT INTO customers (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'Ada'), (7, 'Bob');
"""

Make = Callable[[], Database]


@pytest.fixture(scope="module")
def server(postgres_url: str) -> PostgresServer:
    made = PostgresServer(postgres_url)

    def build(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA)
        install_reset(url)

    made.template("ci_itest_template_reset", source="", build=build)
    return made


@pytest.fixture
def database(server: PostgresServer) -> Iterator[Database]:
    name, url = server.clone("ci_itest_template_reset", worker="reset")
    made = Database(name, url, Postgres())
    yield made
    made.close()
    server.drop(name)


def outside(database: Database, *statements: str) -> None:
    """What another process does to the database, for good."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "dirty"),
    [
        ("INSERT INTO orders (customer_id) VALUES (1)", ["orders"]),
        ("UPDATE customers SET name = 'Eve' WHERE id = 1", ["customers"]),
        ("DELETE FROM customers WHERE id = 1", ["customers", "orders"]),
        ("TRUNCATE customers CASCADE", ["customers", "lines", "orders"]),
        ("INSERT INTO events VALUES ('2026-05-05', 'x')", ["events"]),
        ("INSERT INTO events_2026 VALUES ('2026-05-05', 'x')", ["events_2026"]),
        ('INSERT INTO billing."Invoices" VALUES (1)', ["billing.Invoices"]),
        ("COPY customers (name) FROM PROGRAM 'echo Eve'", ["customers"]),
        ("SELECT nextval('orders_id_seq')", []),
    ],
)
def test_whatever_was_written_is_taken_back(database: Database, statement: str, dirty: list[str]) -> None:
    before = everything(database)

    outside(database, statement)
    found = database.dirty()
    database.reset()

    assert found == dirty
    assert everything(database) == before
    assert database.dirty() == []


def everything(database: Database) -> dict[str, Any]:
    tables = ("customers", "orders", "lines", "events", "untouched")
    counters = database.execute("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname <> 'ci_itest'")
    return {**{table: database.rows(table) for table in tables}, "counters": counters}


def test_ids_begin_again_after_the_seeded_ones(database: Database) -> None:
    first = [database.insert("customers", {"name": "Eve"})["id"], database.insert("orders", {"customer_id": 1})["id"]]
    database.reset()

    again = [database.insert("customers", {"name": "Eve"})["id"], database.insert("orders", {"customer_id": 1})["id"]]

    assert first == again == [8, 1]


def test_what_was_rolled_back_leaves_nothing_to_remove(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("INSERT INTO orders (customer_id) VALUES (1)")
        connection.rollback()

    assert database.reset() == 0


def test_a_reset_counts_the_rows_that_had_to_go(database: Database) -> None:
    outside(database, "INSERT INTO orders (customer_id) VALUES (1), (1), (7)")

    assert database.reset() == 3


def test_a_reset_tells_which_tables_had_been_written_to(database: Database) -> None:
    outside(database, "INSERT INTO orders (customer_id) VALUES (1)", """INSERT INTO billing."Invoices" VALUES (1)""")

    found = database.take_back()

    assert (found.rows, found.tables) == (2, ("billing.Invoices", "orders"))
    assert database.take_back().tables == ()


def test_a_transaction_left_open_on_our_own_connection_is_named_and_the_next_statement_works(
    database: Database,
) -> None:
    database.execute("BEGIN")
    database.insert("orders", {"customer_id": 1})

    with pytest.raises(ServiceError, match="A transaction was left open: ci-itest"):
        database.reset()

    assert database.rows("orders") == []


def test_triggers_and_foreign_keys_stay_on_for_what_a_test_writes(database: Database) -> None:
    database.reset()

    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.insert("orders", {"customer_id": 99})


def test_a_second_writer_does_not_wait_for_the_first(database: Database) -> None:
    with psycopg.connect(database.url) as first, psycopg.connect(database.url) as second:
        second.execute("SET lock_timeout = '1s'")

        first.execute("INSERT INTO orders (customer_id) VALUES (1)")
        second.execute("INSERT INTO orders (customer_id) VALUES (1)")
        second.commit()
        first.commit()

    assert database.reset() == 2


def test_writers_at_the_same_time_are_all_taken_back(database: Database) -> None:
    def write() -> None:
        outside(database, *["INSERT INTO orders (customer_id) VALUES (1)"] * 20)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert database.reset() == 80


def test_an_open_transaction_is_ended_and_named(database: Database) -> None:
    left = psycopg.connect(database.url, application_name="forgetful")
    left.execute("INSERT INTO orders (customer_id) VALUES (1)")

    with pytest.raises(ServiceError) as refused:
        database.reset()

    assert "forgetful (idle in transaction)" in refused.value.message
    assert "INSERT INTO orders" in refused.value.message
    assert "roll back" in refused.value.hint
    assert database.rows("orders") == []
    left.close()


def test_an_open_transaction_that_holds_a_lock_does_not_hold_up_the_reset_for_ever(database: Database) -> None:
    left = psycopg.connect(database.url, application_name="greedy")
    left.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    outside(database, "UPDATE customers SET name = 'Eve'")
    database.execute("SELECT nextval(marker::regclass) FROM ci_itest.tables WHERE name = 'orders'")

    with pytest.raises(ServiceError, match="greedy"):
        database.reset()

    assert [row["name"] for row in database.rows("customers")] == ["Ada", "Bob"]
    left.close()


def test_other_languages_reset_by_a_function(database: Database) -> None:
    outside(database, "INSERT INTO orders (customer_id) VALUES (1)", "SELECT ci_itest_reset()")

    assert database.rows("orders") == []


def test_a_role_without_rights_on_foreign_keys_resets_by_truncation(database: Database, postgres_url: str) -> None:
    owner = "plain_owner"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {owner}")
        connection.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'plain-password' CREATEDB")
    plain = PostgresServer(postgres_url.replace("test:test-password@", f"{owner}:plain-password@"))

    def build(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA)
        install_reset(url)

    plain.template("ci_itest_template_plain", source="", build=build)
    name, url = plain.clone("ci_itest_template_plain", worker="plain")
    mine = Database(name, url, Postgres())
    before = everything(mine)

    outside(mine, "DELETE FROM customers WHERE id = 7", "INSERT INTO orders (customer_id) VALUES (1)")
    mine.reset()

    assert everything(mine) == before
    assert mine.dirty() == []
    mine.close()
    plain.drop(name)
    plain.drop("ci_itest_template_plain")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {owner}")


def test_an_application_role_marks_what_it_writes(database: Database) -> None:
    outside(
        database,
        "DROP ROLE IF EXISTS app_role",
        "CREATE ROLE app_role",
        "GRANT INSERT ON orders TO app_role",
        "GRANT USAGE ON SEQUENCE orders_id_seq TO app_role",
        "SET ROLE app_role; INSERT INTO orders (customer_id) VALUES (1); RESET ROLE",
    )

    assert database.dirty() == ["orders"]
    outside(database, "DROP OWNED BY app_role", "DROP ROLE app_role")


def test_the_functions_can_be_installed_twice(database: Database) -> None:
    install_reset(database.url)
    outside(database, "INSERT INTO orders (customer_id) VALUES (1)")

    assert database.dirty() == ["orders"]
    assert database.reset() == 1


def test_the_sql_is_one_file_that_psql_takes(database: Database) -> None:
    if shutil.which("psql") is None:
        skip_or_fail("There is no psql on this machine")
    command = ["psql", "-v", "ON_ERROR_STOP=1", "-q", "-f", str(RESET_SQL), "-c", "SELECT ci_itest.install()"]
    code, output = output_of([*command, database.url], directory=RESET_SQL.parent, environment=os.environ)

    assert code == 0, output
    assert [line.strip() for line in output.splitlines()][-2:] == ["7", "(1 row)"]  # tables
