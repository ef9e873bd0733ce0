"""Products: looking for them, changing them, all of them as CSV."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.exc import IntegrityError

from shop.dependencies import FOR_ADMINS, FOR_CLERKS, DatabaseSession
from shop.errors import ConflictError, NotFoundError
from shop.models import Product, Stock
from shop.schemas import ImportOut, ProductChange, ProductIn, ProductOut, ProductPage
from shop.transfer import export_catalogue, import_catalogue

router = APIRouter(prefix="/products", tags=["catalogue"])
ORDERS = {
    "name": Product.name.asc(),
    "price": Product.price_cents.asc(),
    "-price": Product.price_cents.desc(),
}


@router.get("")
def list_products(
    session: DatabaseSession,
    category: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> ProductPage:
    conditions = [Product.is_active]
    if category is not None:
        conditions.append(Product.category == category)
    return _page(session, conditions, order=Product.sku.asc(), limit=limit, offset=offset)


@router.get("/search")
def search_products(
    session: DatabaseSession,
    q: Annotated[str, Query(min_length=2, max_length=80)],
    max_price_cents: int | None = None,
    sort: Annotated[str, Query(pattern="^(name|price|-price)$")] = "name",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> ProductPage:
    """Products in whose name or SKU every word of `q` occurs, in any case."""
    conditions = [Product.is_active, *(_contains(word) for word in q.split())]
    if max_price_cents is not None:
        conditions.append(Product.price_cents <= max_price_cents)
    return _page(session, conditions, order=ORDERS[sort], limit=limit, offset=offset)


@router.get("/export", dependencies=[FOR_CLERKS])
def export_products(session: DatabaseSession) -> StreamingResponse:
    return StreamingResponse(export_catalogue(session), media_type="text/csv; charset=utf-8")


@router.post("/import", dependencies=[FOR_CLERKS])
def import_products(session: DatabaseSession, text: Annotated[str, Body(media_type="text/csv")]) -> ImportOut:
    result = import_catalogue(session, text)
    return ImportOut(created=result.created, updated=result.updated)


@router.get("/{sku}")
def show_product(sku: str, session: DatabaseSession) -> ProductOut:
    return ProductOut.model_validate(_find(session, sku))


@router.post("", status_code=201, dependencies=[FOR_CLERKS])
def create_product(new: ProductIn, session: DatabaseSession) -> ProductOut:
    product = Product(sku=new.sku, name=new.name, category=new.category, price_cents=new.price_cents)
    product.stock = Stock(quantity=new.quantity)
    session.add(product)
    try:
        session.commit()
    except IntegrityError as error:
        raise ConflictError(f"There is a product {new.sku} already.") from error
    return ProductOut.model_validate(product)


@router.patch("/{sku}", dependencies=[FOR_CLERKS])
def change_product(sku: str, change: ProductChange, session: DatabaseSession) -> ProductOut:
    product = _find(session, sku)
    for name, value in change.model_dump(exclude_none=True).items():
        setattr(product, name, value)
    session.commit()
    return ProductOut.model_validate(product)


@router.delete("/{sku}", status_code=204, dependencies=[FOR_ADMINS])
def delete_product(sku: str, session: DatabaseSession) -> None:
    session.delete(_find(session, sku))
    try:
        session.commit()
    except IntegrityError as error:
        raise ConflictError(f"{sku} has been sold; take it off sale instead.") from error


def _find(session: DatabaseSession, sku: str) -> Product:
    product = session.scalar(select(Product).where(Product.sku == sku))
    if product is None:
        raise NotFoundError(f"There is no product {sku}.")
    return product


def _contains(word: str) -> ColumnElement[bool]:
    return or_(Product.name.icontains(word, autoescape=True), Product.sku.icontains(word, autoescape=True))


def _page(
    session: DatabaseSession,
    conditions: list[ColumnElement[bool]],
    *,
    order: ColumnElement[object],
    limit: int,
    offset: int,
) -> ProductPage:
    total = session.scalar(select(func.count()).select_from(Product).where(*conditions))
    statement = select(Product).where(*conditions).order_by(order, Product.id).limit(limit).offset(offset)
    items = [ProductOut.model_validate(product) for product in session.scalars(statement)]
    return ProductPage(items=items, total=total or 0)
