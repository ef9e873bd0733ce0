"""Stock levels, for the people in the warehouse."""

from typing import Annotated

from fastapi import APIRouter, Body
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from shop.dependencies import FOR_CLERKS, DatabaseSession
from shop.errors import ConflictError, NotFoundError
from shop.models import Product, Stock
from shop.schemas import StockChange, StockLevel

router = APIRouter(prefix="/stock", tags=["stock"])


@router.get("/low", dependencies=[FOR_CLERKS])
def list_low_stock(session: DatabaseSession) -> list[StockLevel]:
    """What should be ordered again, scarcest first."""
    statement = (
        select(Stock)
        .join(Product)
        .options(joinedload(Stock.product))
        .where(Product.is_active, Stock.quantity <= Stock.reorder_level)
        .order_by(Stock.quantity, Product.sku)
    )
    return [_shown(stock) for stock in session.scalars(statement)]


@router.get("/{sku}", dependencies=[FOR_CLERKS])
def show_stock(sku: str, session: DatabaseSession) -> StockLevel:
    return _shown(_find(session, sku))


@router.post("/{sku}/adjust", dependencies=[FOR_CLERKS])
def adjust_stock(sku: str, change: StockChange, session: DatabaseSession) -> StockLevel:
    """Book a delivery or a loss, in one statement: two clerks at once both count."""
    stock = _find(session, sku)
    adjusted = session.execute(
        update(Stock)
        .where(Stock.product_id == stock.product_id, Stock.quantity + change.pieces >= 0)
        .values(quantity=Stock.quantity + change.pieces)
    )
    session.commit()
    if adjusted.rowcount == 0:
        raise ConflictError(f"There are fewer than {-change.pieces} of {sku}.")
    session.refresh(stock)
    return _shown(stock)


@router.put("/{sku}/reorder-level", dependencies=[FOR_CLERKS])
def set_reorder_level(
    sku: str, reorder_level: Annotated[int, Body(ge=0, embed=True)], session: DatabaseSession
) -> StockLevel:
    stock = _find(session, sku)
    stock.reorder_level = reorder_level
    session.commit()
    return _shown(stock)


def _find(session: DatabaseSession, sku: str) -> Stock:
    statement = select(Stock).join(Product).options(joinedload(Stock.product)).where(Product.sku == sku)
    stock = session.scalar(statement)
    if stock is None:
        raise NotFoundError(f"There is no product {sku}.")
    return stock


def _shown(stock: Stock) -> StockLevel:
    return StockLevel(sku=stock.product.sku, quantity=stock.quantity, reorder_level=stock.reorder_level)
