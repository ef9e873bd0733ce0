"""`ci-itest lock`: pin the images of the settings to their content."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.options import settings_options
from ci_itest.errors import ExitCode


@click.command("lock")
@settings_options
@click.option("--update", is_flag=True, help="Ask anew what the images stand for; all of them, or those named.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 2 when the file and the settings differ.")
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
def command(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    update: bool,
    check: bool,
    images: tuple[str, ...],
) -> int:
    """Pin the images of the settings to their content, in ci-itest.lock beside the settings.

    Runs then use these very images until `ci-itest lock --update` renews them. Entries that are there stay as they
    are, new images are added, and those that no service has any more are removed. Commit the file.
    """
    from ci_itest.containers.compose import images_of
    from ci_itest.containers.sources import Sources
    from ci_itest.flows.lock import LOCK_FILE, image_names, read_lock, renewed
    from ci_itest.wire import write_document

    if images and not update:
        raise click.UsageError("Images are named together with --update.")
    config = building.read_settings(root, config_file, assignments)
    composed = partial(images_of, root=config.root, environment=os.environ)
    before, names = read_lock(config.root), image_names(config.settings, composed=composed)
    if check:
        return _checked(names, before.pins)
    asked = None if update and not images else images
    sources = Sources(config.settings.images.mirror)
    renewal = renewed(before, names, ask=sources.manifest, update=asked)
    for words, found in (("added", renewal.added), ("renewed", renewal.changed), ("removed", renewal.removed)):
        for name in found:
            say(f"{words}: {name} {renewal.lock.pins.get(name, '')[:19]}".rstrip())
    if renewal.is_same:
        say(f"{LOCK_FILE}: nothing new, {len(names)} images.")
    path = config.root / LOCK_FILE
    if not renewal.is_same or not path.exists():
        write_document(path, renewal.lock)
    click.echo(str(path))
    return ExitCode.OK


def _checked(names: tuple[str, ...], pins: dict[str, str]) -> int:
    """Say how settings and lock differ."""
    missing, left = sorted(set(names) - set(pins)), sorted(set(pins) - set(names))
    for name in missing:
        say(f"not pinned: {name}")
    for name in left:
        say(f"pinned, and no service has it: {name}")
    if missing or left:
        say("Run `ci-itest lock` and commit ci-itest.lock.")
        return ExitCode.USAGE
    say(f"All {len(names)} images are pinned.")
    return ExitCode.OK
