"""The fixtures for databases in suites as a team writes them: migrations, seeds, sessions, clean tables, mistakes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.helpers.fixtures import Ran, pytest_in, suite

pytestmark = pytest.mark.docker

SETTINGS = """
[services]
postgres = "postgres:15"
[environment]
DATABASE_URL = "{postgres.url}"
"""
PREPARED = f"""{SETTINGS}
[[prepare]]
run = "psql -q -v ON_ERROR_STOP=1 $DATABASE_URL -f schema.sql"
inputs = ["schema.sql"]
[database]
seeds = ["seeds/*"]
"""
SCHEMA = """
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, state text DEFAULT 'new');
"""
SEEDS = {
    "schema.sql": SCHEMA,
    "seeds/1_customers.csv": "id,name\n1,Ada\n2,Bob\n",
    "seeds/2_more.sql": "INSERT INTO customers VALUES (3, 'Cyd'); UPDATE customers SET name = 'B' WHERE id = 2;",
}
EMPTY = "def test_it(database): assert database.tables == ['customers', 'orders']\n"


def attached(root: Path, url: str, *arguments: str) -> Ran:
    return pytest_in(root, "--service", f"postgres={url}", *arguments)


def test_what_a_test_commits_is_gone_and_seeds_are_back(tmp_path: Path, postgres_url: str) -> None:
    text = """
    import os
    import psycopg, pytest
    from sqlalchemy import text

    SEEDED = ["Ada", "B", "Cyd"]

    def test_seeded(clean_database):
        assert [row["name"] for row in clean_database.rows("customers")] == SEEDED
        assert os.environ["DATABASE_URL"] == clean_database.url

    @pytest.mark.parametrize("turn", range(3))
    def test_commits(seed, clean_database, turn):
        with psycopg.connect(os.environ["DATABASE_URL"]) as outside:
            outside.execute("DELETE FROM customers WHERE id = 1")
        assert seed("orders", customer_id=2) == {"id": 1, "customer_id": 2, "state": "new"}
        assert clean_database.dirty() == ["customers", "orders"]
        assert clean_database.count("orders", state="new") == 1

    def test_a_session(db_session, database):
        db_session.execute(text("INSERT INTO orders (customer_id) VALUES (1)"))
        db_session.commit()
        assert db_session.execute(text("SELECT count(*) FROM orders")).scalar() == 1
        assert database.rows("orders") == []

    def test_a_session_beside_a_reset(db_session, clean_database):
        db_session.execute(text("INSERT INTO orders (customer_id) VALUES (1)"))

    def test_all_kinds_of_seeds(seed, database):
        customer = seed.factory("customers", name=lambda number: f"Customer {number}")
        assert [customer()["name"], customer(name="Eve")["name"]] == ["Customer 1", "Eve"]
        made = seed({"orders": [{"customer_id": 50}], "customers": [{"id": 50, "name": "Fay"}]})
        assert made["orders"][0]["customer_id"] == 50
        assert len(seed("orders", [{"customer_id": 1}, {"customer_id": 2}])) == 2
        seed.file("seeds/extra/orders.csv")
        assert database.count("orders", state="shipped") == 1

    def test_nothing_is_left(clean_database):
        assert [row["name"] for row in clean_database.rows("customers")] == SEEDED
        assert clean_database.rows("orders") == []

    def test_an_empty_one(empty_database, database):
        assert empty_database.tables == []
        assert empty_database.url != database.url
"""
    root = suite(tmp_path, {**SEEDS, "tests/test_it.py": text, "tests/test_more.py": text}, settings=PREPARED)
    (root / "seeds" / "extra").mkdir()
    (root / "seeds" / "extra" / "orders.csv").write_text("customer_id,state\n1,shipped\n")
    settings = (root / "ci-itest.toml").read_text().replace("seeds/*", "seeds/*.*")
    (root / "ci-itest.toml").write_text(settings)

    ran = attached(root, postgres_url, "-n", "2", "--dist", "loadfile")

    assert ran.counts == {"passed": 18}, ran.output
    assert databases(postgres_url, "ci_itest_w_%") == []


def databases(url: str, pattern: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [
            name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern])
        ]


def test_a_test_that_leaves_rows_or_a_transaction_is_told_so(tmp_path: Path, postgres_url: str) -> None:
    text = """
    import psycopg

    def test_leaves_rows(database):
        database.execute("INSERT INTO customers (name) VALUES ('left')")

    def test_meets_none_of_them(clean_database):
        assert len(clean_database.rows("customers")) == 0

    def test_forgets_to_commit(clean_database):
        global forgotten
        forgotten = psycopg.connect(clean_database.url, application_name="forgetful")
        forgotten.execute("INSERT INTO customers (name) VALUES ('open')")

    def test_begins_clean(clean_database):
        assert clean_database.rows("customers") == []

    def test_mistypes(clean_database):
        clean_database.rows("costumers")
"""
    root = suite(tmp_path, {"schema.sql": SCHEMA, "tests/test_it.py": text}, settings=PREPARED.replace('"seeds/*"', ""))

    ran = attached(root, postgres_url)

    assert ran.counts == {"failed": 1, "passed": 4, "warning": 1, "error": 1}, ran.output
    assert (
        "tests/test_it.py::test_leaves_rows left 1 row in the database. Let it use the fixture clean_database"
        in ran.output
    )
    assert "tests/test_it.py::test_forgets_to_commit: A transaction was left open: forgetful (idle in" in ran.output
    assert "Did you mean customers?" in ran.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema.sql": "CREATE TABLE customers (id itn);"}, 'schema.sql:1: ERROR:  type "itn" does not exist'),
        ({"seeds/1_customers.csv": "id,name\n1\n"}, "1_customers.csv:2 has 1 values for 2 columns."),
        (
            {"seeds/1_customers.csv": "id,nam\n1,x\n"},
            '1_customers.csv:2: column "nam" of relation "customers" does not',
        ),
        ({"seeds/1_custom.csv": "id\n1\n"}, "There is no table 'custom'.\nDid you mean customers?"),
        ({"seeds/2_more.sql": "INSERT INTO none VALUES (1);"}, '2_more.sql: relation "none" does not exist'),
        ({"seeds/notes.txt": ""}, "notes.txt is no seed.\nSeeds are .sql and .csv files."),
    ],
)
def test_a_preparation_that_fails_says_where(
    tmp_path: Path, postgres_url: str, change: dict[str, str], words: str
) -> None:
    root = suite(tmp_path, {**SEEDS, **change, "tests/test_it.py": EMPTY}, settings=PREPARED)

    ran = attached(root, postgres_url)

    assert ran.counts == {"error": 1}, ran.output
    assert words in ran.output
    assert "Traceback" not in ran.output


def test_the_database_of_a_failed_migration_is_there_to_be_looked_at(tmp_path: Path, postgres_url: str) -> None:
    schema = "CREATE TABLE customers (id int); CREATE TABLE broken;"
    settings = PREPARED.replace('"seeds/*"', "")
    root = suite(tmp_path, {"schema.sql": schema, "tests/test_it.py": EMPTY}, settings=settings)

    ran = attached(root, postgres_url)

    assert "[[prepare]] step 1: `psql" in ran.output
    assert "syntax error" in ran.output
    url = ran.output.partition("The database is left as it was then: ")[2].split()[0]
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{url.rpartition("/")[2]}"')


MIGRATED = "def test_it(database): assert 'orders' in database.tables\n"
ALEMBIC = {
    "alembic.ini": "[alembic]\nscript_location = migrations\n",
    "migrations/env.py": """
        from alembic import context

        context.configure(connection=context.config.attributes["connection"])
        with context.begin_transaction():
            context.run_migrations()
        """,
    "migrations/versions/0001_orders.py": """
        import sqlalchemy as sa
        from alembic import op

        revision = "0001"
        down_revision = None

        def upgrade():
            op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))
        """,
}
DJANGO = {
    "project/__init__.py": "",
    "project/settings.py": """
        SECRET_KEY = "x"
        INSTALLED_APPS = ["shop"]
        USE_TZ = True
        DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}}
        """,
    "shop/__init__.py": "",
    "shop/models.py": "",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": """
        from django.db import migrations

        class Migration(migrations.Migration):
            initial = True
            dependencies = []
            operations = [migrations.RunSQL("CREATE TABLE orders (id int PRIMARY KEY)")]
        """,
}


def declaring(call: str) -> dict[str, str]:
    """A conftest that says how to migrate."""
    name = call.partition("(")[0]
    imported = "" if name == "own" else f"from ci_itest.pytest_plugin.databases.migrations import {name}"
    text = f"""
        import pytest
        {imported}

        def own(url):
            import psycopg
            with psycopg.connect(url) as connection:
                connection.execute("CREATE TABLE orders (id int)")

        @pytest.fixture(scope="session")
        def migrations():
            return {call}
        """
    return {"tests/conftest.py": text, "tests/test_it.py": MIGRATED, "pytest.ini": "[pytest]\npythonpath = .\n"}


@pytest.mark.parametrize(
    ("call", "files"),
    [
        ("alembic()", ALEMBIC),
        ("django('project.settings')", DJANGO),
        ("sql('orders.sql')", {"orders.sql": "CREATE TABLE orders (id int);"}),
        ("command('psql $DATABASE_URL -c \"CREATE TABLE orders (id int)\"')", {}),
        ("own", {}),
    ],
)
def test_migrations_run_in_the_process_of_the_tests(
    tmp_path: Path, postgres_url: str, call: str, files: dict[str, str]
) -> None:
    root = suite(tmp_path, {**declaring(call), **files}, settings=SETTINGS)

    ran = attached(root, postgres_url)

    assert ran.counts == {"passed": 1}, ran.output


def test_a_migration_in_process_that_fails_names_its_file(tmp_path: Path, postgres_url: str) -> None:
    broken = ALEMBIC["migrations/versions/0001_orders.py"].replace("sa.Integer", "sa.Intger")
    files = {**declaring("alembic()"), **ALEMBIC, "migrations/versions/0001_orders.py": broken}
    root = suite(tmp_path, files, settings=SETTINGS)

    ran = attached(root, postgres_url)

    assert (
        "alembic upgrade head (alembic.ini) failed in migrations/versions/0001_orders.py:9: AttributeError"
        in ran.output
    )
    assert ran.counts == {"error": 1}


def test_a_fixture_that_names_no_migrations_is_refused(tmp_path: Path, postgres_url: str) -> None:
    root = suite(tmp_path, declaring("sql('x').words"), settings=SETTINGS)

    ran = attached(root, postgres_url)

    assert "The fixture `migrations` returned str." in ran.output


def test_the_same_preparation_is_done_once(tmp_path: Path, postgres_url: str) -> None:
    settings = PREPARED.replace("psql -q", "echo x >> ran.txt; psql -q")
    root = suite(tmp_path, {**SEEDS, "tests/test_it.py": EMPTY}, settings=settings)

    attached(root, postgres_url)
    attached(root, postgres_url)
    before = (root / "ran.txt").read_text()
    (root / "schema.sql").write_text(SCHEMA + "-- changed\n")
    ran = attached(root, postgres_url)

    assert ran.counts == {"passed": 1}, ran.output
    assert before == "x\n"
    assert (root / "ran.txt").read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('[services]\nredis = "redis:7"\n', "No service of the settings is a database."),
        ('[database]\nurl = "postgresql://h/d"\n', "[database] url is 'postgresql://h/d'; it names a SQLite file."),
        ('[services]\npostgres = "postgres:15"\n[database]\nservice = "postgers"\n', "Did you mean postgres?"),
    ],
)
def test_a_database_that_cannot_be_told_is_asked_for(tmp_path: Path, settings: str, words: str) -> None:
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(database): pass\n"}, settings=settings)
    named = (
        []
        if "[database]\nurl" in settings
        else ["--service", "redis=redis://h" if "redis" in settings else "postgres=postgresql://h/d"]
    )

    ran = pytest_in(root, *named)

    assert words in ran.output
    assert ran.counts == {"error": 1}, ran.output


def test_two_databases_need_a_name(tmp_path: Path) -> None:
    settings = '[services]\npostgres = "postgres:15"\nmariadb = "mariadb:10.11"\n'
    root = suite(tmp_path, {"tests/test_it.py": "def test_it(database): pass\n"}, settings=settings)

    ran = pytest_in(root, "--service", "postgres=postgresql://h/d", "--service", "mariadb=mysql://h/d")

    assert (
        "There are 2 databases: postgres, mariadb.\nName the one that the fixtures work on: [database] service"
        in ran.output
    )
