"""What a route can ask for: a session, the cache, who is calling."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from shop.carts import Carts
from shop.errors import NotAllowedError, NotSignedInError
from shop.events import Events
from shop.payments import PaymentClient
from shop.settings import Settings
from shop.tokens import Caller, read_token

bearer = HTTPBearer(auto_error=False)


def get_settings(request: Request) -> Settings:
    return request.app.state.settings


def get_session(request: Request) -> Iterator[Session]:
    with request.app.state.sessions() as session:
        yield session


def get_carts(request: Request) -> Carts:
    settings = get_settings(request)
    return Carts(request.app.state.cache, settings.cart_prefix, settings.cart_ttl_seconds)


def get_payments(request: Request) -> PaymentClient | None:
    return request.app.state.payments


def get_events(request: Request) -> Events:
    return request.app.state.events


def get_caller(
    settings: Annotated[Settings, Depends(get_settings)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    if credentials is None:
        raise NotSignedInError("Sign in first.")
    return read_token(credentials.credentials, secret=settings.jwt_secret)


def requires(role: str) -> Callable[[Caller], Caller]:
    """A dependency that lets nobody below this role through."""

    def check(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        if not caller.has_role(role):
            raise NotAllowedError(f"This needs the role {role}; you are {caller.role}.")
        return caller

    return check


DatabaseSession = Annotated[Session, Depends(get_session)]
ShopSettings = Annotated[Settings, Depends(get_settings)]
AllCarts = Annotated[Carts, Depends(get_carts)]
AllEvents = Annotated[Events, Depends(get_events)]
Provider = Annotated[PaymentClient | None, Depends(get_payments)]
AnyCaller = Annotated[Caller, Depends(requires("customer"))]
# For routes that only need to know that the caller may: `dependencies=[FOR_CLERKS]`.
FOR_CLERKS = Depends(requires("clerk"))
FOR_ADMINS = Depends(requires("admin"))
