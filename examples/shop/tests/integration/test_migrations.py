"""The migrations: from nothing to now, and back."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from shop.models import Base
from sqlalchemy import Engine, inspect, text
from support.databases import alembic_config, empty_database

pytestmark = pytest.mark.integration


@pytest.fixture
def empty(settings, run_name, tmp_path):
    with empty_database(settings.database_url, name=f"{run_name}_migrations", folder=tmp_path) as engine:
        yield engine


def migrate(engine: Engine, revision: str) -> None:
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), revision)


def test_the_migrated_tables_are_those_of_the_models(empty) -> None:
    migrate(empty, "head")

    with empty.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_every_step_can_be_taken_back(empty) -> None:
    migrate(empty, "head")

    with empty.connect() as connection:
        command.downgrade(alembic_config(connection), "base")

    assert inspect(empty).get_table_names() == ["alembic_version"]


def test_migrating_twice_changes_nothing(empty) -> None:
    migrate(empty, "head")
    migrate(empty, "head")

    with empty.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0008"


def test_orders_from_before_discounts_keep_their_total(empty) -> None:
    migrate(empty, "0006")
    with empty.begin() as connection:
        connection.execute(
            text("INSERT INTO customers (id, email, name, password_hash, created_at) VALUES (1, 'a', 'A', '!', :now)"),
            {"now": "2024-01-01 00:00:00"},
        )
        connection.execute(
            text("INSERT INTO orders (customer_id, state, total_cents, placed_at) VALUES (1, 'paid', 4200, :now)"),
            {"now": "2024-01-01 00:00:00"},
        )

    migrate(empty, "head")

    with empty.connect() as connection:
        row = connection.execute(text("SELECT subtotal_cents, discount_cents, total_cents FROM orders")).one()
    assert tuple(row) == (4200, 0, 4200)
