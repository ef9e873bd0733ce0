"""Services that stay up between commands on a laptop: found, looked at and removed by their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_itest.containers.block import KEPT_LABEL, SERVICE_LABEL, SETTINGS_LABEL, SPEC_LABEL, kept_spec
from ci_itest.containers.engine import ContainerState, Engine
from ci_itest.containers.launch import Launched, exit_words
from ci_itest.containers.leftovers import remove_labelled
from ci_itest.containers.starting import up_service
from ci_itest.errors import EngineError
from ci_itest.model.services import Endpoint


@dataclass(frozen=True, slots=True)
class KeptService:
    """A service that `services up` left running.

    Attributes:
        words: How it is: "up", "done" (a one-shot service), "exited with exit code 1".
        is_well: Whether that is how it should be.
        settings: Digest of the settings it was started by.
    """

    name: str
    container: str
    endpoint: Endpoint
    words: str
    is_well: bool
    settings: str


def place_of_root(root: Path, suite: str) -> str:
    """The label's value for one suite in one folder of this machine."""
    return hashlib.sha256(f"{root.resolve()}\0{suite}".encode()).hexdigest()[:16]


def kept_services(engine: Engine, place: str) -> tuple[KeptService, ...]:
    """What stays up there, by name."""
    found = engine.containers((f"{KEPT_LABEL}={place}", SPEC_LABEL))
    kept = [_kept(held.id, held.labels, engine) for held in found]
    return tuple(sorted((one for one in kept if one), key=lambda one: one.name))


def remove_kept(engine: Engine, place: str) -> int:
    """Remove it all, networks and volumes too; how many things there were.

    Raises:
        EngineError: The engine does not answer.
    """
    return remove_labelled(engine, f"{KEPT_LABEL}={place}")


def log_of(engine: Engine, service: KeptService, *, tail: int | None, follow: bool) -> Iterator[str]:
    """Its log, line by line."""
    return engine.log_lines(service.container, tail=tail, follow=follow)


def _kept(container: str, labels: Mapping[str, str], engine: Engine) -> KeptService | None:
    try:
        state = engine.state(container)
    except EngineError:  # removed meanwhile
        return None
    spec = kept_spec(labels)
    launched = Launched(container, {**dict.fromkeys(spec.ports.values(), 0), **state.ports}, 0.0)
    up = up_service(spec, launched, host=engine.host, digest="")
    words, is_well = _words(state)
    return KeptService(labels[SERVICE_LABEL], container, up.endpoint, words, is_well, labels.get(SETTINGS_LABEL, ""))


def _words(state: ContainerState) -> tuple[str, bool]:
    if state.is_running:
        return "up", True
    return ("done", True) if state.exit_code == 0 else (f"exited {exit_words(state)}", False)
