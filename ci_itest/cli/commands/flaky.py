"""`ci-itest flaky`: the cases that fail by themselves, and the model that says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.commands.quarantine import keeper
from ci_itest.cli.console import say, tell
from ci_itest.cli.judging import is_main
from ci_itest.cli.options import settings_options

if TYPE_CHECKING:
    from collections.abc import Callable


@click.group("flaky", no_args_is_help=True)
def command() -> None:
    """Show which cases flake, and look after the model that says so."""


@command.command("list")
@settings_options
def list_cases(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Cases that are suspected or flaky, surest first: how sure, how often, on what evidence."""
    from ci_itest.flows.judge import known_flaky

    with keeper(root, config_file, assignments) as kept:
        found = known_flaky(kept.store, repository=kept.repository, at=kept.at)
    for case in found:
        rate = f"{case.rate:.1%} of its runs ({case.rate_low:.1%} to {case.rate_high:.1%})"
        tell(f"{case.status:<7} {case.probability:.0%} {case.case}: fails by itself in {rate}, {case.trend}")
        tell(f"    {case.evidence}")
    say(f"{len(found)} suspected or flaky.")


@command.command("renames")
@settings_options
@click.option("--undo", metavar="CASE", default="", help="Part this case from the one it was taken for.")
def show_renames(root: Path, config_file: Path | None, assignments: tuple[str, ...], undo: str) -> int:
    """Cases that keep their history under another name: what vanished when they appeared had their body's name."""
    branch = is_main_here(root, config_file, assignments)
    with keeper(root, config_file, assignments) as kept:
        found = kept.store.renamed(repository=kept.repository)
        if undo:
            case = next((each.new for each in found if undo in (each.new.node_id, each.new.name)), None)
            if case is None or not kept.store.undo_rename(case, repository=kept.repository):
                say(f"{undo} was not taken for another case.")
                return 2
            kept.store.rebuild(repository=kept.repository, is_main=branch)
            say(f"{case} has a history of its own.")
            return 0
    for each in found:
        tell(f"{each.at[:10]} {each.new} was {each.old}")
    say(f"{len(found)} under another name.")
    return 0


@command.command("hunt")
@settings_options
@click.argument("cases", nargs=-1, metavar="[CASES]...")
@click.option("--for", "time", default="10m", show_default=True, help="After which no probe begins any more.")
@click.option("--rounds", type=click.IntRange(min=0), default=0, help="Rounds at most.  [default: while there is time]")
@click.option("--from-commit", is_flag=True, help="Hunt the cases of the commit's Attempt-To-Fix trailers, or none.")
def hunt(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    cases: tuple[str, ...],
    time: str,
    rounds: int,
    from_commit: bool,
) -> int:
    """Run suspects again and again: alone, among their file's cases, reversed, on a busy machine.

    Without CASES: all that are suspected, flaky or in quarantine. The results enter the history, so that the model
    learns from them. Exit code: 1 when one of the CASES failed.
    """
    from ci_itest.cli.commands.hunting import hunted, named_by_commit
    from ci_itest.errors import UsageError
    from ci_itest.model.settings import Seconds

    try:
        seconds = Seconds.parse(time)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    config = building.read_settings(root, config_file, assignments)
    if from_commit:
        cases = (*cases, *named_by_commit(config.root))
        if not cases:
            say("The commit has no Attempt-To-Fix trailer.")
            return 0
    with keeper(root, config_file, assignments) as kept:
        return hunted(
            kept, config, building.place_of(config.root), names=cases, seconds=float(seconds), most_rounds=rounds
        )


@command.command("rebuild")
@settings_options
def rebuild(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """Forget what was learned and learn it anew from the recorded results."""
    branch = is_main_here(root, config_file, assignments)
    with keeper(root, config_file, assignments) as kept:
        count = kept.store.rebuild(repository=kept.repository, is_main=branch)
        suspects = kept.store.flaky_state(repository=kept.repository).memory.suspects()
    say(f"Learned from {count} runs: {len(suspects)} cases are suspected or flaky.")


def is_main_here(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a branch is this repository's default branch."""
    config = building.read_settings(root, config_file, assignments)
    return is_main(config, building.place_of(config.root))
