"""`ci-itest decide`: whether this event needs the suite, and why."""

from __future__ import annotations

from pathlib import Path

import click

from ci_itest.cli import building
from ci_itest.cli.console import tell
from ci_itest.cli.options import settings_options


@click.command("decide")
@settings_options
@click.option("--explain", "explains", is_flag=True, help="Then every rule, and what it says of this event.")
def command(root: Path, config_file: Path | None, assignments: tuple[str, ...], explains: bool) -> int:
    """Say whether this event needs the suite at all: `run`, `bypass` or `repeat` on stdout, with the reason."""
    from ci_itest.cli.deciding import Judge

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    judge = Judge(config, place, config_file=config_file, assignments=assignments)
    decision = judge.decision()
    for line in (f"{decision.kind}: {decision.reason}", *(judge.explanation() if explains else ())):
        tell(line)
    return 0
