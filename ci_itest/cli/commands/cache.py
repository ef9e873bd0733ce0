"""`ci-itest cache`: the folder of kept images, looked at and pruned, and the keys CI keeps it under."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.options import settings_options

if TYPE_CHECKING:
    from ci_itest.config.reader import Config
    from ci_itest.containers.cache.store import BlobStore


@click.group("cache")
def command() -> None:
    """Look at the images that are kept as files, and prune them."""


@command.command("list")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_images(root: Path, config_file: Path | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """List images and snapshots, the most recently used first.

    The first size is what an image has, the second what only it has of all that was used more recently.
    """
    from ci_itest.containers.cache.pruning import usage
    from ci_itest.wire import to_json

    store, config = _store(root, config_file, assignments)
    rows = usage(store)
    if as_json:
        click.echo(to_json(rows).decode())
        return
    for row in rows:
        age = _age(time.time() - row.kept.used_at)
        click.echo(f"{_megabytes(row.size_bytes):>9} {_megabytes(row.own_bytes):>9}  {age:>8}  {row.kept.name}")
    total = sum(store.blobs().values())
    say(f"{len(rows)} images, {_megabytes(total)} of {_megabytes(config.settings.images.budget)} in {store.folder}")


@command.command("prune")
@settings_options
@click.option("--all", "takes_all", is_flag=True, help="Take out everything.")
def prune_images(root: Path, config_file: Path | None, assignments: tuple[str, ...], takes_all: bool) -> None:
    """Take out what has been unused for longest, until the rest fits `[images] budget`."""
    from ci_itest.containers.cache.pruning import prune

    store, config = _store(root, config_file, assignments)
    pruned = prune(store, budget_bytes=0 if takes_all else config.settings.images.budget)
    for name in pruned.names:
        click.echo(name)
    say(f"freed {_megabytes(pruned.freed_bytes)}; {_megabytes(pruned.left_bytes)} are left in {store.folder}")


@command.command("key")
@settings_options
@click.option("--plan", "plan_file", type=click.Path(path_type=Path, dir_okay=False), help="The plan.")
@click.option("--suite", default="main", show_default=True, help="Suite of the shard.")
@click.option("--shard", "index", type=int, help="Which shard of the plan, counted from 1.  [default: all of a run]")
def key(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    plan_file: Path | None,
    suite: str,
    index: int | None,
) -> None:
    """Set the outputs `key` and `restore-keys` of a step, to restore a shard's images; neither without images.

    Without a shard, for the images of all of them, which `ci-itest run` needs. The folder is that of `ci-itest cache
    list`. What to save afterwards is said by `run-shard` and `run`.
    """
    from ci_itest.flows.image_cache import restore_keys

    if (plan_file is None) != (index is None):
        raise click.UsageError("--plan and --shard belong together.")
    config = building.read_settings(root, config_file, assignments)
    images = _images(config, plan_file, suite=suite, index=index)
    if not images or not building.keeps_images(config):
        return
    best, *others = restore_keys(images)
    # No entry has the key itself, since its content is not known yet: the newest of the set is the one to take.
    building.set_outputs({"key": f"{best}newest", "restore-keys": "\n".join([best, *others])})
    click.echo(best)


def _images(config: Config, plan_file: Path | None, *, suite: str, index: int | None) -> frozenset[str]:
    """Those of a shard's services, of all shards where none is named; none where there is no such shard."""
    from ci_itest.flows.image_cache import image_set, image_set_of_all

    if plan_file is None or index is None:
        return image_set_of_all(config.settings)
    settings, plan = config.settings.suites.get(suite), building.plan_at(plan_file)
    if settings is None or plan is None or plan.suite(suite) is None:
        return frozenset()
    return image_set(settings, plan, suite=suite, index=index)


def _store(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> tuple[BlobStore, Config]:
    from ci_itest.containers.cache.store import BlobStore
    from ci_itest.flows.image_cache import cache_folder

    config = building.read_settings(root, config_file, assignments)
    return BlobStore(cache_folder(os.environ, root=config.root)), config


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"
