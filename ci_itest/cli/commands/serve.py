"""`ci-itest serve`: the reporting service. It is looked up by name, since command line and service share a floor."""

from __future__ import annotations

import importlib
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
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
@click.option("--demo", is_flag=True, help="Serve a made-up month of runs, to look around in; nothing is kept.")
def command(host: str, port: int, database: str, workers: int, demo: bool) -> None:
    """Serve history, quarantine and the flaky-test dashboard."""
    if demo:
        _serve_demo(host, port, workers)
        return
    settings = service_module("settings").ServiceSettings(database=database)
    say(f"Serving on http://{host}:{port} with {_shown(database)}.")
    service_module("server").serve(settings, host=host, port=port, workers=workers)


def _serve_demo(host: str, port: int, workers: int) -> None:
    """Serve a made-up history in a folder that goes when the service ends."""
    with TemporaryDirectory(prefix="ci-itest-demo-") as folder:
        database = str(Path(folder) / "demo.sqlite")
        say("Making up a month of runs; that takes some ten seconds.")
        started = time.monotonic()
        repository = service_module("demo.history").make(database, until=datetime.now(UTC))
        # Nothing here is worth keeping others from: whoever looks may try the quarantine.
        settings = service_module("settings").ServiceSettings(database=database, anonymous_edits=True)
        say(f"Made up in {time.monotonic() - started:.0f} s. Look at http://{host}:{port}/r/{repository}/flaky")
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
