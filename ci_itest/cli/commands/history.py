"""`ci-itest history`: durations from other tools, and ours to them; who went without the suite."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ci_itest.cli import building
from ci_itest.cli.console import say, tell
from ci_itest.cli.options import settings_options
from ci_itest.errors import HistoryError, UsageError

if TYPE_CHECKING:
    from ci_itest.history.tenancy import ServiceStore
    from ci_itest.model.bypass import AuditedBypass
    from ci_itest.model.tenant import Tenant

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("pytest-split", "knapsack", "circleci", "junit")
SHOWN = 5
"""Entries that are left out and named; the rest is counted."""


@click.group("history")
def command() -> None:
    """Bring durations in, or take them out; back up and prune; keys of a service; who went without the suite."""


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


def database_options(function: F) -> F:
    """`--database-url`, and the settings that say where the history is without it."""
    named = click.option(
        "--database-url",
        "database",
        envvar="CI_ITEST_DATABASE_URL",
        default="",
        help="Path of a SQLite file, or postgresql://…  [default: the history of the settings]",
    )
    return settings_options(named(function))


@command.command("prune")
@database_options
@click.option("--results", default="90d", show_default=True, help="How long results are kept; then archived.")
@click.option("--texts", default="30d", show_default=True, help="How long messages and details of failures are kept.")
@click.option("--rollups", default="400d", show_default=True, help="How long days of cases, and runs, are kept.")
def prune(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    database: str,
    results: str,
    texts: str,
    rollups: str,
) -> None:
    """Archive old results and forget what is over its time. A service does it by itself."""
    from ci_itest.cli.databases import open_database
    from ci_itest.history.retention import Retention

    kept = Retention(_days(results, "--results"), _days(texts, "--texts"), _days(rollups, "--rollups"))
    with open_database(database, root, config_file, assignments) as history:
        forgotten = history.forget(kept, now=building.now())
    say(
        f"Archived the results of {forgotten.archived_runs} runs, forgot {forgotten.texts} texts and "
        f"{forgotten.runs} runs."
    )


@command.command("backup")
@database_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(root: Path, config_file: Path | None, assignments: tuple[str, ...], database: str, file: Path) -> None:
    """Write all of the history into FILE, while others go on using it."""
    from ci_itest.cli.databases import open_database

    with open_database(database, root, config_file, assignments) as history:
        history.back_up(file)
    say(f"Wrote {file} ({file.stat().st_size / 1e6:.1f} MB).")


@command.command("restore")
@database_options
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def restore(root: Path, config_file: Path | None, assignments: tuple[str, ...], database: str, file: Path) -> None:
    """Fill an empty database from FILE, a backup of SQLite or PostgreSQL alike."""
    from ci_itest.cli.databases import open_database

    with open_database(database, root, config_file, assignments) as history:
        count = history.restore(file)
    say(f"Restored {count} runs.")


@command.command("send")
@settings_options
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, file_okay=False, exists=True))
def send(root: Path, config_file: Path | None, assignments: tuple[str, ...], folders: tuple[Path, ...]) -> None:
    """Send the runs that the reporting service did not get.

    They are in the folder `unsent` of a report; without FOLDERS, of the last report here.
    """
    from ci_itest.history.location import is_service

    config = building.read_settings(root, config_file, assignments)
    if not is_service(config.settings.history.store):
        raise UsageError("`store` of [history] names no reporting service.", hint="Set it to https://…")
    with building.remote_history(config, building.place_of(config.root), unsent=folders) as store:
        count = store.send_unsent()
    if not count:
        say("Nothing was sent.")


@command.group("keys")
def keys() -> None:
    """Upload keys of a reporting service's database."""


@keys.command("add")
@database_options
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--label", default="", help="What it is for.")
def add_key(
    root: Path, config_file: Path | None, assignments: tuple[str, ...], database: str, repository: str, label: str
) -> None:
    """Make a key for a repository, which is made where it is not there. The key is printed once, on stdout."""
    from ci_itest.cli.databases import open_database
    from ci_itest.history.tenancy import ServiceStore

    with open_database(database, root, config_file, assignments) as history:
        store, at = ServiceStore(history), building.now()
        tenant = store.make_tenant(repository, at=at)
        key = store.make_key(tenant, label=label, at=at)
        store.audit(tenant, at=at, actor=os.environ.get("USER", ""), action="key-made", subject=label or "a key")
    click.echo(key)


@keys.command("list")
@database_options
@click.argument("repository", metavar="OWNER/NAME")
def list_keys(
    root: Path, config_file: Path | None, assignments: tuple[str, ...], database: str, repository: str
) -> None:
    """The keys of a repository: number, when made and last used, what for."""
    from ci_itest.cli.databases import open_database
    from ci_itest.history.tenancy import ServiceStore

    with open_database(database, root, config_file, assignments) as history:
        store = ServiceStore(history)
        for key in store.keys(_tenant(store, repository)):
            state = f"revoked {key.revoked_at[:10]}" if key.revoked_at else f"used {key.used_at[:10] or 'never'}"
            click.echo(f"{key.number} made {key.created_at[:10]}, {state} {key.label}".rstrip())


@keys.command("revoke")
@database_options
@click.argument("repository", metavar="OWNER/NAME")
@click.argument("number", type=int)
def revoke_key(
    root: Path, config_file: Path | None, assignments: tuple[str, ...], database: str, repository: str, number: int
) -> int:
    """Let a key count for nothing from now on."""
    from ci_itest.cli.databases import open_database
    from ci_itest.history.tenancy import ServiceStore

    with open_database(database, root, config_file, assignments) as history:
        store, at = ServiceStore(history), building.now()
        tenant = _tenant(store, repository)
        is_done = store.revoke_key(tenant, number, at=at)
        if is_done:
            actor = os.environ.get("USER", "")
            store.audit(tenant, at=at, actor=actor, action="key-revoked", subject=f"key {number}")
    say(f"Key {number} counts for nothing now." if is_done else f"{repository} has no such key {number}.")
    return 0 if is_done else 2


def _tenant(store: ServiceStore, repository: str) -> Tenant:
    tenant = store.tenant_named(repository)
    if tenant is None:
        raise UsageError(f"There is no repository {repository!r} here.", hint="Make it with `history keys add`.")
    return tenant


def _days(text: str, option: str) -> int:
    from ci_itest.model.settings import Seconds

    try:
        days = int(Seconds.parse(text) // 86_400)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if days < 1:
        raise UsageError(f"{option} is less than a day.", hint='Write for example "90d".')
    return days
