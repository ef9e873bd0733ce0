"""`ci-itest new test NAME`: a first draft in the style of the suite."""

from __future__ import annotations

from pathlib import Path

import click

from ci_itest.cli import building
from ci_itest.cli.options import settings_options
from ci_itest.errors import UsageError


@click.group("new")
def command() -> None:
    """Write the first draft of something."""


@command.command("test")
@settings_options
@click.option("--suite", default="", help="Suite that it joins.  [default: the first of the settings]")
@click.argument("name")
def new_test_command(root: Path, config_file: Path | None, assignments: tuple[str, ...], suite: str, name: str) -> None:
    """Write a test that fails until it says something, named, marked and placed as the suite's others; prints its path.

    NAME says what it shows: refunds, "partial refunds".
    """
    from ci_itest.flows.new_test import new_test

    config = building.read_settings(root, config_file, assignments)
    suites = config.settings.suites
    if suite and suite not in suites:
        raise UsageError(f"The settings have no suite {suite!r}.", hint=f"They have: {', '.join(suites)}.")
    path = new_test(name, settings=suites[suite or next(iter(suites))], root=config.root)
    click.echo(str(path.relative_to(config.root)))
