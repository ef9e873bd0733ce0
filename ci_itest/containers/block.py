"""One block of running services on the engine: what its containers and network are called and labelled."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from ci_itest.containers.owner import PREFIX, Owner

SERVICE_LABEL = f"{PREFIX}service"
COMPOSE_NUMBER_LABEL = "com.docker.compose.container-number"
_BLOCK_LABEL = f"{PREFIX}block"

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_PART = 40


@dataclass(frozen=True, slots=True)
class Block:
    """Names and labels; a token keeps blocks of one owner apart.

    Attributes:
        name: Of the network, and the beginning of the containers' names. For people: nothing is found by name.
        labels: Of everything in the block.
        selector: What to list the block's objects by.
        token: Apart from every other block's.
    """

    name: str
    labels: Mapping[str, str]
    selector: str
    token: str

    @classmethod
    def of(cls, owner: Owner) -> Block:
        """A new block."""
        token = secrets.token_hex(4)
        parts = (_NOT_IN_A_NAME.sub("-", part)[:_LONGEST_PART].strip("-.") for part in (owner.run, owner.shard))
        name = "-".join(filter(None, ("ci-itest", *parts, token)))
        return cls(name, {**owner.labels(), _BLOCK_LABEL: token}, f"{_BLOCK_LABEL}={token}", token)

    def service_labels(self, service: str) -> dict[str, str]:
        return {**self.labels, SERVICE_LABEL: service}
