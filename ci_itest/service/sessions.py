"""Sessions of users of GitHub: encrypted in the cookie, so that every worker reads them and none keeps them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

COOKIE = "ci_itest_session"
STATE_COOKIE = "ci_itest_login"
SESSION_SECONDS = 8 * 3_600


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in.

    Attributes:
        token: What GitHub is asked with in their name.
    """

    login: str
    token: str = field(repr=False)


class Sessions:
    """Writes and reads cookies.

    Args:
        secret: The same in every worker; "" makes one that ends with the process.
        clock: Seconds since 1970.
    """

    def __init__(self, secret: str, *, clock: Callable[[], float]) -> None:
        self._secret = secret or secrets.token_urlsafe(32)
        self._clock = clock

    def write(self, login: str, token: str) -> str:
        data = json.dumps({"login": login, "token": token}).encode()
        return self._cipher().encrypt_at_time(data, int(self._clock())).decode()

    def read(self, cookie: str) -> Session | None:
        """The session; None when it is over, or was not made here."""
        from cryptography.fernet import InvalidToken

        if not cookie:
            return None
        try:
            data = self._cipher().decrypt_at_time(cookie.encode(), SESSION_SECONDS, int(self._clock()))
            found = json.loads(data)
            return Session(str(found["login"]), str(found["token"]))
        except (InvalidToken, ValueError, LookupError, TypeError):
            return None

    def _cipher(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(base64.urlsafe_b64encode(sha256(f"session\0{self._secret}".encode()).digest()))
