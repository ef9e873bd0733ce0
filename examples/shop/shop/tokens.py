"""Bearer tokens: signed JWTs that say who is calling and in which role."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from shop.errors import NotSignedInError

ISSUER = "shop"
ROLES = ("customer", "clerk", "admin")
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Caller:
    customer_id: int
    role: str

    def has_role(self, role: str) -> bool:
        """Whether the caller may do what `role` may: an admin may do all, a clerk all but admin's."""
        return ROLES.index(self.role) >= ROLES.index(role)


def mint_token(customer_id: int, role: str, *, secret: str, lifetime: timedelta = LIFETIME, **claims: Any) -> str:
    now = datetime.now(UTC)
    payload = {"iss": ISSUER, "sub": str(customer_id), "role": role, "iat": now, "exp": now + lifetime}
    return jwt.encode(payload | claims, secret, algorithm="HS256")


def read_token(token: str, *, secret: str) -> Caller:
    """Who the token speaks for.

    Raises:
        NotSignedInError: The token is expired, from another issuer, wrongly signed, or names no known role.
    """
    required = ["exp", "sub", "role"]
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], issuer=ISSUER, options={"require": required})
        caller = Caller(customer_id=int(claims["sub"]), role=claims["role"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise NotSignedInError(f"This token is not valid: {error}") from error
    if caller.role not in ROLES:
        raise NotSignedInError(f"This token names no known role: {caller.role!r}")
    return caller
