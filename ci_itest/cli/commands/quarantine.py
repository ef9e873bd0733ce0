"""`ci-itest quarantine`: which cases' failures do not count, and until when."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say, tell
from ci_itest.cli.judging import keeper_of
from ci_itest.cli.options import settings_options

if TYPE_CHECKING:
    from ci_itest.flows.quarantine import Keeper


@click.group("quarantine", no_args_is_help=True)
def command() -> None:
    """Keep failures of flaky cases from failing builds for a while."""


@command.command("add")
@settings_options
@click.argument("case")
@click.option("--reason", required=True, help="Why, for those who find it there.")
@click.option("--issue", default="", help="Where it is worked on (a URL).")
@click.option("--skip", is_flag=True, help="Do not even run it.  [default: run it, and do not count its failure]")
@click.option("--for", "time", default="", help='How long, for example "7d".  [default: `expires` of [flaky]]')
def add(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    case: str,
    reason: str,
    issue: str,
    skip: bool,
    time: str,
) -> None:
    """Put a case in quarantine, or change its entry there."""
    from ci_itest.errors import UsageError
    from ci_itest.flows.quarantine import named_case, new_entry
    from ci_itest.model.quarantine import QuarantineMode
    from ci_itest.model.settings import Seconds

    try:
        seconds = Seconds.parse(time) if time else Seconds(0)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    with keeper(root, config_file, assignments) as kept:
        entry = new_entry(
            kept,
            named_case(kept, case),
            reason=reason,
            added_by=os.environ.get("GITHUB_ACTOR") or os.environ.get("USER", ""),
            mode=QuarantineMode.SKIPPED if skip else QuarantineMode.MUTED,
            issue_url=issue,
            seconds=seconds,
        )
        kept.store.quarantine(entry, repository=kept.repository)
    say(
        f"{entry.case} is in quarantine until {entry.expires_at[:10]}{f', owned by {entry.owner}' * bool(entry.owner)}."
    )


@command.command("release")
@settings_options
@click.argument("case")
@click.option("--because", default="released by hand", help="Why, for an audit.")
def release(root: Path, config_file: Path | None, assignments: tuple[str, ...], case: str, because: str) -> int:
    """Let a case's failures count again."""
    with keeper(root, config_file, assignments) as kept:
        entries = kept.store.quarantined(repository=kept.repository)
        found = [entry.case for entry in entries if case in (entry.case.node_id, entry.case.name)]
        for each in found:
            kept.store.release(each, repository=kept.repository, because=because, at=kept.at)
            say(f"{each} left quarantine.")
    if not found:
        say(f"{case} is not in quarantine.")
    return 0 if found else 2


@command.command("list")
@settings_options
def list_entries(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> None:
    """The cases in quarantine: until when, whose, why."""
    with keeper(root, config_file, assignments) as kept:
        entries = kept.store.quarantined(repository=kept.repository)
    for entry in entries:
        owner = f" {entry.owner}" if entry.owner else ""
        issue = f" {entry.issue_url}" if entry.issue_url else ""
        tell(f"{entry.expires_at[:10]} {entry.mode} {entry.case}{owner}{issue}: {entry.reason}")
        if entry.evidence:
            tell(f"    {entry.evidence}")
    say(f"{len(entries)} in quarantine.")


@contextlib.contextmanager
def keeper(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> Iterator[Keeper]:
    """The quarantine of the history; HistoryError when there is none to be used."""
    from ci_itest.errors import HistoryError

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    with building.history(config, place) as store:
        if store is None:
            raise HistoryError("The quarantine cannot be used without a history (see above).")
        yield keeper_of(store, config, place)
