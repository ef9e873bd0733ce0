"""The migrations: from nothing to now, and back."""

import pytest
from sqlalchemy import inspect, text

pytestmark = pytest.mark.integration


@pytest.fixture
def schema(empty_database):
    """A database without a single table."""
    from shop.database import make_engine
    from support.migrating import Schema

    engine = make_engine(empty_database.sqlalchemy_url)
    yield Schema(engine)
    engine.dispose()


def test_the_migrated_tables_are_those_of_the_models(schema) -> None:
    schema.upgrade("head")

    assert schema.differences() == []


def test_every_step_can_be_taken_back(schema) -> None:
    schema.upgrade("head")

    schema.downgrade("base")

    assert inspect(schema.engine).get_table_names() == ["alembic_version"]


def test_migrating_twice_changes_nothing(schema) -> None:
    schema.upgrade("head")
    schema.upgrade("head")

    assert schema.differences() == []


def test_orders_from_before_discounts_keep_their_total(schema) -> None:
    schema.upgrade("0006")
    with schema.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO customers (id, email, name, password_hash, created_at) VALUES (1, 'a', 'A', '!', :now)"),
            {"now": "2024-01-01 00:00:00"},
        )
        connection.execute(
            text("INSERT INTO orders (customer_id, state, total_cents, placed_at) VALUES (1, 'paid', 4200, :now)"),
            {"now": "2024-01-01 00:00:00"},
        )

    schema.upgrade("head")

    with schema.engine.connect() as connection:
        row = connection.execute(text("SELECT subtotal_cents, discount_cents, total_cents FROM orders")).one()
    assert tuple(row) == (4200, 0, 4200)
