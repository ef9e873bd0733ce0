"""What a shard is doing, told while it does it: `Step`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of news from a shard.

    Attributes:
        kind: `phase` (begins), `phase-end`, `service`, `tests` (counts so far), `output` (a line a child printed),
            `note` (worth a line), `problem` (worth a warning), `end` (the shard is over).
        name: Phase, service or shard it is about.
        text: For people; of a service its state.
        seconds: How long it took, where it ended.
        done: Cases that have their last attempt so far, of kind `tests`.
        total: Cases there are, 0 while unknown.
        failed: Cases that failed so far.
        shard: Label of the shard, "" where there is only one.
    """

    kind: str
    name: str = ""
    text: str = ""
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    failed: int = 0
    shard: str = ""
