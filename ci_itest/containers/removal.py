"""End a block: every service's log to a file, then its containers, volumes and networks away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ci_itest.containers.block import COMPOSE_NUMBER_LABEL, SERVICE_LABEL, Block
from ci_itest.containers.engine import Engine, Held
from ci_itest.containers.service_logs import write_log
from ci_itest.errors import EngineError
from ci_itest.masking import Masker
from ci_itest.waiting import DeadlinePassed, wait_until

_AT_ONCE = 16
_NETWORK_SECONDS = 3.0


def remove_block(block: Block, *, engine: Engine, log_directory: Path, mask: Masker) -> tuple[str, ...]:
    """Remove everything that carries the block's label, found by the label, so nothing is missed that we lost sight of.

    Returns:
        What could not be done, in words; one trouble does not keep the rest from being removed.
    """
    troubles: list[str] = []
    containers = _listed(partial(engine.containers, (block.selector,)), troubles)
    _each_at_once(partial(keep_log_and_remove, engine, log_directory, mask), containers, troubles)
    for network in _listed(partial(engine.networks, (block.selector,)), troubles):
        _each_at_once(partial(_remove_network, engine), (network,), troubles)
    volumes = _listed(partial(engine.volumes, (block.selector,)), troubles)
    _each_at_once(lambda volume: engine.remove_volume(volume.id), volumes, troubles)
    return tuple(troubles)


def _listed(find: Callable[[], Sequence[Held]], troubles: list[str]) -> Sequence[Held]:
    try:
        return find()
    except EngineError as error:
        troubles.append(error.message)
        return ()


def _each_at_once(act: Callable[[Held], None], held: Iterable[Held], troubles: list[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        for outcome in [workers.submit(act, one) for one in held]:
            error = outcome.exception()
            if isinstance(error, (EngineError, OSError)):
                troubles.append(str(error))
            elif error is not None:
                raise error


def keep_log_and_remove(engine: Engine, log_directory: Path, mask: Masker, container: Held) -> None:
    """Write a container's log to a file named after its service, then remove it, whatever became of the log."""
    try:
        log_directory.mkdir(parents=True, exist_ok=True)
        name = container.labels[SERVICE_LABEL]
        number = container.labels.get(COMPOSE_NUMBER_LABEL, "1")
        name = name if number == "1" else f"{name}-{number}"
        write_log(engine.log_lines(container.id, timestamps=True), log_directory / f"{name}.log", mask=mask)
    finally:
        engine.remove_container(container.id)


def _remove_network(engine: Engine, network: Held) -> None:
    """Remove it, patiently: a container whose removal is still under way hangs on it for a moment."""

    def attempt() -> str:
        try:
            engine.remove_network(network.id)
        except EngineError as error:
            return error.message
        return ""

    try:
        wait_until(attempt, within_seconds=_NETWORK_SECONDS, every_seconds=0.1)
    except DeadlinePassed as passed:
        raise EngineError(passed.last_seen) from passed
