"""Figures over all orders, computed by the database."""

from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from shop.models import Customer, Order, OrderLine, Payment, Product, Stock

SOLD_STATES = ("paid", "shipped")


def sales_by_day(session: Session, *, first: date, last: date) -> list[dict[str, Any]]:
    """Orders and revenue of each day with sales, both ends included, oldest first."""
    day = func.date(Order.placed_at)
    statement = (
        select(day, func.count(), func.sum(Order.total_cents - func.coalesce(Payment.refunded_cents, 0)))
        .outerjoin(Payment)
        .where(_is_sold(), *_between(first, last))
        .group_by(day)
        .order_by(day)
    )
    return [
        {"day": str(when), "orders": orders, "revenue_cents": int(revenue)}
        for when, orders, revenue in session.execute(statement)
    ]


def best_sellers(session: Session, *, limit: int) -> list[dict[str, Any]]:
    """Products by pieces sold, most first; equal ones by SKU."""
    pieces = func.sum(OrderLine.quantity)
    statement = (
        select(Product.sku, Product.name, pieces, func.sum(OrderLine.quantity * OrderLine.unit_price_cents))
        .join(OrderLine, OrderLine.product_id == Product.id)
        .join(Order)
        .where(_is_sold())
        .group_by(Product.id, Product.sku, Product.name)
        .order_by(pieces.desc(), Product.sku)
        .limit(limit)
    )
    return [
        {"sku": sku, "name": name, "pieces": int(sold), "revenue_cents": int(revenue)}
        for sku, name, sold, revenue in session.execute(statement)
    ]


def best_customers(session: Session, *, limit: int) -> list[dict[str, Any]]:
    """Customers by what they spent, most first; equal ones by email."""
    spent = func.sum(Order.total_cents)
    statement = (
        select(Customer.email, func.count(), spent)
        .join(Order, Order.customer_id == Customer.id)
        .where(_is_sold())
        .group_by(Customer.id, Customer.email)
        .order_by(spent.desc(), Customer.email)
        .limit(limit)
    )
    return [
        {"email": email, "orders": orders, "spent_cents": int(total)}
        for email, orders, total in session.execute(statement)
    ]


def stock_value(session: Session) -> list[dict[str, Any]]:
    """Pieces in stock and their value at today's prices, by category."""
    statement = (
        select(Product.category, func.sum(Stock.quantity), func.sum(Stock.quantity * Product.price_cents))
        .join(Stock)
        .where(Product.is_active)
        .group_by(Product.category)
        .order_by(Product.category)
    )
    return [
        {"category": category, "pieces": int(pieces), "value_cents": int(value)}
        for category, pieces, value in session.execute(statement)
    ]


def _is_sold() -> ColumnElement[bool]:
    return Order.state.in_(SOLD_STATES)


def _between(first: date, last: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    start = datetime.combine(first, time.min)
    end = datetime.combine(last + timedelta(days=1), time.min)
    return Order.placed_at >= start, Order.placed_at < end
