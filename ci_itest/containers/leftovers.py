"""Remove containers, networks and volumes that nobody alive holds: of a run that was killed, or of an earlier boot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from ci_itest.containers.engine import Engine, Held
from ci_itest.containers.owner import PID_LABEL, Owner, is_alive
from ci_itest.errors import EngineError

_AT_ONCE = 8


class Remover(Protocol):
    """What a removal asks of an engine."""

    def containers(self, labels: Sequence[str]) -> tuple[Held, ...]: ...
    def networks(self, labels: Sequence[str]) -> tuple[Held, ...]: ...
    def volumes(self, labels: Sequence[str]) -> tuple[Held, ...]: ...
    def remove_container(self, container: str) -> None: ...
    def remove_network(self, network: str) -> None: ...
    def remove_volume(self, volume: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Leftovers:
    """How many of each were removed."""

    containers: int = 0
    networks: int = 0
    volumes: int = 0

    @property
    def words(self) -> str:
        """One line; "" when there was nothing to remove."""
        counts = (("container", self.containers), ("network", self.networks), ("volume", self.volumes))
        parts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts if count]
        return f"Removed what an interrupted run had left: {', '.join(parts)}." if parts else ""


def unheld(engine: Engine, *, is_alive: Callable[[Owner], bool] | None = None) -> tuple[tuple[str, Held], ...]:
    """What a sweep would remove now: "container", "network" or "volume", and which."""
    alive = is_alive or _judge(engine)
    kinds = (("container", engine.containers), ("network", engine.networks), ("volume", engine.volumes))
    return tuple((kind, held) for kind, find in kinds for held in _unheld(find((PID_LABEL,)), alive))


def sweep(engine: Engine, *, is_alive: Callable[[Owner], bool] | None = None) -> Leftovers:
    """Remove what carries our labels and whose owner is gone; what could not be removed is left for the next sweep.

    Args:
        is_alive: Whether an owner still holds what is his; by default, whether his process runs on this boot.
    """
    alive = is_alive or _judge(engine)
    return Leftovers(
        _remove(_unheld(engine.containers((PID_LABEL,)), alive), engine.remove_container),
        _remove(_unheld(engine.networks((PID_LABEL,)), alive), engine.remove_network),
        _remove(_unheld(engine.volumes((PID_LABEL,)), alive), engine.remove_volume),
    )


def remove_labelled(engine: Remover, selector: str) -> int:
    """Remove all that carries a label; how much of it there was, removed or not.

    Raises:
        EngineError: It cannot be listed.
    """
    kinds = (
        (engine.containers, engine.remove_container),
        (engine.networks, engine.remove_network),
        (engine.volumes, engine.remove_volume),
    )
    count = 0
    for find, remove in kinds:
        found = find((selector,))
        count += len(found)
        _remove(found, remove)
    return count


def _judge(engine: Engine) -> Callable[[Owner], bool]:
    return lambda owner: is_alive(owner, engine_is_local=engine.is_local)


def _unheld(found: Iterable[Held], is_alive: Callable[[Owner], bool]) -> list[Held]:
    owners = ((held, Owner.from_labels(held.labels)) for held in found)
    return [held for held, owner in owners if owner is not None and not is_alive(owner)]


def _remove(unheld: Sequence[Held], remove: Callable[[str], None]) -> int:
    def removed(held: Held) -> bool:
        try:
            remove(held.id)
        except EngineError:  # another sweep is at it, or something outside hangs on it
            return False
        return True

    if not unheld:
        return 0
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        return sum(workers.map(removed, unheld))
