"""What goes over the wire, in and out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Email = Annotated[
    str,
    StringConstraints(to_lower=True, strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
]
Sku = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._-]+$")]
Cents = Annotated[int, Field(ge=0, le=10_000_000)]


class Registration(BaseModel):
    email: Email
    name: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    password: Annotated[str, StringConstraints(min_length=8, max_length=200)]


class Login(BaseModel):
    email: Email
    password: str


class Token(BaseModel):
    access_token: str
    token_type: str = "bearer"


class PasswordChange(BaseModel):
    old_password: str
    new_password: Annotated[str, StringConstraints(min_length=8, max_length=200)]


class CustomerOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    name: str
    role: str


class ProductIn(BaseModel):
    sku: Sku
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    category: str = ""
    price_cents: Cents
    quantity: Annotated[int, Field(ge=0)] = 0


class ProductChange(BaseModel):
    name: str | None = None
    category: str | None = None
    price_cents: Cents | None = None
    is_active: bool | None = None


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sku: str
    name: str
    category: str
    price_cents: int


class ProductPage(BaseModel):
    items: list[ProductOut]
    total: int


class CartItem(BaseModel):
    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=999)] = 1


class CartQuantity(BaseModel):
    quantity: Annotated[int, Field(ge=0, le=999)]


class CartOut(BaseModel):
    items: dict[str, int]
    expires_in_seconds: float | None


class OrderLineOut(BaseModel):
    sku: str
    quantity: int
    unit_price_cents: int


class OrderOut(BaseModel):
    id: int
    customer_id: int
    state: str
    subtotal_cents: int
    discount_cents: int
    total_cents: int
    refunded_cents: int
    placed_at: datetime
    lines: list[OrderLineOut]


class Refund(BaseModel):
    amount_cents: Annotated[int, Field(gt=0)] | None = None


class StockLevel(BaseModel):
    sku: str
    quantity: int
    reorder_level: int


class StockChange(BaseModel):
    """A delivery (positive) or a loss (negative)."""

    pieces: int


class ImportOut(BaseModel):
    created: int
    updated: int
