"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ci_itest.errors import UsageError

if TYPE_CHECKING:
    from ci_itest.config.reader import Config

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(function: F) -> F:
    """`--root`, `--config` and `--set`, taken together by `building.read_settings`."""
    for option in (
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override any setting (repeatable), for example --set retries=0.",
        ),
        click.option(
            "--config",
            "config_file",
            envvar="CI_ITEST_CONFIG",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Settings file, instead of ci-itest.toml in the root.",
        ),
        click.option(
            "--root",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            default=Path(),
            help="Folder of the settings and the tests.  [default: here]",
        ),
    ):
        function = option(function)
    return function


def coverage_option(function: F) -> F:
    """`--integration-coverage-fail-under`, read by `wanted_coverage`."""
    return click.option(
        "--integration-coverage-fail-under",
        "least_coverage",
        type=click.FloatRange(0, 100),
        metavar="PERCENT",
        help="How much of the app the tests of all shards must reach.  "
        "[default: the setting report.integration_coverage]",
    )(function)


def wanted_coverage(config: Config, given: float | None) -> float:
    """Percent of the app that must be reached, 0 for none: as the option says, else the setting."""
    return config.settings.report.integration_coverage if given is None else given


def overrides(assignments: Sequence[str], **named: object) -> dict[str, str]:
    """What the command line sets: `--set` first, then the options that have a name of their own."""
    values: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment} sets nothing.", hint="Write --set KEY=VALUE.")
        values[key.strip()] = value.strip()
    values.update({name: str(value) for name, value in named.items() if value is not None})
    return values
