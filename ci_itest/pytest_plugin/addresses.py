"""A service known by its address alone, and what its parts are called."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit, urlunsplit

from ci_itest.errors import UsageError
from ci_itest.model.services import Endpoint

DATABASE_SCHEMES = ("postgresql", "postgres", "mysql", "mariadb", "sqlite")

_PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "redis": 6379,
    "valkey": 6379,
    "amqp": 5672,
    "nats": 4222,
    "http": 80,
    "https": 443,
    "mongodb": 27017,
}


def endpoint_of(name: str, url: str) -> Endpoint:
    """The service that answers at an address; UsageError when the address has no host or port."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(scheme_of(url), 0)
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        raise UsageError(
            f"--service {name}=…: the address names no {'port' if parts.hostname else 'host'}.",
            hint="Write scheme://user:password@host:port/database.",
        )
    found = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")),
    }
    credentials = {part: value for part, value in found.items() if value}
    return Endpoint(name=name, host=parts.hostname, port=port, url=url, credentials=credentials)


def scheme_of(url: str) -> str:
    """`postgresql` of `postgresql+psycopg://…`."""
    return urlsplit(url).scheme.partition("+")[0]


def is_database(url: str) -> bool:
    """Whether the fixtures for databases can work on this address."""
    return scheme_of(url) in DATABASE_SCHEMES


def with_database(url: str, database: str) -> str:
    """The same server's address with another database; what stands after a `?` is kept."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
