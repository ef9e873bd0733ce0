"""`ci-itest.lock`: which content the images of the settings stand for, kept until somebody renews it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ci_itest.containers.cache.manifests import parse_manifest
from ci_itest.containers.cache.store import is_digest
from ci_itest.containers.image_names import ImageName
from ci_itest.errors import DocumentError, EngineError, UsageError
from ci_itest.model.lock import Lock, LockedImage, LockedPlatform
from ci_itest.model.settings import ComposeSettings, Settings
from ci_itest.wire import read_document

LOCK_FILE = "ci-itest.lock"

Ask = Callable[[str], tuple[str, bytes]]
"""Digest and content of the manifest that an image's name stands for now."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lock beside the one before.

    Attributes:
        added: Names that had no entry.
        changed: Names whose entry stands for something else now.
        removed: Names that the settings do not have any more.
    """

    lock: Lock
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        return not (self.added or self.changed or self.removed)


ComposedImages = Callable[[ComposeSettings], Iterable[str]]
"""The images that Compose files start."""


def image_names(settings: Settings, *, composed: ComposedImages) -> tuple[str, ...]:
    """Every image that settings and Compose files start and that can be pinned: one with its digest pins itself.

    Raises:
        ServiceError: A Compose file cannot be read.
    """
    suites = settings.suites.values()
    named = {service.image for suite in suites for service in suite.services.values() if service.image}
    named |= {app.image for suite in suites for app in suite.all_apps.values() if app.image}
    named |= {image for suite in suites if suite.compose for image in composed(suite.compose)}
    return tuple(sorted(name for name in named if not ImageName.parse(name).digest))


def read_lock(root: Path) -> Lock:
    """The lock beside the settings; an empty one where there is none.

    Raises:
        DocumentError: It is broken, or pins an image to what is no digest.
    """
    path = root / LOCK_FILE
    if not path.exists():
        return Lock()
    lock = read_document(path, Lock)
    for image in lock.images:
        if not is_digest(image.digest):
            raise DocumentError(
                f"{path} pins {image.name} to {image.digest!r}, which is no digest.",
                hint="Run `ci-itest lock --update`.",
            )
    return lock


def renewed(before: Lock, names: Iterable[str], *, ask: Ask, update: Collection[str] | None) -> Renewal:
    """The lock for these images: entries that are there stay, except those to update.

    Args:
        ask: Called for images without an entry, and for those to update.
        update: Names to ask for anew; empty for none, None for all.

    Raises:
        UsageError: A name to update is no image of the settings.
        EngineError: An image is not to be had; names it.
    """
    wanted = sorted(set(names))
    if unknown := sorted(set(update or ()) - set(wanted)):
        raise UsageError(f"No service has the image {unknown[0]}.", hint=f"The settings have: {', '.join(wanted)}.")
    there = {image.name: image for image in before.images}
    images = []
    for name in wanted:
        kept = there.get(name)
        images.append(kept if kept and update is not None and name not in update else _locked(name, ask))
    digests = before.pins
    return Renewal(
        Lock(tuple(images)),
        added=tuple(name for name in wanted if name not in there),
        changed=tuple(image.name for image in images if digests.get(image.name, image.digest) != image.digest),
        removed=tuple(sorted(there.keys() - set(wanted))),
    )


def _locked(name: str, ask: Ask) -> LockedImage:
    try:
        digest, data = ask(name)
    except EngineError as error:
        raise EngineError(f"Cannot pin {name}: {error.message}", hint=error.hint) from error
    manifest = parse_manifest(data)
    variants = manifest.variants if manifest else ()
    return LockedImage(name, digest, tuple(LockedPlatform(one.platform, one.digest) for one in variants))
