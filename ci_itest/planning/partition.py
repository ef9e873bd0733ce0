"""Which shard takes what no plan knows."""

from __future__ import annotations

import hashlib


def claiming_shard(file: str, *, shard_count: int) -> int:
    """The shard (from 1) that takes a file the plan does not know; the shard plugin computes the same."""
    return int.from_bytes(hashlib.sha256(file.encode()).digest()) % shard_count + 1
