"""Before the first request: the database is there, and somebody can upload to it."""

from __future__ import annotations

from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore


def first_key(database: str, *, repository: str, at: str) -> str:
    """Make the repository where it is not there, with a key that is told this once; "" where it is there."""
    with SqlHistory.open(database, is_durable=True) as history:
        store = ServiceStore(history)
        if store.tenant_named(repository) is not None:
            return ""
        return store.make_key(store.make_tenant(repository, at=at), label="first key", at=at)


def is_empty(database: str) -> bool:
    """Whether no repository is known yet; makes the tables where there are none."""
    with SqlHistory.open(database, is_durable=True) as history:
        return not ServiceStore(history).tenants()
