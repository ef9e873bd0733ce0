"""`ci-itest history`: durations from other tools, and ours to them; who went without the suite."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say, tell
from ci_itest.cli.options import settings_options
from ci_itest.errors import HistoryError, UsageError

if TYPE_CHECKING:
    from ci_itest.model.bypass import AuditedBypass

FORMATS = ("pytest-split", "knapsack", "circleci", "junit")
SHOWN = 5
"""Entries that are left out and named; the rest is counted."""


@click.group("history")
def command() -> None:
    """Bring durations of other tools in, or take ours out; show who went without the suite."""


@command.command("import")
@settings_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", *FORMATS]),
    default="auto",
    show_default=True,
    help="What wrote the file; auto tells by its looks.",
)
@click.option("--suite", default="main", show_default=True, help="Suite the durations are of.")
def import_(
    root: Path, config_file: Path | None, assignments: tuple[str, ...], file: Path, format_name: str, suite: str
) -> int:
    """Record the durations in FILE as a run, so that the first plan need not guess.

    Reads .test_durations of pytest-split, reports of Knapsack, JUnit files and test results of CircleCI.
    """
    from ci_itest.flows.timing_files import Destination, import_timings, read_timing_file
    from ci_itest.runners.registry import runner_named

    config = building.read_settings(root, config_file, assignments)
    settings = config.settings.suites.get(suite)
    if settings is None:
        raise UsageError(f"There is no suite {suite!r}.", hint=f"There is: {', '.join(config.settings.suites)}.")
    files = runner_named(settings.runner).list_files(settings, root=config.root, suite=suite)
    found = read_timing_file(file, format_name=format_name, files=files)
    for words in found.rejected[:SHOWN]:
        say(f"warning: left out: {words}")
    if len(found.rejected) > SHOWN:
        say(f"warning: {len(found.rejected) - SHOWN} more entries were left out.")
    if not found.timings:
        raise UsageError(f"{file} holds no duration.", hint="Name its format with --format.")
    place = building.place_of(config.root)
    learned = building.learned_branches(config, place)
    branch = next(iter(sorted(learned))) if learned else place.branch
    to = Destination(suite, place.repository, branch, building.now(), place.commit)
    with building.history(config, place) as store:
        if store is None:
            raise HistoryError("The history cannot be used (see above); nothing was imported.")
        is_new = import_timings(found, store, to)
    known = {timing.file for timing in found.timings}
    here = len(known & set(files))
    say(
        f"Imported {len(found.timings)} durations of {len(known)} files; {here} of them are in the suite."
        if is_new
        else "The history has these durations already."
    )
    return 0


@command.command("export")
@settings_options
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    default="pytest-split",
    show_default=True,
    help="What is to read the file.",
)
@click.option("--suite", default="main", show_default=True, help="Suite whose durations are wanted.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]")
def export(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    format_name: str,
    suite: str,
    out: Path | None,
) -> int:
    """Write what each case is expected to take as a file of another tool."""
    from ci_itest.flows.timing_files import export_timings
    from ci_itest.wire import write_whole

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    with building.history(config, place) as store:
        if store is None:
            raise HistoryError("The history cannot be used (see above); nothing was exported.")
        branches = building.learned_branches(config, place)
        timings = store.timings(suite, repository=place.repository, branches=branches)
    if not timings:
        raise UsageError(f"The history has no durations of suite {suite}.")
    data = export_timings(timings, format_name=format_name)
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        write_whole(out, data)
        say(f"Wrote {len(timings)} durations.")
    return 0


@command.command("bypasses")
@settings_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@click.option("--broke-main", is_flag=True, help="Only those after which the default branch broke.")
def bypasses(root: Path, config_file: Path | None, assignments: tuple[str, ...], limit: int, broke_main: bool) -> None:
    """Runs that went without the suite, the newest first: who, by which rule, and how the default branch did next."""
    from ci_itest.model.bypass import Aftermath

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    with building.history(config, place) as store:
        if store is None:
            raise HistoryError("The bypasses cannot be shown: the history cannot be used (see above).")
        main = building.learned_branches(config, place) or {config.settings.history.default_branch or "main", "master"}
        found = store.bypasses(limit, repository=place.repository, main=main)
    shown = [each for each in found if not broke_main or each.aftermath is Aftermath.MAIN_BROKE]
    for each in shown:
        for line in bypass_lines(each):
            tell(line)
    broken = sum(each.aftermath is Aftermath.MAIN_BROKE for each in found)
    say(f"{len(found)} {'bypass' if len(found) == 1 else 'bypasses'}; main broke next after {broken}.")


def bypass_lines(bypass: AuditedBypass) -> tuple[str, str]:
    """Two lines: who, what and when; why, and what came next."""
    record = bypass.record
    surely = "" if bypass.is_certain or not bypass.next_run_id else ", the next one"
    run = f" (run {bypass.next_run_id}{surely})" if bypass.next_run_id else ""
    return (
        f"{record.at[:16]} #{record.pull_request} {record.commit[:7]} {record.actor} {record.rule}",
        f"    {record.reason} Then: {bypass.aftermath}{run}.",
    )
