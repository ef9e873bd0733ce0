"""`ci-itest services`: the suite's services outside a run, for work on a laptop."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.options import settings_options

if TYPE_CHECKING:
    from ci_itest.containers.kept import KeptService
    from ci_itest.containers.starting import ServiceEvent
    from ci_itest.flows.standing import Standing

FORMATS = ("text", "env", "json")


@click.group("services", no_args_is_help=True)
def command() -> None:
    """Start the suite's services for work on this machine, look at them, and take them down."""


def suite_options(function: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option("--suite", default="", help="Whose services.  [default: the only one, else main]")
    return settings_options(option(function))


def format_option(function: Callable[..., Any]) -> Callable[..., Any]:
    words = "text for people, env for `eval` and env files, json for programs."
    return click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help=words)(
        function
    )


@command.command("up")
@suite_options
@format_option
@click.option("--prepare", "prepares", is_flag=True, help="Run the [[prepare]] steps, too.")
@click.option("--snapshot/--no-snapshot", "snapshots", default=True, help="Take prepared services from snapshots.")
def up(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    suite: str,
    form: str,
    prepares: bool,
    snapshots: bool,
) -> None:
    """Start the services and leave them running; prints their addresses and `[environment]`."""
    from ci_itest.flows.standing import bring_up

    standing = _standing(root, config_file, assignments, suite, snapshots=snapshots)
    services = standing.services()
    if standing.is_current(services) and not prepares:
        say("The services are up already.")
    else:
        if services:
            say("What was up does not fit the settings any more, or has ended: starting anew.")
        services = bring_up(standing, report=_told, say=say, prepares=prepares)
    _print(standing, services, form)


@command.command("status")
@suite_options
@format_option
def status(root: Path, config_file: Path | None, assignments: tuple[str, ...], suite: str, form: str) -> int:
    """Show what is up, where, and `[environment]`; exit code 3 when not all of it is."""
    from ci_itest.errors import ExitCode

    standing = _standing(root, config_file, assignments, suite)
    services = standing.services()
    if not services:
        say("No services are up here. `ci-itest services up` starts them.")
        return ExitCode.SERVICES
    _print(standing, services, form)
    if not standing.is_current(services):
        say("Not all of them are as the settings want them; `ci-itest services up` starts anew.")
        return ExitCode.SERVICES
    return ExitCode.OK


@command.command("logs")
@suite_options
@click.argument("name", required=False, default="")
@click.option("--follow", "-f", is_flag=True, help="Go on as it is written, until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), help="Only so many last lines.  [default: all]")
def logs(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    suite: str,
    name: str,
    follow: bool,
    tail: int | None,
) -> None:
    """Print the log of a service, or of all, each line with its name in front."""
    from ci_itest.containers.kept import log_of
    from ci_itest.errors import UsageError

    standing = _standing(root, config_file, assignments, suite)
    services = [one for one in standing.services() if one.name == name or not name]
    if not services:
        known = ", ".join(one.name for one in standing.services()) or "none"
        raise UsageError(
            f"There is no service {name} up here." if name else "No services are up here.", hint=f"Up are: {known}."
        )
    if follow and len(services) > 1:
        raise UsageError("Only one log can be followed.", hint=f"Name one: {', '.join(one.name for one in services)}.")
    for one in services:
        for line in log_of(standing.engine, one, tail=tail, follow=follow):
            click.echo(line if name else f"{one.name}  {line}")


@command.command("down")
@suite_options
def down(root: Path, config_file: Path | None, assignments: tuple[str, ...], suite: str) -> None:
    """Remove the services that `up` started here, with their networks and volumes."""
    from ci_itest.containers.kept import remove_kept

    standing = _standing(root, config_file, assignments, suite)
    count = len(standing.services())
    removed = remove_kept(standing.engine, standing.place)
    say(f"Removed {count} service{'' if count == 1 else 's'}." if removed else "No services were up here.")


@command.command("sweep")
@click.option("--dry-run", is_flag=True, help="Only name what would be removed.")
def sweep(dry_run: bool) -> None:
    """Remove what runs on this machine left that were killed with their guards; never what anybody alive holds."""
    from ci_itest.containers.leftovers import sweep as remove
    from ci_itest.containers.leftovers import unheld

    engine = building.connect_engine()
    if not dry_run:
        say(remove(engine).words or "Nothing was left to remove.")
        return
    found = unheld(engine)
    for kind, held in found:
        labels = held.labels
        click.echo(f"{kind}  {held.id[:12]}  run {labels.get('ci-itest.run', '')}  {labels.get('ci-itest.shard', '')}")
    say(f"{len(found)} would be removed." if found else "Nothing is left to remove.")


def _standing(
    root: Path, config_file: Path | None, assignments: tuple[str, ...], suite: str, *, snapshots: bool = True
) -> Standing:
    from ci_itest.errors import UsageError
    from ci_itest.flows.standing import Standing
    from ci_itest.model.settings import MAIN_SUITE

    config = building.read_settings(root, config_file, assignments)
    suites = config.settings.suites
    name = suite or (MAIN_SUITE if MAIN_SUITE in suites else next(iter(suites)))
    if name not in suites:
        raise UsageError(f"There is no suite {name}.", hint=f"There are: {', '.join(suites)}.")
    return Standing(
        name,
        suites[name],
        config.root,
        environment=dict(os.environ),
        mirror=config.settings.images.mirror,
        images=replace(
            building.image_wishes(config, building.place_of(config.root), snapshots=snapshots), keeps_snapshots=False
        ),
        engine=building.connect_engine(),
    )


def _told(event: ServiceEvent) -> None:
    if event.state == "ready":
        say(f"{event.service} ready after {event.seconds:.1f} s")
    elif event.detail:
        say(f"{event.service} {event.state} {event.detail}".strip())


def _print(standing: Standing, services: tuple[KeptService, ...], form: str) -> None:
    from ci_itest.flows.standing import variables

    filled, left_out = variables(standing, services)
    if form == "json":
        json.dump(
            {"services": {one.name: _as_json(one) for one in services}, "environment": filled}, sys.stdout, indent=2
        )
        click.echo()
    elif form == "env":
        for name, value in filled.items():
            click.echo(f"{name}={shlex.quote(value)}")
    else:
        _print_text(services, filled)
    if left_out:
        say(f"Not filled in, since no app runs here: {', '.join(left_out)}.")


def _as_json(one: KeptService) -> dict[str, object]:
    end = one.endpoint
    return {
        "state": one.words,
        "image": end.image,
        "host": end.host,
        "port": end.port,
        "ports": dict(end.ports),
        "url": end.url,
        **({"credentials": dict(end.credentials)} if end.credentials else {}),
    }


def _print_text(services: tuple[KeptService, ...], filled: dict[str, str]) -> None:
    rows = [
        (
            one.name,
            one.endpoint.image,
            one.words,
            one.endpoint.url or (one.endpoint.address if one.endpoint.port else ""),
        )
        for one in services
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]).rstrip())
    if filled:
        click.echo()
    for name, value in filled.items():
        click.echo(f"{name}={shlex.quote(value)}")
