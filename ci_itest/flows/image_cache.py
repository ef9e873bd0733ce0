"""The image cache of a run: what a shard takes from it and leaves in it, and under which keys CI keeps its folder.

A cache entry of CI holds the images of one set of services, so that a shard restores only what it needs. Entries are
never changed, so the key has the content in it, and of shards with the same set only the first saves.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.containers.cache.pruning import Pruned, prune
from ci_itest.containers.cache.store import BlobStore
from ci_itest.model.plan import Plan
from ci_itest.model.settings import ImageSettings, Settings, SuiteSettings

if TYPE_CHECKING:
    from ci_itest.containers.engine import Engine
    from ci_itest.containers.supply import Supply

_GRACE_SECONDS = 600.0

KEY = "ci-itest-images"
"""How every key begins; the pruning of CI's caches goes by it."""


@dataclass(frozen=True, slots=True)
class ImageWishes:
    """What a shard is to do about images.

    Attributes:
        pins: Image name to the digest that the lock has for it.
        lock: The lock's file, None where there is none.
        folder: Of the cache; None for none.
        snapshots: Folder of snapshots where there is no cache; they are then of use to this machine alone.
        budget_bytes: What the folder may take up afterwards.
        only_used: Leave nothing in the folder but what this shard used: it becomes an entry of CI's cache.
        uses_snapshots: Whether prepared services are taken from snapshots.
        keeps_snapshots: Whether new ones are made; of no use where nobody will find them.
        first_starts: Whether the empty databases of first starts are such, too: where the engine lives on.
    """

    pins: Mapping[str, str] = field(default_factory=dict)
    lock: Path | None = None
    folder: Path | None = None
    snapshots: Path | None = None
    budget_bytes: int = 0
    only_used: bool = False
    uses_snapshots: bool = True
    keeps_snapshots: bool = True
    first_starts: bool = False


def cache_folder(environment: Mapping[str, str], *, root: Path) -> Path:
    """Where images are kept: the user's cache folder (XDG base directories), else the root's own."""
    named = Path(environment.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named / "ci-itest" / "images"
    if home := environment.get("HOME"):
        return Path(home) / ".cache" / "ci-itest" / "images"
    return root / ".ci-itest" / "images"


def is_lent(environment: Mapping[str, str]) -> bool:
    """Whether this machine is one of GitHub's own runners, and gone with all its images when the job ends."""
    is_hosted = environment.get("RUNNER_ENVIRONMENT", "github-hosted") == "github-hosted"
    return environment.get("GITHUB_ACTIONS") == "true" and is_hosted


def snapshot_folder(environment: Mapping[str, str], *, root: Path) -> Path:
    """Where snapshots are kept that are of use to this machine alone."""
    return cache_folder(environment, root=root).with_name("snapshots")


def wishes_of_a_session(environment: Mapping[str, str], *, root: Path) -> ImageWishes:
    """What a plain pytest session does about images: no cache, no lock; first starts where the engine lives on."""
    return ImageWishes(
        snapshots=snapshot_folder(environment, root=root),
        budget_bytes=ImageSettings().budget,
        first_starts=not is_lent(environment),
    )


def supply_for(wishes: ImageWishes, *, engine: Engine, mirror: str, say: Callable[[str], None]) -> Supply:
    """The supply that these wishes ask for."""
    from ci_itest.containers.supply import Supply

    store = BlobStore(wishes.folder) if wishes.folder else None
    return Supply(engine, mirror=mirror, pins=wishes.pins, store=store, say=say)


def snapshot_supply(wishes: ImageWishes, supply: Supply, *, engine: Engine, mirror: str) -> Supply | None:
    """The supply that has snapshots: the run's own where it has a cache; None where there can be none."""
    from ci_itest.containers.supply import Supply

    if not wishes.uses_snapshots or not engine.is_local:
        return None
    if supply.store:
        return supply
    if wishes.snapshots is None:
        return None
    return Supply(engine, mirror=mirror, pins=wishes.pins, store=BlobStore(wishes.snapshots))


def tidy(wishes: ImageWishes, supply: Supply | None) -> Pruned | None:
    """Prune a supply's folder after use; None where nothing was written to it."""
    if supply is None or supply.store is None or not supply.store.folder.is_dir():
        return None
    only = supply.names if wishes.only_used and wishes.folder == supply.store.folder else None
    # A folder of one job is its own; any other one is shared with other shards on the machine.
    return prune(
        supply.store, budget_bytes=wishes.budget_bytes, only=only, grace_seconds=_GRACE_SECONDS if only is None else 0.0
    )


def image_set(settings: SuiteSettings, plan: Plan, *, suite: str, index: int) -> frozenset[str]:
    """The images of the services that a shard starts."""
    needed = _services(plan, suite, index, settings)
    return frozenset(settings.services[name].image for name in needed if settings.services[name].image)


def image_set_of_all(settings: Settings) -> frozenset[str]:
    """The images of all services of all suites: what one job needs that runs every shard."""
    suites = settings.suites.values()
    return frozenset(service.image for suite in suites for service in suite.services.values() if service.image)


def saves(settings: SuiteSettings, plan: Plan, *, suite: str, index: int) -> bool:
    """Whether this shard is the first of its suite with its set of services: equal caches are saved once."""
    planned = plan.suite(suite)
    own = _services(plan, suite, index, settings)
    earlier = [shard.index for shard in planned.shards if shard.index < index] if planned else []
    return bool(own) and all(_services(plan, suite, other, settings) != own for other in earlier)


def _services(plan: Plan, suite: str, index: int, settings: SuiteSettings) -> frozenset[str]:
    planned = plan.suite(suite)
    needed = planned.shard(index).services if planned else None
    return frozenset(settings.services if needed is None else set(needed) & set(settings.services))


def key_of_set(images: Iterable[str]) -> str:
    """How the keys of a set's entries begin on this kind of machine."""
    return f"{_key_of_machine()}{_digest(sorted(images))}-"


def restore_keys(images: Iterable[str]) -> tuple[str, ...]:
    """Beginnings of keys to restore, the best first: an entry of another set still has layers that are wanted."""
    return key_of_set(images), _key_of_machine()


def key_to_save(store: BlobStore, images: Iterable[str]) -> str:
    """The key that this content is saved under; "" where there is nothing to save."""
    blobs = sorted(store.blobs())
    return f"{key_of_set(images)}{_digest(blobs)}" if blobs else ""


def _key_of_machine() -> str:
    return f"{KEY}-{sys.platform}-{platform.machine().lower()}-"


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
