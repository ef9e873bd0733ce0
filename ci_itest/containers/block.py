"""One block of running services on the engine: what its containers and network are called and labelled."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from ci_itest.containers.owner import PREFIX, Owner
from ci_itest.model.services import ReadyCheck, ServiceSpec

SERVICE_LABEL = f"{PREFIX}service"
KEPT_LABEL = f"{PREFIX}kept"
SETTINGS_LABEL = f"{PREFIX}settings"
SPEC_LABEL = f"{PREFIX}spec"
COMPOSE_NUMBER_LABEL = "com.docker.compose.container-number"
_BLOCK_LABEL = f"{PREFIX}block"

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_PART = 40
_KEPT_FIELDS = ("image", "port", "ports", "url", "credentials")


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

    @classmethod
    def kept(cls, place: str, *, settings: str) -> Block:
        """A new block that outlives the process that starts it: it names no owner, so that no sweep takes it.

        Args:
            place: What finds it again.
            settings: Digest of what it was started by.
        """
        token = secrets.token_hex(4)
        labels = {_BLOCK_LABEL: token, KEPT_LABEL: place, SETTINGS_LABEL: settings}
        return cls(f"ci-itest-kept-{token}", labels, f"{_BLOCK_LABEL}={token}", token)

    def labels_of(self, spec: ServiceSpec) -> dict[str, str]:
        """The labels of a service's container; of one that is kept they say how it is reached."""
        labels = {**self.labels, SERVICE_LABEL: spec.name}
        if KEPT_LABEL not in labels:
            return labels
        return {**labels, SPEC_LABEL: json.dumps({name: getattr(spec, name) for name in _KEPT_FIELDS}, default=dict)}


def kept_spec(labels: Mapping[str, str]) -> ServiceSpec:
    """The service of a kept container, as far as is needed to reach it."""
    return ServiceSpec(name=labels[SERVICE_LABEL], ready=ReadyCheck("started"), **json.loads(labels[SPEC_LABEL]))
