"""Passwords are kept as scrypt hashes, each with its own salt and cost."""

import hashlib
import hmac
import secrets

# OWASP's password storage cheat sheet: N = 2^16, r = 8, p = 1 or dearer. Uses 64 MiB for a moment.
COST = 2**16
BLOCK_SIZE = 8


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    return f"scrypt${COST}${salt.hex()}${_derive(password, salt=salt, cost=COST).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether `stored` was made of this password; False for accounts that have none ("!")."""
    scheme, *parts = stored.split("$")
    if scheme != "scrypt" or len(parts) != 3:
        return False
    cost, salt, expected = parts
    derived = _derive(password, salt=bytes.fromhex(salt), cost=int(cost))
    return hmac.compare_digest(derived, bytes.fromhex(expected))


def _derive(password: str, *, salt: bytes, cost: int) -> bytes:
    memory_bytes = 130 * cost * BLOCK_SIZE
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=BLOCK_SIZE, p=1, maxmem=memory_bytes)
