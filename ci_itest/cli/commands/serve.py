"""`ci-itest serve`: the reporting service. It is looked up by name, since command line and service share a floor."""

from __future__ import annotations

import importlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

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
@click.option("--repository", default="", help="OWNER/NAME that may upload; its first key is printed once.")
@click.option("--public-url", default="", help="The service's own https:// address: takes GitHub's tokens for it.")
@click.option(
    "--github-owner",
    "oidc_owners",
    multiple=True,
    help="Id of an account whose repositories may upload by GitHub's token (repeatable); * for all.",
)
@click.option("--oidc-issuer", default="", help="Who signs GitHub's tokens.  [default: that of github.com]")
@click.option(
    "--viewers",
    type=click.Choice(("none", "proxy", "github")),
    default="none",
    show_default=True,
    help="Who may see pages: everybody, whom a proxy names, or users of GitHub.",
)
@click.option(
    "--anonymous-edits/--no-anonymous-edits",
    default=None,
    help="Whether everybody may change the quarantine, with --viewers none.  [default: on loopback alone]",
)
@click.option("--proxy-header", default="X-Forwarded-User", show_default=True, help="Where a proxy names the viewer.")
@click.option("--trusted-proxy", "trusted_proxies", multiple=True, help="Address of such a proxy (repeatable).")
@click.option("--editor", "editors", multiple=True, help="Viewer who may change the quarantine (repeatable).")
@click.option("--github-url", default="https://github.com", show_default=True, help="Where viewers log in.")
@click.option("--github-api-url", default="https://api.github.com", show_default=True, help="What tells their rights.")
@click.option("--github-client-id", default="", help="Of the OAuth app; its secret in CI_ITEST_GITHUB_CLIENT_SECRET.")
@click.option("--webhook", "webhook_urls", multiple=True, help="https:// address that is told of runs (repeatable).")
@click.option("--demo", is_flag=True, help="Serve a made-up month of runs, to look around in; nothing is kept.")
def command(host: str, port: int, workers: int, repository: str, demo: bool, **chosen: Any) -> None:
    """Serve history, quarantine and the flaky-test dashboard.

    Secrets come from the environment: CI_ITEST_GITHUB_CLIENT_SECRET, CI_ITEST_SESSION_SECRET,
    CI_ITEST_WEBHOOK_SECRET.
    """
    if demo:
        _serve_demo(host, port, workers)
        return
    settings = service_module("settings").ServiceSettings(**_settings(host, workers, chosen))
    setting_up = service_module("setting_up")
    repository = repository or (f"local/{Path().resolve().name}" if setting_up.is_empty(settings.database) else "")
    if repository and (key := setting_up.first_key(settings.database, repository=repository, at=_now())):
        say(f"Upload key of {repository}, shown this once: {key}")
    say(f"Serving on http://{host}:{port} with {_shown(settings.database)}.")
    service_module("server").serve(settings, host=host, port=port, workers=workers)


def _settings(host: str, workers: int, chosen: dict[str, Any]) -> dict[str, Any]:
    """The service's settings out of options and environment.

    Raises:
        UsageError: They do not fit together.
    """
    given = {name: value for name, value in chosen.items() if value not in ("", None, ())}
    secrets = {
        "github_client_secret": os.environ.get("CI_ITEST_GITHUB_CLIENT_SECRET", ""),
        "session_secret": os.environ.get("CI_ITEST_SESSION_SECRET", ""),
        "webhook_secret": os.environ.get("CI_ITEST_WEBHOOK_SECRET", ""),
    }
    if "public_url" in given:
        given["public_url"] = given["public_url"].rstrip("/")
    if given["viewers"] == "github" and not (given.get("github_client_id") and secrets["github_client_secret"]):
        raise UsageError(
            "--viewers github needs an OAuth app of GitHub.",
            hint="Give --github-client-id and CI_ITEST_GITHUB_CLIENT_SECRET.",
        )
    if given["viewers"] == "github" and workers > 1 and not secrets["session_secret"]:
        raise UsageError("Several workers need CI_ITEST_SESSION_SECRET: a session made by one is read by all.")
    if given.get("webhook_urls") and not secrets["webhook_secret"]:
        raise UsageError("Webhooks are signed.", hint="Set CI_ITEST_WEBHOOK_SECRET.")
    return {"anonymous_edits": _is_loopback(host), **given, **secrets}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_loopback(host: str) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")


def _serve_demo(host: str, port: int, workers: int) -> None:
    """Serve a made-up history in a folder that goes when the service ends."""
    with TemporaryDirectory(prefix="ci-itest-demo-") as folder:
        database = str(Path(folder) / "demo.sqlite")
        history = service_module("demo.history")
        say("Making up a month of runs; that takes some ten seconds.")
        started = time.monotonic()
        repository = history.make(database, until=datetime.now(UTC))
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
