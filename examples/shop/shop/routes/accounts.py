"""Registering, signing in, one's own account."""

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from shop.dependencies import AnyCaller, DatabaseSession, ShopSettings
from shop.errors import ConflictError, NotFoundError, NotSignedInError
from shop.models import Customer
from shop.passwords import hash_password, password_matches
from shop.schemas import CustomerOut, Login, PasswordChange, Registration, Token
from shop.tokens import Caller, mint_token

router = APIRouter(tags=["accounts"])


@router.post("/customers", status_code=201)
def register(registration: Registration, session: DatabaseSession) -> CustomerOut:
    customer = Customer(
        email=registration.email, name=registration.name, password_hash=hash_password(registration.password)
    )
    session.add(customer)
    try:
        session.commit()
    except IntegrityError as error:
        raise ConflictError(f"{registration.email} is registered already.") from error
    return CustomerOut.model_validate(customer)


@router.post("/login")
def login(attempt: Login, session: DatabaseSession, settings: ShopSettings) -> Token:
    customer = session.scalar(select(Customer).where(Customer.email == attempt.email))
    if customer is None or not password_matches(attempt.password, customer.password_hash):
        raise NotSignedInError("Wrong email or password.")
    return Token(access_token=mint_token(customer.id, customer.role, secret=settings.jwt_secret))


@router.get("/me")
def show_me(caller: AnyCaller, session: DatabaseSession) -> CustomerOut:
    return CustomerOut.model_validate(_account(caller, session))


@router.put("/me/password", status_code=204)
def change_password(change: PasswordChange, caller: AnyCaller, session: DatabaseSession) -> None:
    customer = _account(caller, session)
    if not password_matches(change.old_password, customer.password_hash):
        raise NotSignedInError("The old password is wrong.")
    customer.password_hash = hash_password(change.new_password)
    session.commit()


def _account(caller: Caller, session: DatabaseSession) -> Customer:
    customer = session.get(Customer, caller.customer_id)
    if customer is None:
        raise NotFoundError("This account is gone.")
    return customer
