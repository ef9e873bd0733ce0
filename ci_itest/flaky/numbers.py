"""Names as the numbers and keys that the model groups by: the same for the same name in every run."""

from __future__ import annotations

from zlib import crc32

LOCAL_RUN = "local-"
"""How ids of runs on a developer's machine begin."""


def code_of(run_id: str, commit: str) -> str:
    """What names a run's code; "" when no other run is sure to have the same.

    On a developer's machine files change between two runs of one commit.
    """
    return "" if run_id.startswith(LOCAL_RUN) else commit


def file_number(suite: str, file: str) -> int:
    return crc32(f"{suite}\0{file}".encode("utf-8", "surrogateescape"))


def shard_number(suite: str, shard: int) -> int:
    return crc32(f"{suite}\0{shard}".encode("utf-8", "surrogateescape"))
