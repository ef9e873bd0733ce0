"""One start of all services of a shard: each in a thread of its own, along `needs`, the first failure ending it all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from ci_itest.containers.gate import Cancelled, Gate
from ci_itest.containers.launch import Launched, Launcher
from ci_itest.containers.presets import service_url
from ci_itest.errors import ServiceError
from ci_itest.masking import Masker
from ci_itest.model.services import Endpoint, ServiceSpec

PULLING, STARTING, READY, FAILED = "pulling", "starting", "ready", "failed"

Ensure = Callable[[str, Callable[[str], None]], str]
"""Gets an image onto the engine, telling how far it is; the name to start it by."""

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


@dataclass(frozen=True, slots=True)
class UpService:
    """A service that serves.

    Attributes:
        endpoint: As this machine reaches it.
        inside: As containers on its network reach it.
        is_finished: Whether it had something to do and has done it (a one-shot service of a Compose file).
    """

    container: str
    endpoint: Endpoint
    inside: Endpoint
    is_finished: bool = False


class Composition(Protocol):
    """Services that somebody else describes and starts, beside ours on the same network."""

    def up(
        self, launcher: Launcher, *, fetch: Callable[[str, str], str], tell: Callable[..., None]
    ) -> Sequence[UpService]:
        """Start them all and wait until they serve.

        Args:
            fetch: Service and image, to the name to start it by, which the engine holds then.
            tell: Gets name, state and detail of each service.

        Raises:
            ServiceError: One of them does not, or what describes them is wrong.
            Cancelled: The gate was closed meanwhile.
        """
        ...


class Teller:
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


class Start:
    """One start of all services."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        tell: Callable[..., None],
        specs: Sequence[ServiceSpec],
        ensure: Ensure,
        composition: Composition | None,
    ) -> None:
        self._launcher = launcher
        self._tell = tell
        self._specs = tuple(specs)
        self._ensure = ensure
        self._network: Future[str] = Future()
        self._composition = composition
        self._composed: Future[Sequence[UpService]] = Future()
        self._up: dict[str, Future[UpService]] = {spec.name: Future() for spec in self._specs}

    def all_ready(self) -> tuple[Sequence[UpService], str]:
        """All services, once each is ready, and their network; the first failure as soon as there is one."""
        _in_thread(self._network, self._create_network)
        _in_thread(self._composed, self._compose)
        for spec in self._specs:
            _in_thread(self._up[spec.name], partial(self.one, spec, ""))
        outcomes: list[Future[Any]] = [self._network, self._composed, *self._up.values()]
        wait(outcomes, return_when=FIRST_EXCEPTION)
        _raise_first_failure(outcomes)
        return [*(up.result() for up in self._up.values()), *self._composed.result()], self._network.result()

    def _compose(self) -> Sequence[UpService]:
        if self._composition is None:
            return ()
        self._await([self._network])
        return self._composition.up(self._launcher, fetch=self.image, tell=self._tell)

    def _create_network(self) -> str:
        with self._launcher.gate.entered():
            block = self._launcher.block
            return self._launcher.engine.create_network(block.name, labels=block.labels)

    def one(self, spec: ServiceSpec, image: str) -> UpService:
        """A service, once it is ready; from an image that is there already, or from the one it names."""
        try:
            with self._launcher.naming(spec):
                return self._launch(spec, image)
        except ServiceError as error:
            self._tell(spec.name, FAILED, error.message.partition("\n")[0])
            raise

    def _launch(self, spec: ServiceSpec, image: str) -> UpService:
        image = image or spec.prepared or self.image(spec.name, spec.image)
        self._await([self._network, *(self._up[name] for name in spec.needs)])
        self._tell(spec.name, STARTING)
        launched = self._launcher.launch(spec, image=image, network=self._network.result())
        found = self._launcher.engine.image(image)
        digest = spec.prepared_from or (found.digest if found else "")
        up = up_service(spec, launched, host=self._launcher.engine.host, digest=digest)
        self._tell(spec.name, READY)
        return up

    def resumed(self, name: str, container: str) -> None:
        """Start a container again that was stopped, and return when its service serves."""
        self._launcher.resume(next(spec for spec in self._specs if spec.name == name), container)

    def image(self, service: str, name: str) -> str:
        """What to start a service's image by, on the engine now."""
        return self._ensure(name, partial(self._note_pull, service))

    def _note_pull(self, service: str, words: str) -> None:
        self._launcher.gate.check()
        self._tell(service, PULLING, words)

    def _await(self, needed: Sequence[Future[Any]]) -> None:
        """Wait for what must be there first; Cancelled when it failed, which its own thread has told."""
        while wait(needed, timeout=0.05).not_done:
            self._launcher.gate.check()
        if any(future.exception() for future in needed):
            raise Cancelled


def up_service(spec: ServiceSpec, launched: Launched, *, host: str, digest: str) -> UpService:
    """Where a service is reached from this machine, and from its network."""

    def endpoint(host: str, port: int, ports: Mapping[str, int]) -> Endpoint:
        return Endpoint(
            name=spec.name,
            host=host,
            port=port,
            url=service_url(spec, host=host, port=port, ports=ports),
            credentials=spec.credentials,
            image=spec.image,
            digest=digest,
            ready_seconds=launched.seconds,
            ports=ports,
        )

    published = {name: launched.ports[inside] for name, inside in spec.ports.items()}
    return UpService(
        launched.container,
        endpoint(host, launched.ports.get(spec.port, 0), published),
        endpoint(spec.name, spec.network_port or spec.port, spec.ports),
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
