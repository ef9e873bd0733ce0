"""The process that holds the services of sessions without a shard: `-m ci_itest.pytest_plugin.keeper FOLDER`.

Its standard input is the request: a document as it hands over itself, without the endpoints.
It ends them when the last pytest process that uses them has ended, however that came, and then ends itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.containers.engine import Engine
from ci_itest.containers.guard import Guard, guarding
from ci_itest.containers.leftovers import sweep
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import RunningServices, running
from ci_itest.containers.starting import ServiceEvent
from ci_itest.errors import CiItestError
from ci_itest.flows.image_cache import wishes_of_a_session
from ci_itest.flows.stock import stocked
from ci_itest.masking import Masker, masker, secrets_of
from ci_itest.model.handover import Handover
from ci_itest.model.services import ServiceSpec
from ci_itest.pytest_plugin.shared import DOCUMENT, forget, wait_until_unused, write_failure
from ci_itest.wire import decode_document, write_document

if TYPE_CHECKING:
    from ci_itest.containers.compose import ComposeFiles

IDLE_SECONDS = 12 * 3600.0


def main() -> None:
    """Hold the services that the request on the standard input asks for."""
    folder = Path(sys.argv[1])
    _write_to(folder / "keeper.log")
    request = decode_document(sys.stdin.buffer.read(), Handover, source="the request")
    try:
        _hold(folder, request)
    finally:
        forget(folder, request.token)


def _hold(folder: Path, request: Handover) -> None:
    try:
        engine = Engine.connect(os.environ)
    except CiItestError as error:
        write_failure(folder, error, is_engine=True)
        return
    try:
        _say(sweep(engine).words)
        with _running(folder, request, engine) as services:
            endpoints = tuple(services.endpoints.values())
            found = replace(request, endpoints=endpoints, containers=dict(services.containers))
            write_document(folder / DOCUMENT, found)
            wait_until_unused(folder, request.token, idle_seconds=IDLE_SECONDS)
            (folder / DOCUMENT).unlink(missing_ok=True)
    except CiItestError as error:
        write_failure(folder, error, is_engine=False)


@contextmanager
def _running(folder: Path, request: Handover, engine: Engine) -> Iterator[RunningServices]:
    """The services; empty databases that had to be made for them are kept at the end, when nobody waits any more."""
    root, specs = Path(request.root), service_specs(request.settings.services)
    mask = masker(secrets_of(os.environ))
    with ExitStack() as stack:
        guard = stack.enter_context(guarding(engine.environment))
        composition = stack.enter_context(_composition(folder, request, guard=guard, mask=mask))
        supply, preparation = stack.enter_context(
            stocked(
                wishes_of_a_session(os.environ, root=root),
                specs,
                steps=(),
                engine=engine,
                mirror=request.mirror,
                root=root,
                suite="pytest",
                say=_say,
            )
        )

        def started_from(specs: Sequence[ServiceSpec]) -> RunningServices:
            return stack.enter_context(
                running(
                    specs,
                    engine=engine,
                    owner=Owner.of_this_process(run=f"pytest-{request.token}", shard="shared"),
                    ensure=supply.ensure,
                    log_directory=folder / "logs",
                    report=_tell,
                    mask=mask,
                    guard=guard,
                    composition=composition,
                )
            )

        services = preparation.started(specs, started_from)
        yield services
        preparation.keep_first_starts(services)


@contextmanager
def _composition(folder: Path, request: Handover, *, guard: Guard, mask: Masker) -> Iterator[ComposeFiles | None]:
    """The services of the Compose files, None where the settings name none; what Compose prints goes to a log."""
    settings = request.settings.compose
    if settings is None:
        yield None
        return
    from ci_itest.containers.compose import ComposeFiles
    from ci_itest.flows.commands import log_file

    with log_file(folder / "logs" / "compose.log", mask=mask) as log:
        yield ComposeFiles(settings, root=Path(request.root), environment=os.environ, log=log.line, held=guard.group)


def _tell(event: ServiceEvent) -> None:
    _say(f"{event.seconds:.2f} {event.service} {event.state} {event.detail}")


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201 - to keeper.log


def _write_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)


if __name__ == "__main__":
    main()
