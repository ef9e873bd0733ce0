"""Start one service and wait until it serves; say all there is to say when it does not."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ci_itest.containers.block import Block
from ci_itest.containers.engine import LOOPBACK, ContainerRequest, ContainerState, Engine
from ci_itest.containers.gate import Gate
from ci_itest.containers.known_images import ADDRESS
from ci_itest.containers.readiness import check_words, probe_for
from ci_itest.errors import EngineError, ServiceError
from ci_itest.masking import Masker
from ci_itest.model.services import ReadyCheck, ServiceSpec
from ci_itest.waiting import DeadlinePassed, wait_until

_LOG_LINES = 20
"""Last lines of a service's log that an error shows."""

_ASK_SECONDS, _SLOWEST_ASK_SECONDS = 0.02, 0.05
_SLOWEST_COMMAND_SECONDS = 0.15
"""Commands, logs and health are asked of the engine, which starts a process for each command: up to 0.1 s of processor
time, taken from the very server that is to get ready."""
_ASKED_OF_THE_ENGINE = ("command", "log", "healthcheck")
_LOOK_SECONDS = 0.15  # between two looks at whether a container that does not serve yet still runs
_PORT_ATTEMPTS = 5
_TAKEN_PORT = re.compile(r"(\d+(?:\.\d+){3}:\d+)\b.*already (?:allocated|in use)")


@dataclass(frozen=True, slots=True)
class Launched:
    """A service that serves.

    Attributes:
        ports: Port inside, to the published one.
        seconds: From the request to start it.
    """

    container: str
    ports: Mapping[int, int]
    seconds: float


def free_port() -> int:
    """A port of loopback that the kernel holds for free right now."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        return int(listening.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Launcher:
    """What every service of a block is started with.

    Attributes:
        choose_port: Gives a port of this machine that is free, for a service that must know its own beforehand.
    """

    engine: Engine
    block: Block
    gate: Gate
    mask: Masker
    choose_port: Callable[[], int] = free_port

    def launch(self, spec: ServiceSpec, *, image: str, network: str) -> Launched:
        """Start the service and wait until it serves.

        Raises:
            ServiceError: The engine does not start it; or it ended before, or did not serve in time, with the last
                lines of its log.
            Cancelled: The gate was closed meanwhile.
        """
        began = time.monotonic()
        with self.naming(spec):
            with self.gate.entered():
                container = self._run(spec, image=image, network=network)
            ports = self.await_ready(spec, container, deadline=began + spec.ready_seconds)
        return Launched(container, ports, time.monotonic() - began)

    def resume(self, spec: ServiceSpec, container: str) -> None:
        """Start a container that was stopped and wait until it serves; raises as `launch`."""
        with self.naming(spec):
            with self.gate.entered():
                self.engine.start_container(container)
            self.await_ready(spec, container, deadline=time.monotonic() + spec.ready_seconds)

    @contextmanager
    def naming(self, spec: ServiceSpec) -> Iterator[None]:
        """What the engine refuses, with the service it concerns: a ServiceError."""
        try:
            yield
        except EngineError as error:
            address = _taken_port(error)
            words = f"Port {address} of this machine is taken by another program." if address else error.message
            hint = "Run it again: another port is chosen then." if address else error.hint
            raise ServiceError(self.mask(f"{spec.title} ({spec.image}): {words}"), hint=hint) from error

    def _run(self, spec: ServiceSpec, *, image: str, network: str) -> str:
        attempt = 1
        while True:
            try:
                return self.engine.run_container(self._request(spec, image=image, network=network))
            except EngineError as error:
                # A port that we had to choose ourselves may have been taken in between.
                chose = spec.keeps_port or _names_its_address(spec)
                if attempt == _PORT_ATTEMPTS or not (chose and _taken_port(error)):
                    raise
            attempt += 1

    def _request(self, spec: ServiceSpec, *, image: str, network: str) -> ContainerRequest:
        inside = [port for port in (spec.port, *spec.ports.values()) if port]
        ports = {port: self.choose_port() if spec.keeps_port else 0 for port in inside}
        environment = spec.environment
        if _names_its_address(spec):
            ports[spec.port] = self.choose_port()
            address = f"{self.engine.host}:{ports[spec.port]}"
            environment = {name: value.replace(ADDRESS, address) for name, value in environment.items()}
        return ContainerRequest(
            name=f"{self.block.name}-{spec.name}",
            image=image,
            labels=self.block.labels_of(spec),
            network=network,
            alias=spec.name,
            environment=environment,
            command=spec.command,
            tmpfs=spec.tmpfs,
            ports=ports,
            cpus=spec.cpus,
            memory_bytes=spec.memory_bytes,
        )

    def await_ready(self, spec: ServiceSpec, container: str, *, deadline: float) -> Mapping[int, int]:
        """The published ports, once the service serves."""
        state = self._running_state(spec, container, last_seen="nothing yet")
        probe = probe_for(
            spec,
            engine=self.engine,
            container=container,
            host=self.engine.host,
            port=state.ports.get(spec.port, 0),
        )
        looked_at = time.monotonic()

        def check() -> str:
            nonlocal looked_at
            self.gate.check()
            seen = probe()
            if seen and time.monotonic() - looked_at >= _LOOK_SECONDS:
                self._running_state(spec, container, last_seen=seen)
                looked_at = time.monotonic()
            return seen

        try:
            wait_until(
                check,
                within_seconds=deadline - time.monotonic(),
                every_seconds=_ASK_SECONDS,
                slowest_seconds=_slowest_ask_seconds(spec.ready),
            )
        except DeadlinePassed as passed:
            what = f"was not ready within {spec.ready_seconds:g} s"
            raise self.failure(spec, container, what, last_seen=passed.last_seen) from passed
        return state.ports

    def _running_state(self, spec: ServiceSpec, container: str, *, last_seen: str) -> ContainerState:
        state = self.engine.state(container)
        if not state.is_running:
            what = f"exited before it was ready, {exit_words(state)}"
            raise self.failure(spec, container, what, last_seen=last_seen)
        return state

    def failure(self, spec: ServiceSpec, container: str, what: str, *, last_seen: str) -> ServiceError:
        """The error of a service that did not get ready, with the end of its log."""
        lines = list(self.engine.log_lines(container, tail=_LOG_LINES)) or ["(it wrote nothing)"]
        log = "\n".join(f"    {line}" for line in lines)
        return ServiceError(
            self.mask(
                f"{spec.title} ({spec.image}) {what}.\n"
                f"  waited for: {check_words(spec.ready)}\n"
                f"  last seen: {last_seen}\n"
                f"  its last log lines:\n{log}"
            )
        )


def _slowest_ask_seconds(check: ReadyCheck) -> float:
    return _SLOWEST_COMMAND_SECONDS if check.kind in _ASKED_OF_THE_ENGINE else _SLOWEST_ASK_SECONDS


def exit_words(state: ContainerState) -> str:
    """How a container ended: "with exit code 137, killed for using too much memory"."""
    memory = ", killed for using too much memory" if state.is_out_of_memory else ""
    return f"with exit code {state.exit_code}{memory}"


def _names_its_address(spec: ServiceSpec) -> bool:
    return bool(spec.port) and any(ADDRESS in value for value in spec.environment.values())


def _taken_port(error: EngineError) -> str:
    """The address that the engine could not publish since somebody has it; "" when it refuses for another reason."""
    found = _TAKEN_PORT.search(error.message)
    return found[1] if found else ""
