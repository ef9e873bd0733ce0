"""Reports over a year of sales. The year is made once for the file, which takes longer than any test."""

from datetime import date, datetime, time, timedelta
from itertools import pairwise

import pytest
from shop.models import Customer, Order, OrderLine, Payment, Product, Stock
from sqlalchemy import insert

pytestmark = [pytest.mark.integration, pytest.mark.keeps_data]

FIRST_DAY = date(2024, 1, 1)
DAYS = 366
ORDERS_A_DAY = 10
PAID_A_DAY = 9
PRODUCTS = 40
CUSTOMERS = 50
PRICE_CENTS = 500


@pytest.fixture(scope="module")
def year(app, database):
    """3,660 orders of two lines each; every tenth was cancelled and must count nowhere."""
    with app.state.engine.begin() as connection:
        make_year(connection)
    yield
    database.reset()


def make_year(connection) -> None:
    customers = _insert(
        connection,
        Customer,
        [
            {"email": f"c{number:02}@example.test", "name": f"C{number}", "password_hash": "!"}
            for number in range(CUSTOMERS)
        ],
    )
    products = _insert(
        connection,
        Product,
        [
            {
                "sku": f"P{n:02}",
                "name": f"Product {n}",
                "category": f"c{n % 4}",
                "price_cents": PRICE_CENTS,
            }
            for n in range(PRODUCTS)
        ],
    )
    connection.execute(insert(Stock), [{"product_id": product, "quantity": 10} for product in products])
    orders = _insert(connection, Order, [_order(number, customers) for number in range(DAYS * ORDERS_A_DAY)])
    connection.execute(
        insert(OrderLine),
        [
            {
                "order_id": order,
                "product_id": product,
                "quantity": quantity,
                "unit_price_cents": PRICE_CENTS,
            }
            for number, order in enumerate(orders)
            for product, quantity in _lines(number, products)
        ],
    )
    connection.execute(
        insert(Payment),
        [
            {"order_id": order, "reference": f"r{number}", "amount_cents": 4 * PRICE_CENTS}
            for number, order in enumerate(orders)
            if _state(number) == "paid"
        ],
    )


def _insert(connection, table, rows: list[dict]) -> list[int]:
    """The ids of the new rows, in their order."""
    return list(connection.scalars(insert(table).returning(table.id, sort_by_parameter_order=True), rows))


def _state(number: int) -> str:
    return "cancelled" if number % 10 == 9 else "paid"


def _order(number: int, customers: list[int]) -> dict:
    day = FIRST_DAY + timedelta(days=number // ORDERS_A_DAY)
    return {
        "customer_id": customers[number % CUSTOMERS],
        "state": _state(number),
        "subtotal_cents": 4 * PRICE_CENTS,
        "discount_cents": 0,
        "total_cents": 4 * PRICE_CENTS,
        "placed_at": datetime.combine(day, time(number % 24, 59, 59)),
    }


def _lines(number: int, products: list[int]) -> list[tuple[int, int]]:
    """Three of one product, one of its neighbour."""
    return [(products[number % PRODUCTS], 3), (products[(number + 1) % PRODUCTS], 1)]


@pytest.fixture
def office(request, as_admin):
    """An admin of the shop with a year behind it."""
    request.getfixturevalue("year")
    return as_admin


def test_a_year_of_sales_has_every_day_once_in_order(office) -> None:
    days = [row["day"] for row in office.get("/reports/sales?first=2024-01-01&last=2024-12-31").json()]

    assert len(days) == DAYS
    assert days == sorted(set(days))


def test_cancelled_orders_bring_no_revenue(office) -> None:
    rows = office.get("/reports/sales?first=2024-02-29&last=2024-02-29").json()

    assert rows == [{"day": "2024-02-29", "orders": PAID_A_DAY, "revenue_cents": PAID_A_DAY * 4 * PRICE_CENTS}]


def test_both_ends_of_the_span_belong_to_it(office) -> None:
    rows = office.get("/reports/sales?first=2024-03-30&last=2024-04-02").json()

    assert [row["day"] for row in rows] == ["2024-03-30", "2024-03-31", "2024-04-01", "2024-04-02"]


def test_days_without_sales_are_left_out(office) -> None:
    rows = office.get("/reports/sales?first=2023-12-25&last=2024-01-02").json()

    assert [row["day"] for row in rows] == ["2024-01-01", "2024-01-02"]


def test_the_months_add_up_to_the_year(office) -> None:
    def revenue(first: date, last: date) -> int:
        rows = office.get("/reports/sales", params={"first": str(first), "last": str(last)}).json()
        return sum(row["revenue_cents"] for row in rows)

    starts = [date(2024, month, 1) for month in range(1, 13)] + [date(2025, 1, 1)]
    months = [revenue(start, end - timedelta(days=1)) for start, end in pairwise(starts)]

    assert sum(months) == revenue(starts[0], starts[-1]) == DAYS * PAID_A_DAY * 4 * PRICE_CENTS


def test_best_sellers_come_most_sold_first(office) -> None:
    rows = office.get("/reports/best-sellers?limit=40").json()

    pieces = [row["pieces"] for row in rows]
    assert pieces == sorted(pieces, reverse=True)
    assert sum(pieces) == DAYS * PAID_A_DAY * 4


def test_best_customers_come_with_what_they_spent(office) -> None:
    rows = office.get("/reports/best-customers?limit=50").json()

    # Every tenth order is cancelled and there are 50 customers: the same five never get a thing.
    assert len(rows) == CUSTOMERS - 5
    assert sum(row["spent_cents"] for row in rows) == DAYS * PAID_A_DAY * 4 * PRICE_CENTS


def test_the_stock_is_valued_by_category(office) -> None:
    rows = office.get("/reports/stock-value").json()

    assert rows == [{"category": f"c{n}", "pieces": 100, "value_cents": 100 * PRICE_CENTS} for n in range(4)]
