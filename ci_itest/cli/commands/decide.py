"""`ci-itest decide`: whether this event needs the suite, and why."""

from __future__ import annotations

from pathlib import Path

import click

from ci_itest.cli import building
from ci_itest.cli.options import settings_options


@click.command("decide")
@settings_options
def command(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> int:
    """Say whether this event needs the suite at all: `run`, `bypass` or `repeat` on stdout, with the reason."""
    from ci_itest.flows.decide import decide

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    decision = decide(place.context, config.settings.bypass, github=building.github_api(place.context))
    click.echo(f"{decision.kind}: {decision.reason}")
    return 0
