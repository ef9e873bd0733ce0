"""Passwords are kept as scrypt hashes, each with its own salt and cost."""

import hashlib
import hmac
import secrets

# One of the equal settings of OWASP's password storage cheat sheet, the one for 16 MiB at a time.
COST = 2**14
BLOCK_SIZE = 8
PARALLELISM = 5


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(16)
    derived = _derive(password, salt=salt, cost=COST, parallelism=PARALLELISM)
    return f"scrypt${COST}${PARALLELISM}${salt.hex()}${derived.hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Whether `stored` was made of this password; False for accounts that have none ("!")."""
    scheme, *parts = stored.split("$")
    if scheme != "scrypt" or len(parts) != 4:
        return False
    cost, parallelism, salt, expected = parts
    derived = _derive(password, salt=bytes.fromhex(salt), cost=int(cost), parallelism=int(parallelism))
    return hmac.compare_digest(derived, bytes.fromhex(expected))


def _derive(password: str, *, salt: bytes, cost: int, parallelism: int) -> bytes:
    memory_bytes = 128 * BLOCK_SIZE * (cost + parallelism + 2)
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=BLOCK_SIZE, p=parallelism, maxmem=2 * memory_bytes)
