"""Checkout and refunds: stock, money and the order's state move together."""

from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from shop.errors import (
    BadContentError,
    ConflictError,
    NotFoundError,
    PaymentDeclinedError,
    PaymentUnavailableError,
)
from shop.models import Order, OrderLine, Payment, Product, Stock
from shop.payments import PaymentClient
from shop.pricing import price


def place_order(
    session: Session,
    *,
    customer_id: int,
    cart: Mapping[str, int],
    payments: PaymentClient | None,
    counts_discount_threshold: bool,
) -> Order:
    """Turn a cart into a paid order.

    The stock is taken and committed before the provider is called, so that no row stays locked
    during a slow payment; it goes back when the payment fails.

    Raises:
        BadContentError: The cart is empty.
        ConflictError: Something in it is sold out by now.
        PaymentDeclinedError: The order stays, as declined.
        PaymentUnavailableError: The order stays, as cancelled; or no provider is set, then none is made.
    """
    if not cart:
        raise BadContentError("The cart is empty.")
    if payments is None:
        raise PaymentUnavailableError("No payment provider is set.")
    order = _reserve(session, customer_id=customer_id, cart=cart, counts_discount_threshold=counts_discount_threshold)
    try:
        reference = payments.charge(order_id=order.id, amount_cents=order.total_cents)
    except (PaymentDeclinedError, PaymentUnavailableError) as error:
        _release(session, order, state="declined" if isinstance(error, PaymentDeclinedError) else "cancelled")
        raise
    order.payment = Payment(reference=reference, amount_cents=order.total_cents)
    order.state = "paid"
    session.commit()
    return order


def refund_order(session: Session, order: Order, *, amount_cents: int | None, payments: PaymentClient | None) -> None:
    """Give money back, all that is left where no amount is named.

    Goods of a fully refunded order that never left the house return to the stock.

    Raises:
        ConflictError: The order was never paid, or everything was refunded already.
        BadContentError: More than what is left.
        PaymentUnavailableError: Nothing has changed.
    """
    payment = order.payment
    if payment is None or order.state not in ("paid", "shipped"):
        raise ConflictError(f"Order {order.id} is {order.state} and cannot be refunded.")
    if payments is None:
        raise PaymentUnavailableError("No payment provider is set.")
    left_cents = payment.amount_cents - payment.refunded_cents
    amount_cents = left_cents if amount_cents is None else amount_cents
    if amount_cents > left_cents:
        raise BadContentError(f"Only {left_cents} cents of order {order.id} are left to refund.")
    payments.refund(payment.reference, amount_cents=amount_cents, already_refunded_cents=payment.refunded_cents)
    payment.refunded_cents += amount_cents
    if payment.refunded_cents == payment.amount_cents:
        _close_refunded(session, order)
    session.commit()


def ship_order(session: Session, order: Order) -> None:
    if order.state != "paid":
        raise ConflictError(f"Order {order.id} is {order.state} and cannot be shipped.")
    order.state = "shipped"
    session.commit()


def find_order(session: Session, order_id: int) -> Order:
    options = (selectinload(Order.lines).joinedload(OrderLine.product), selectinload(Order.payment))
    order = session.get(Order, order_id, options=options)
    if order is None:
        raise NotFoundError(f"There is no order {order_id}.")
    return order


def _reserve(session: Session, *, customer_id: int, cart: Mapping[str, int], counts_discount_threshold: bool) -> Order:
    products = session.scalars(select(Product).where(Product.sku.in_(cart), Product.is_active)).all()
    if missing := sorted(cart.keys() - {product.sku for product in products}):
        raise ConflictError(f"No longer sold: {', '.join(missing)}.")
    # In the order of ids everywhere: two checkouts never wait for each other crosswise.
    for product in sorted(products, key=lambda product: product.id):
        _take_stock(session, product, cart[product.sku])
    lines = [
        OrderLine(product=product, quantity=cart[product.sku], unit_price_cents=product.price_cents)
        for product in products
    ]
    cost = price([(line.quantity, line.unit_price_cents) for line in lines], counts_threshold=counts_discount_threshold)
    order = Order(
        customer_id=customer_id,
        subtotal_cents=cost.subtotal_cents,
        discount_cents=cost.discount_cents,
        total_cents=cost.total_cents,
        lines=lines,
    )
    session.add(order)
    session.commit()
    return order


def _take_stock(session: Session, product: Product, quantity: int) -> None:
    """One statement that checks and takes, so that nobody can come between."""
    taken = session.execute(
        update(Stock)
        .where(Stock.product_id == product.id, Stock.quantity >= quantity)
        .values(quantity=Stock.quantity - quantity)
    )
    if taken.rowcount == 0:
        session.rollback()
        raise ConflictError(f"Not enough of {product.sku} left.")


def _return_stock(session: Session, order: Order) -> None:
    for line in sorted(order.lines, key=lambda line: line.product_id):
        session.execute(
            update(Stock).where(Stock.product_id == line.product_id).values(quantity=Stock.quantity + line.quantity)
        )


def _release(session: Session, order: Order, *, state: str) -> None:
    _return_stock(session, order)
    order.state = state
    session.commit()


def _close_refunded(session: Session, order: Order) -> None:
    if order.state == "paid":
        _return_stock(session, order)
    order.state = "refunded"
