"""The catalogue as CSV, in and out."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from shop.errors import BadContentError
from shop.models import Product, Stock

COLUMNS = ("sku", "name", "category", "price_cents", "quantity")
# SQLite allows 32,766 bound values in a statement, PostgreSQL 65,535.
CHUNK_ROWS = 1000
MAX_REPORTED_PROBLEMS = 20


@dataclass(frozen=True)
class Row:
    sku: str
    name: str
    category: str
    price_cents: int
    quantity: int


@dataclass(frozen=True)
class ImportResult:
    created: int
    updated: int


def import_catalogue(session: Session, text: str) -> ImportResult:
    """Create or update products, all rows or none.

    Raises:
        BadContentError: A column is missing or a row is wrong; names the first lines at fault.
    """
    rows = parse_catalogue(text)
    created = updated = 0
    for chunk in _chunks(rows):
        known = _ids(session, [row.sku for row in chunk])
        _insert(session, [row for row in chunk if row.sku not in known])
        _update(session, [row for row in chunk if row.sku in known], known)
        created += len(chunk) - len(known)
        updated += len(known)
    session.commit()
    return ImportResult(created=created, updated=updated)


def parse_catalogue(text: str) -> list[Row]:
    """The rows of a CSV text with a header; the columns may stand in any order."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise BadContentError(f"Missing columns: {', '.join(missing)}.")
    rows: list[Row] = []
    problems: list[str] = []
    seen: set[str] = set()
    for record in reader:
        try:
            row = _row(record)
            if row.sku in seen:
                raise ValueError(f"{row.sku} stands twice")
            seen.add(row.sku)
            rows.append(row)
        except ValueError as error:
            problems.append(f"line {reader.line_num}: {error}")
    if problems:
        raise BadContentError(_summary(problems))
    return rows


def export_catalogue(session: Session) -> Iterator[str]:
    """CSV text in pieces of many lines, products by SKU."""
    yield _text([COLUMNS])
    statement = (
        select(Product.sku, Product.name, Product.category, Product.price_cents, Stock.quantity)
        .join(Stock)
        .order_by(Product.sku)
    )
    for records in session.execute(statement).partitions(CHUNK_ROWS):
        yield _text(records)


def _row(record: dict[str, str | None]) -> Row:
    sku = (record["sku"] or "").strip()
    if not sku:
        raise ValueError("no sku")
    return Row(
        sku=sku,
        name=(record["name"] or "").strip(),
        category=(record["category"] or "").strip(),
        price_cents=_count(record, "price_cents"),
        quantity=_count(record, "quantity"),
    )


def _count(record: dict[str, str | None], column: str) -> int:
    text = record[column] or ""
    if not text.isdecimal():
        raise ValueError(f"{column} is {text!r}, not a whole number")
    return int(text)


def _summary(problems: list[str]) -> str:
    shown = "; ".join(problems[:MAX_REPORTED_PROBLEMS])
    more = len(problems) - MAX_REPORTED_PROBLEMS
    return f"{shown}; and {more} more" if more > 0 else shown


def _chunks(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]


def _ids(session: Session, skus: list[str]) -> dict[str, int]:
    rows = session.execute(select(Product.sku, Product.id).where(Product.sku.in_(skus)))
    return {row.sku: row.id for row in rows}


def _insert(session: Session, rows: list[Row]) -> None:
    if not rows:
        return
    products = [
        {
            "sku": row.sku,
            "name": row.name,
            "category": row.category,
            "price_cents": row.price_cents,
            "is_active": True,
        }
        for row in rows
    ]
    session.execute(insert(Product), products)
    ids = _ids(session, [row.sku for row in rows])
    session.execute(insert(Stock), [{"product_id": ids[row.sku], "quantity": row.quantity} for row in rows])


def _update(session: Session, rows: list[Row], ids: dict[str, int]) -> None:
    if not rows:
        return
    products = [
        {"id": ids[row.sku], "name": row.name, "category": row.category, "price_cents": row.price_cents} for row in rows
    ]
    session.execute(update(Product), products)
    session.execute(update(Stock), [{"product_id": ids[row.sku], "quantity": row.quantity} for row in rows])


def _text(records: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()
