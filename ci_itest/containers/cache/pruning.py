"""Which images a cache keeps within its budget: the most recently used ones, and whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ci_itest.containers.cache.store import BlobStore, Kept


@dataclass(frozen=True, slots=True)
class Usage:
    """What one name takes up.

    Attributes:
        size_bytes: Of its blobs that are here, shared ones counted in full.
        own_bytes: Of those that no more recently used name has.
    """

    kept: Kept
    size_bytes: int
    own_bytes: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken out.

    Attributes:
        names: Images and snapshots, as they were called.
        freed_bytes: Blobs that nothing names any more included.
    """

    names: tuple[str, ...]
    freed_bytes: int
    left_bytes: int


def usage(store: BlobStore) -> tuple[Usage, ...]:
    """Of each name, the most recently used first."""
    sizes = store.blobs()
    seen: set[str] = set()
    rows = []
    for kept in store.all_kept():
        blobs = store.blobs_of(kept.digest)
        total = sum(sizes.get(digest, 0) for digest in blobs)
        rows.append(Usage(kept, total, sum(sizes.get(digest, 0) for digest in blobs - seen)))
        seen |= blobs
    return tuple(rows)


def prune(
    store: BlobStore, *, budget_bytes: int, only: Collection[str] | None = None, grace_seconds: float = 0.0
) -> Pruned:
    """Remove names, the longest unused first, until the rest fits; then every blob that no name leads to.

    Args:
        only: The only names to keep; None for all that fit.
        grace_seconds: Blobs younger than this stay: another process may be about to name them.
    """
    sizes = store.blobs()
    before = sum(sizes.values())
    wanted: set[str] = set()
    gone = []
    for kept in store.all_kept():
        with_this = wanted | store.blobs_of(kept.digest)
        is_asked = only is None or kept.name in only
        fits = sum(sizes.get(digest, 0) for digest in with_this) <= budget_bytes
        if is_asked and fits and kept.digest in with_this:
            wanted = with_this
        else:
            store.forget(kept.name)
            gone.append(kept.name)
    for digest in sizes.keys() - wanted:
        if store.age_seconds(digest) >= grace_seconds:
            store.remove(digest)
    store.clear_abandoned()
    left = sum(store.blobs().values())
    return Pruned(tuple(gone), max(0, before - left), left)
