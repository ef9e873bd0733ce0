"""Checkout, one's orders, and what clerks do with orders."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from shop.dependencies import FOR_CLERKS, AllCarts, AllEvents, AnyCaller, DatabaseSession, Provider, ShopSettings
from shop.errors import NotFoundError
from shop.models import Order, OrderLine
from shop.orders import find_order, place_order, refund_order, ship_order
from shop.schemas import OrderLineOut, OrderOut, Refund

router = APIRouter(tags=["orders"])


@router.post("/checkout", status_code=201)
def checkout(
    caller: AnyCaller,
    carts: AllCarts,
    session: DatabaseSession,
    payments: Provider,
    events: AllEvents,
    settings: ShopSettings,
) -> OrderOut:
    """Buy the cart, and tell of it. When the payment fails the cart stays as it was."""
    order = place_order(
        session,
        customer_id=caller.customer_id,
        cart=carts.read(caller.customer_id),
        payments=payments,
        counts_discount_threshold=settings.counts_discount_threshold,
    )
    carts.empty(caller.customer_id)
    events.tell(
        settings.orders_stream, {"order": order.id, "customer": caller.customer_id, "total_cents": order.total_cents}
    )
    return _shown(order)


@router.get("/orders")
def list_orders(
    caller: AnyCaller,
    session: DatabaseSession,
    state: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[OrderOut]:
    """Newest first: a customer's own, everybody's for a clerk."""
    statement = select(Order).order_by(Order.id.desc()).limit(limit)
    if not caller.has_role("clerk"):
        statement = statement.where(Order.customer_id == caller.customer_id)
    if state is not None:
        statement = statement.where(Order.state == state)
    loading = (selectinload(Order.lines).joinedload(OrderLine.product), joinedload(Order.payment))
    return [_shown(order) for order in session.scalars(statement.options(*loading))]


@router.get("/orders/{order_id}")
def show_order(order_id: int, caller: AnyCaller, session: DatabaseSession) -> OrderOut:
    order = find_order(session, order_id)
    if order.customer_id != caller.customer_id and not caller.has_role("clerk"):
        # The same answer as for an order that does not exist: ids are not for probing.
        raise NotFoundError(f"There is no order {order_id}.")
    return _shown(order)


@router.post("/orders/{order_id}/ship", dependencies=[FOR_CLERKS])
def ship(order_id: int, session: DatabaseSession) -> OrderOut:
    order = find_order(session, order_id)
    ship_order(session, order)
    return _shown(order)


@router.post("/orders/{order_id}/refund", dependencies=[FOR_CLERKS])
def refund(order_id: int, wanted: Refund, session: DatabaseSession, payments: Provider) -> OrderOut:
    order = find_order(session, order_id)
    refund_order(session, order, amount_cents=wanted.amount_cents, payments=payments)
    return _shown(order)


def _shown(order: Order) -> OrderOut:
    return OrderOut(
        id=order.id,
        customer_id=order.customer_id,
        state=order.state,
        subtotal_cents=order.subtotal_cents,
        discount_cents=order.discount_cents,
        total_cents=order.total_cents,
        refunded_cents=order.payment.refunded_cents if order.payment else 0,
        placed_at=order.placed_at,
        lines=[
            OrderLineOut(sku=line.product.sku, quantity=line.quantity, unit_price_cents=line.unit_price_cents)
            for line in order.lines
        ],
    )
