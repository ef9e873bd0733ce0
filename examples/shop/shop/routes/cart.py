"""The caller's own cart."""

from fastapi import APIRouter

from shop.dependencies import AllCarts, AnyCaller, DatabaseSession
from shop.schemas import CartItem, CartOut, CartQuantity

router = APIRouter(prefix="/cart", tags=["cart"])


@router.get("")
def show_cart(caller: AnyCaller, carts: AllCarts) -> CartOut:
    return CartOut(items=carts.read(caller.customer_id), expires_in_seconds=carts.seconds_left(caller.customer_id))


@router.post("/items")
def add_to_cart(item: CartItem, caller: AnyCaller, carts: AllCarts, session: DatabaseSession) -> CartOut:
    carts.add(caller.customer_id, item.sku, item.quantity, session=session)
    return show_cart(caller, carts)


@router.put("/items/{sku}")
def set_quantity(
    sku: str, wanted: CartQuantity, caller: AnyCaller, carts: AllCarts, session: DatabaseSession
) -> CartOut:
    carts.set_quantity(caller.customer_id, sku, wanted.quantity, session=session)
    return show_cart(caller, carts)


@router.delete("", status_code=204)
def empty_cart(caller: AnyCaller, carts: AllCarts) -> None:
    carts.empty(caller.customer_id)
