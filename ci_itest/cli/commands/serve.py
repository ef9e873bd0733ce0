"""`ci-itest serve`: the reporting service. It is looked up by name, since command line and service share a floor."""

from __future__ import annotations

import importlib
from types import ModuleType

import click

from ci_itest.cli.console import say
from ci_itest.errors import UsageError


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--database-url",
    "database",
    envvar="CI_ITEST_DATABASE_URL",
    default="ci-itest.sqlite",
    show_default=True,
    help="Path of a SQLite file, or postgresql://…",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that serve.")
def command(host: str, port: int, database: str, workers: int) -> None:
    """Serve history, quarantine and the flaky-test dashboard."""
    settings = service_module("settings").ServiceSettings(database=database)
    say(f"Serving on http://{host}:{port} with {_shown(database)}.")
    service_module("server").serve(settings, host=host, port=port, workers=workers)


def service_module(name: str) -> ModuleType:
    """A module of the service.

    Raises:
        UsageError: What it needs is not installed.
    """
    try:
        importlib.import_module("uvicorn")
        return importlib.import_module(f"ci_itest.service.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ci_itest"):
            raise
        raise UsageError(
            f"The service needs {error.name}, which is not installed.",
            hint="Install it: pip install 'ci-itest[service]'",
        ) from error


def _shown(database: str) -> str:
    """The database without its password."""
    return database if "://" not in database else f"{database.partition('://')[0]}://…"
