"""Which kind of database an address names."""

from __future__ import annotations

from ci_itest.errors import UsageError
from ci_itest.pytest_plugin.addresses import DATABASE_SCHEMES, scheme_of
from ci_itest.pytest_plugin.databases.database import Dialect


def dialect_of(url: str) -> Dialect:
    """How to speak to it; UsageError for a kind that we do not know."""
    match scheme_of(url):
        case "postgresql" | "postgres":
            from ci_itest.pytest_plugin.databases.postgres import Postgres

            return Postgres()
        case "mysql" | "mariadb":
            from ci_itest.pytest_plugin.databases.mysql import MySql

            return MySql()
        case "sqlite":
            from ci_itest.pytest_plugin.databases.sqlite import Sqlite

            return Sqlite()
        case scheme:
            raise UsageError(
                f"The fixtures for databases do not know {scheme}.", hint=f"They know {', '.join(DATABASE_SCHEMES)}."
            )
