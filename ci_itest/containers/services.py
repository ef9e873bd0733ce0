"""A shard's services, up for the length of a block: started together, awaited by protocol, and gone afterwards.

Every engine object is made in a thread of ours, behind a gate. An interrupt reaches the main thread alone, so a
creation under way is always seen to its end, and the clean-up closes the gate before it looks for what there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ci_itest.containers.block import Block
from ci_itest.containers.engine import ContainerState, Engine, Executed
from ci_itest.containers.gate import Cancelled, Gate
from ci_itest.containers.guard import Guard, guarding
from ci_itest.containers.images import ensure_image
from ci_itest.containers.interrupts import interrupts_held
from ci_itest.containers.launch import LOG_LINES, Launched, Launcher, exit_words
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_url
from ci_itest.containers.removal import remove_block
from ci_itest.errors import EngineError, ServiceError
from ci_itest.masking import Masker
from ci_itest.model.services import Endpoint, ServiceSpec

PULLING, STARTING, READY, FAILED = "pulling", "starting", "ready", "failed"

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """Progress of one service.

    Attributes:
        service: Its name; "" for what concerns them all.
        state: `pulling`, `starting`, `ready` or `failed`.
        seconds: Since the services began to start.
        detail: More in words, on one line; "" for none.
    """

    service: str
    state: str
    seconds: float
    detail: str = ""


class RunningServices:
    """The services of a shard while they are up; made by `running`.

    Attributes:
        endpoints: By service, in the order of the settings.
        network: The engine's id of the network they share.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        containers: Mapping[str, str],
        network: str,
        engine: Engine,
        mask: Masker,
    ) -> None:
        self.endpoints = MappingProxyType(dict(endpoints))
        self.network = network
        self._containers = dict(containers)
        self._engine = engine
        self._mask = mask

    @property
    def containers(self) -> Mapping[str, str]:
        """The engine's id of each service's container."""
        return MappingProxyType(self._containers)

    def dead(self) -> tuple[str, ...]:
        """Services that have ended since they were ready: "redis exited with exit code 1 at 12:03:04 UTC"."""
        return tuple(words for name in self.endpoints if (words := self._death(name)))

    def log_tail(self, name: str, *, lines: int = LOG_LINES) -> str:
        """The last lines of a service's log, masked."""
        return self._mask("\n".join(self._engine.log_lines(self._containers[name], tail=lines)))

    def exec(self, name: str, command: Sequence[str]) -> Executed:
        """Run a command inside a service's container, to its end."""
        return self._engine.exec(self._containers[name], command)

    def _death(self, name: str) -> str:
        try:
            state = self._engine.state(self._containers[name])
        except EngineError as error:
            return f"{name} was lost: {error.message.removesuffix('.')}"
        return "" if state.is_running else f"{name} exited {exit_words(state)}{_time_words(state)}"


@contextmanager
def running(
    specs: Sequence[ServiceSpec],
    *,
    engine: Engine,
    owner: Owner,
    mirror: str = "",
    log_directory: Path,
    report: Callable[[ServiceEvent], None],
    mask: Masker,
    guard: Guard | None = None,
) -> Iterator[RunningServices]:
    """Services that are ready inside the block and gone after it, however it is left.

    They start together, each as soon as its own image is there and what it `needs` is ready, on a network of their
    own. When the block is left, each one's log is in `log_directory/<name>.log`; containers, their anonymous volumes
    volumes and the network are removed. When the process is killed, its guard removes them.

    Args:
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
        report: Told of progress, one event at a time though from several threads.
        guard: Removes everything when this process dies; None for one of its own.

    Raises:
        ServiceError: A service ended before it was ready, or was not ready in time, or its image is not to be had.
            The others are stopped then.
    """
    block, gate = Block.of(owner), Gate()
    teller = _Teller(report, gate=gate, mask=mask)
    start = _Start(
        Launcher(engine=engine, block=block, gate=gate, mask=mask), tell=teller.tell, specs=specs, mirror=mirror
    )
    with nullcontext(guard) if guard else guarding(engine.environment) as own:
        own.cover(block.selector)
        try:
            yield start.all_ready()
        finally:
            with interrupts_held():
                gate.close()
                troubles = remove_block(block, engine=engine, log_directory=log_directory, mask=mask)
                for trouble in troubles:
                    teller.tell_trouble(trouble)
                if not troubles:
                    own.release(block.selector)


class _Teller:
    """Passes events on one at a time, and none of a start that is over."""

    def __init__(self, report: Callable[[ServiceEvent], None], *, gate: Gate, mask: Masker) -> None:
        self._report = report
        self._gate = gate
        self._mask = mask
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def tell(self, service: str, state: str, detail: str = "") -> None:
        with self._lock:
            if not self._gate.is_closed:
                self._report(self._event(service, state, detail))

    def tell_trouble(self, words: str) -> None:
        """Something could not be cleaned up."""
        with self._lock:
            self._report(self._event("", FAILED, words))

    def _event(self, service: str, state: str, detail: str) -> ServiceEvent:
        return ServiceEvent(service, state, time.monotonic() - self._began, self._mask(detail).replace("\n", " "))


class _Start:
    """One start of all services."""

    def __init__(
        self, launcher: Launcher, *, tell: Callable[..., None], specs: Sequence[ServiceSpec], mirror: str
    ) -> None:
        self._launcher = launcher
        self._tell = tell
        self._specs = tuple(specs)
        self._mirror = mirror
        self._network: Future[str] = Future()
        self._launched: dict[str, Future[Launched]] = {spec.name: Future() for spec in self._specs}
        self._endpoints: dict[str, Endpoint] = {}

    def all_ready(self) -> RunningServices:
        """All services, once each is ready; the first failure as soon as there is one."""
        _in_thread(self._network, self._create_network)
        for spec in self._specs:
            _in_thread(self._launched[spec.name], partial(self._bring_up, spec))
        outcomes: list[Future[Any]] = [self._network, *self._launched.values()]
        wait(outcomes, return_when=FIRST_EXCEPTION)
        _raise_first_failure(outcomes)
        return RunningServices(
            {spec.name: self._endpoints[spec.name] for spec in self._specs},
            containers={name: launched.result().container for name, launched in self._launched.items()},
            network=self._network.result(),
            engine=self._launcher.engine,
            mask=self._launcher.mask,
        )

    def _create_network(self) -> str:
        with self._launcher.gate.entered():
            block = self._launcher.block
            return self._launcher.engine.create_network(block.name, labels=block.labels)

    def _bring_up(self, spec: ServiceSpec) -> Launched:
        try:
            return self._launch(spec)
        except EngineError as error:
            self._tell(spec.name, FAILED, error.message)
            raise ServiceError(
                self._launcher.mask(f"Service {spec.name} ({spec.image}): {error.message}"), hint=error.hint
            ) from error
        except ServiceError as error:
            self._tell(spec.name, FAILED, error.message.partition("\n")[0])
            raise

    def _launch(self, spec: ServiceSpec) -> Launched:
        image = ensure_image(
            spec.image, engine=self._launcher.engine, mirror=self._mirror, note=partial(self._note_pull, spec.name)
        )
        self._await([self._network, *(self._launched[name] for name in spec.needs)])
        self._tell(spec.name, STARTING)
        launched = self._launcher.launch(spec, image=image, network=self._network.result())
        self._endpoints[spec.name] = self._endpoint(spec, launched, image=image)
        self._tell(spec.name, READY)
        return launched

    def _note_pull(self, service: str, words: str) -> None:
        self._launcher.gate.check()
        self._tell(service, PULLING, words)

    def _await(self, needed: Sequence[Future[Any]]) -> None:
        """Wait for what must be there first; Cancelled when it failed, which its own thread has told."""
        while wait(needed, timeout=0.05).not_done:
            self._launcher.gate.check()
        if any(future.exception() for future in needed):
            raise Cancelled

    def _endpoint(self, spec: ServiceSpec, launched: Launched, *, image: str) -> Endpoint:
        engine = self._launcher.engine
        port = launched.ports.get(spec.port, 0)
        ports = {name: launched.ports[inside] for name, inside in spec.ports.items()}
        found = engine.image(image)
        return Endpoint(
            name=spec.name,
            host=engine.host,
            port=port,
            url=service_url(spec, host=engine.host, port=port, ports=ports),
            credentials=spec.credentials,
            image=spec.image,
            digest=found.digest if found else "",
            ready_seconds=launched.seconds,
            ports=ports,
        )


def _in_thread(outcome: Future[_Outcome], work: Callable[[], _Outcome]) -> None:
    """Do the work in a thread that does not keep the process alive (a pull may hang), and hand over how it ended."""

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks for the outcome
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()


def _raise_first_failure(outcomes: Sequence[Future[Any]]) -> None:
    errors = [error for outcome in outcomes if outcome.done() and (error := outcome.exception())]
    # A service that was given up since another failed says nothing of its own.
    errors.sort(key=lambda error: isinstance(error, Cancelled))
    if errors:
        raise errors[0]


def _time_words(state: ContainerState) -> str:
    try:
        finished_at = datetime.fromisoformat(state.finished_at)
    except ValueError:
        return ""
    return f" at {finished_at:%H:%M:%S} UTC"
