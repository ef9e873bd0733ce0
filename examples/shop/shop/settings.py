"""What the shop is told from outside, read once from the environment."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shop.events import ORDERS_PLACED

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# Long enough for HS256 (RFC 7518 section 3.2); any real deployment sets SHOP_JWT_SECRET.
DEVELOPMENT_SECRET = "for-development-only-replace-me-in-production"


@dataclass(frozen=True)
class Settings:
    """Everything that differs between a laptop, a test and production.

    Attributes:
        database_url: SQLAlchemy URL, driver included.
        redis_url: "" keeps carts in this process.
        payments_url: Base address of the payment provider; "" means that checkout is refused.
        cart_prefix: Stands before every cart's key, so that several shops can share one Redis.
        orders_stream: Where the shop tells of placed orders; another one for each of several shops, too.
        counts_discount_threshold: Whether an order of exactly the threshold gets the volume discount.
            False is a bug, there to be switched on (SHOP_BROKEN_DISCOUNT) and caught by a test.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(default="", repr=False)
    payments_url: str = ""
    jwt_secret: str = field(default=DEVELOPMENT_SECRET, repr=False)
    cart_prefix: str = "shop:cart:"
    orders_stream: str = ORDERS_PLACED
    cart_ttl_seconds: float = 1800.0
    payment_timeout_seconds: float = 0.5
    payment_backoff_seconds: float = 0.15
    payment_attempts: int = 4
    counts_discount_threshold: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        return cls(
            database_url=with_driver(environment.get("DATABASE_URL") or default_database_url()),
            redis_url=environment.get("REDIS_URL", ""),
            payments_url=environment.get("PAYMENTS_URL", "").rstrip("/"),
            jwt_secret=environment.get("SHOP_JWT_SECRET", DEVELOPMENT_SECRET),
            cart_ttl_seconds=float(environment.get("SHOP_CART_TTL_SECONDS", "1800")),
            counts_discount_threshold=environment.get("SHOP_BROKEN_DISCOUNT") != "1",
        )


def with_driver(url: str) -> str:
    """The URL with psycopg 3 named as driver where it only says PostgreSQL."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgres", "postgresql") else url


def default_database_url() -> str:
    """A SQLite file in the temporary directory, one for each user and each state of the migrations.

    The name carries a digest of the migrations: after switching branches a file that a later
    migration has touched is left alone instead of failing with an unknown revision.
    """
    folder = Path(tempfile.gettempdir()) / f"shop-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return f"sqlite:///{folder / f'shop-{migrations_digest()}.db'}"


def migrations_digest() -> str:
    """Twelve hexadecimal digits that change whenever a migration does."""
    digest = hashlib.sha256()
    for script in sorted((MIGRATIONS / "versions").glob("*.py")):
        digest.update(script.name.encode() + b"\0" + script.read_bytes())
    return digest.hexdigest()[:12]
