"""A shard's services, up for the length of a block: started together, awaited by protocol, and gone afterwards.

Every engine object is made in a thread of ours, behind a gate. An interrupt reaches the main thread alone, so a
creation under way is always seen to its end, and the clean-up closes the gate before it looks for what there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from ci_itest.containers.block import SERVICE_LABEL, Block
from ci_itest.containers.engine import ContainerState, Engine, Executed, Held
from ci_itest.containers.gate import Gate
from ci_itest.containers.guard import Guard, guarding
from ci_itest.containers.images import ensure_image
from ci_itest.containers.interrupts import interrupts_held
from ci_itest.containers.launch import Launcher, exit_words
from ci_itest.containers.owner import Owner
from ci_itest.containers.removal import keep_log_and_remove, remove_block
from ci_itest.containers.starting import Composition, Ensure, ServiceEvent, Start, Teller, UpService
from ci_itest.errors import EngineError
from ci_itest.masking import Masker
from ci_itest.model.services import ServiceSpec

_TOLD_TO_END = (0, 128 + 9, 128 + 15)
"""Exit codes of a server that somebody stopped: by its own good end, by SIGKILL or by SIGTERM."""
_SHUTDOWN_SECONDS, _SHUTDOWN_POLL_SECONDS = 5.0, 0.05


class RunningServices:
    """The services of a shard while they are up; made by `running`. May be used from many threads.

    Attributes:
        endpoints: By service, in the order of the settings; those of a Compose file after them.
        inside: The same as containers on their network reach them: by name, on the port inside.
        network: The engine's id of the network they share.
    """

    def __init__(
        self,
        up: Sequence[UpService],
        *,
        network: str,
        launch: Callable[[ServiceSpec, str], UpService],
        fetch: Callable[[str, str], str],
        resume: Callable[[str, str], None],
        engine: Engine,
        log_directory: Path,
        mask: Masker,
    ) -> None:
        self.endpoints = MappingProxyType({one.endpoint.name: one.endpoint for one in up})
        self.inside = MappingProxyType({one.inside.name: one.inside for one in up})
        self.network = network
        self._containers = {one.endpoint.name: one.container for one in up}
        self._finished = frozenset(one.endpoint.name for one in up if one.is_finished)
        self._launch = launch
        self._fetch = fetch
        self._resume = resume
        self._engine = engine
        self._log_directory = log_directory
        self._mask = mask

    @property
    def containers(self) -> Mapping[str, str]:
        """The engine's id of each service's container."""
        return MappingProxyType(self._containers)

    def start(self, spec: ServiceSpec, *, image: str = "") -> UpService:
        """Start one more container beside the services and wait until it serves; it goes when they go.

        Args:
            image: What to start it from, which the engine holds; "" for what the spec names, from wherever it is.

        Raises:
            ServiceError: As from `running`.
        """
        up = self._launch(spec, image)
        self._containers[spec.name] = up.container
        return up

    def image(self, name: str, *, of: str) -> str:
        """The name to start an image by, which the engine holds afterwards; EngineError when it is not to be had.

        Args:
            of: Whose image it is, for the progress.
        """
        return self._fetch(of, name)

    def exposed_ports(self, image: str) -> tuple[int, ...]:
        """TCP ports that an image on the engine exposes."""
        found = self._engine.image(image)
        return found.ports if found else ()

    @contextmanager
    def paused(self, name: str) -> Iterator[str]:
        """The container of a service whose server has ended cleanly; it serves again after the block.

        Raises:
            ServiceError: It does not serve again.
        """
        container = self._containers[name]
        self._engine.stop_container(container)
        try:
            yield container
        finally:
            self._resume(name, container)

    def stop(self, name: str, *, keeps_log: bool = True) -> None:
        """Remove what `start` started, its log written as at the end."""
        container = self._containers.pop(name)
        if not keeps_log:
            self._engine.remove_container(container)
            return
        keep_log_and_remove(self._engine, self._log_directory, self._mask, Held(container, {SERVICE_LABEL: name}))

    def dead(self) -> tuple[str, ...]:
        """Services that have ended since they were ready: "redis exited with exit code 1 at 12:03:04 UTC"."""
        return tuple(words for name, state in self._states() if (words := _death(name, state)))

    def lost(self) -> tuple[str, ...]:
        """Services of which the engine tells nothing any more: "redis was lost: Cannot look at a container: …".

        An engine that shuts down ends its containers first and answers a little longer. So where one has ended as if
        told to, this waits for a few seconds to see whether the engine goes too.
        """
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while _may_go_down([state for _, state in self._states()]) and time.monotonic() < deadline:
            time.sleep(_SHUTDOWN_POLL_SECONDS)
        return tuple(_death(name, state) for name, state in self._states() if isinstance(state, EngineError))

    def exec(self, name: str, command: Sequence[str]) -> Executed:
        """Run a command inside a service's container, to its end."""
        return self._engine.exec(self._containers[name], command)

    def _states(self) -> Iterator[tuple[str, ContainerState | EngineError]]:
        """How each service is that has not done what it had to do, or why the engine does not tell."""
        for name, container in self._containers.items():
            if name in self._finished:
                continue
            try:
                yield name, self._engine.state(container)
            except EngineError as error:
                yield name, error


def _death(name: str, state: ContainerState | EngineError) -> str:
    if isinstance(state, EngineError):
        return f"{name} was lost: {state.message.removesuffix('.')}"
    return "" if state.is_running else f"{name} exited {exit_words(state)}{_time_words(state)}"


def _may_go_down(states: Sequence[ContainerState | EngineError]) -> bool:
    """Whether an engine that still tells of all services has ended one, as it does before it goes."""
    told = [state for state in states if isinstance(state, ContainerState)]
    return len(told) == len(states) and any(
        not state.is_running and not state.is_out_of_memory and state.exit_code in _TOLD_TO_END for state in told
    )


@contextmanager
def running(
    specs: Sequence[ServiceSpec],
    *,
    engine: Engine,
    owner: Owner,
    mirror: str = "",
    ensure: Ensure | None = None,
    log_directory: Path,
    report: Callable[[ServiceEvent], None],
    mask: Masker,
    guard: Guard | None = None,
    composition: Composition | None = None,
) -> Iterator[RunningServices]:
    """Services that are ready inside the block and gone after it, however it is left.

    They start together, each as soon as its own image is there and what it `needs` is ready, on a network of their
    own. When the block is left, each one's log is in `log_directory/<name>.log`; containers, their anonymous
    volumes and the network are removed. When the process is killed, its guard removes them.

    Args:
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
        ensure: Gets an image onto the engine and gives the name to start it by; None to pull it, from the mirror
            where there is one.
        report: Told of progress, one event at a time though from several threads.
        guard: Removes everything when this process dies; None for one of its own.
        composition: Further services, of a Compose file.

    Raises:
        ServiceError: A service ended before it was ready, or was not ready in time, or its image is not to be had.
            The others are stopped then.
    """
    with ExitStack() as stack:
        held = _Held(Block.of(owner), engine=engine, log_directory=log_directory, report=report, mask=mask)
        own = guard or stack.enter_context(guarding(engine.environment))
        own.cover(held.block.selector)
        try:
            yield held.start(specs, ensure=ensure or _pulling(engine, mirror), composition=composition)
        finally:
            if held.remove():
                own.release(held.block.selector)


@contextmanager
def staying(
    specs: Sequence[ServiceSpec],
    *,
    engine: Engine,
    block: Block,
    ensure: Ensure,
    log_directory: Path,
    report: Callable[[ServiceEvent], None],
    mask: Masker,
    guard: Guard,
    composition: Composition | None = None,
) -> Iterator[RunningServices]:
    """Services that are ready inside the block and stay after it; none does when it ends badly, or we die inside it.

    Args:
        block: What finds them again.

    Raises:
        ServiceError: As from `running`.
    """
    held = _Held(block, engine=engine, log_directory=log_directory, report=report, mask=mask)
    guard.cover(block.selector)
    try:
        yield held.start(specs, ensure=ensure, composition=composition)
    except BaseException:
        if held.remove():
            guard.release(block.selector)
        raise
    guard.release(block.selector)


class _Held:
    """A block of services in the hands of this process."""

    def __init__(
        self,
        block: Block,
        *,
        engine: Engine,
        log_directory: Path,
        report: Callable[[ServiceEvent], None],
        mask: Masker,
    ) -> None:
        self.block = block
        self._engine = engine
        self._log_directory = log_directory
        self._mask = mask
        self._gate = Gate()
        self._teller = Teller(report, gate=self._gate, mask=mask)

    def start(
        self, specs: Sequence[ServiceSpec], *, ensure: Ensure, composition: Composition | None
    ) -> RunningServices:
        """All of them, once each is ready."""
        launcher = Launcher(engine=self._engine, block=self.block, gate=self._gate, mask=self._mask)
        start = Start(launcher, tell=self._teller.tell, specs=specs, ensure=ensure, composition=composition)
        up, network = start.all_ready()
        return RunningServices(
            up,
            network=network,
            launch=start.one,
            fetch=start.image,
            resume=start.resumed,
            engine=self._engine,
            log_directory=self._log_directory,
            mask=self._mask,
        )

    def remove(self) -> bool:
        """Stop what is being started and remove everything; whether that went without trouble."""
        with interrupts_held():
            self._gate.close()
            troubles = remove_block(self.block, engine=self._engine, log_directory=self._log_directory, mask=self._mask)
            for trouble in troubles:
                self._teller.tell_trouble(trouble)
        return not troubles


def _pulling(engine: Engine, mirror: str) -> Ensure:
    return lambda name, note: ensure_image(name, engine=engine, mirror=mirror, note=note)


def _time_words(state: ContainerState) -> str:
    try:
        finished_at = datetime.fromisoformat(state.finished_at)
    except ValueError:
        return ""
    return f" at {finished_at:%H:%M:%S} UTC"
