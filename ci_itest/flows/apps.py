"""The team's own servers: started together along `needs`, warmed up, and ended when the tests are over.

One that is a command runs on this machine; one that is an image, or is built, is a container beside the services.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest import process
from ci_itest.config.templates import app_values, endpoint_values, fill, names_in, unknown_name
from ci_itest.errors import AppError, CiItestError, ServiceError, SettingsError
from ci_itest.flows.app_images import BuiltImages
from ci_itest.flows.commands import LOOPBACK, Log, free_port, what_answers
from ci_itest.model.services import Endpoint, ReadyCheck, ServiceSpec
from ci_itest.model.settings import AppSettings

if TYPE_CHECKING:
    from ci_itest.containers.guard import Guard
    from ci_itest.containers.services import RunningServices

Values = Mapping[str, Mapping[str, str]]
LogOf = Callable[[str], contextlib.AbstractContextManager[Log]]

_POLL_SECONDS = 0.03
_GRACE_SECONDS = 2.0


def runs_in_container(app: AppSettings) -> bool:
    return not app.run


def check_apps(apps: Mapping[str, AppSettings]) -> None:
    """Refuse, before anything is started, apps that are written so that they cannot come up.

    Raises:
        SettingsError: One needs an app that there is not, or names one that is out of its reach.
        AppError: They wait for one another.
    """
    for name, app in apps.items():
        for key, text in app.environment.items() if runs_in_container(app) else ():
            for other in sorted(names_in(text) & apps.keys()):
                if not runs_in_container(apps[other]):
                    raise SettingsError(
                        f"App {name} is a container, and {other}, which its {key} names, runs on this machine.",
                        hint=f"A container does not reach this machine's loopback: start {other} as an image, too.",
                    )
        for needed in app.needs:
            if needed not in apps:
                raise SettingsError(
                    f"App {name} needs {needed}, which is no app.",
                    hint=f"There are: {', '.join(apps)}. Services are always up before the apps.",
                )
    try:
        TopologicalSorter({name: app.needs for name, app in apps.items()}).prepare()
    except CycleError as error:
        circle = " needs ".join(reversed(error.args[1]))
        # As with services: each of them is well written; it is their start that cannot be.
        raise AppError(f"The apps wait for one another: {circle}.", hint="Take one of these out of `needs`.") from error


@dataclass(frozen=True, slots=True)
class Host:
    """Where apps run.

    Attributes:
        root: Folder of the settings.
        environment: What every command starts from.
        templates: `[environment]` of the settings.
        log: Opens the log of the app of that name.
        services: None where none is up.
        images: Of the apps that are built.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    templates: Mapping[str, str]
    log: LogOf
    guard: Guard
    services: RunningServices | None
    images: BuiltImages


class Apps:
    """The apps of a suite: their addresses, and their life."""

    def __init__(self, apps: Mapping[str, AppSettings], host: Host) -> None:
        check_apps(apps)
        self._apps = apps
        self._host = host
        self._ports = {name: free_port() for name, app in apps.items() if not runs_in_container(app)}
        self._contained: dict[str, tuple[Endpoint, Endpoint]] = {}
        self._children: dict[str, process.Child] = {}

    def environment(self) -> dict[str, str]:
        """`[environment]` as this machine sees it; what names a container that has not been started is left out."""
        known = self._values_here()
        waiting = self._apps.keys() - known.keys()
        return {
            name: fill(template, known, where=f"[environment] {name}")
            for name, template in self._host.templates.items()
            if not names_in(template) & waiting
        }

    def urls(self) -> dict[str, str]:
        """Addresses of the apps as far as they are known, in the order of the settings."""
        known = self._values_here()
        return {name: known[name]["url"] for name in self._apps if name in known}

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        """Every app answers inside the block.

        Raises:
            AppError: One ended before its warm-up path answered, did not answer in time, or could not be started.
        """
        with contextlib.ExitStack() as stack:
            waiting: dict[str, Callable[[], bool]] = {}
            pending = dict(self._apps)
            while pending or waiting:
                for name in [name for name, app in pending.items() if not self._misses(app, pending, waiting)]:
                    waiting[name] = self._started(name, pending.pop(name), stack)
                for name in [name for name, answers in waiting.items() if answers()]:
                    del waiting[name]
                time.sleep(_POLL_SECONDS if waiting else 0)
            yield

    def dead(self) -> tuple[str, ...]:
        """Apps that have ended, beside those in containers: "app exited with exit code 1"."""
        return tuple(
            f"{name} exited with exit code {child.exit_code}"
            for name, child in self._children.items()
            if child.exit_code is not None
        )

    def _misses(self, app: AppSettings, *not_up: Mapping[str, object]) -> bool:
        return any(needed in names for needed in app.needs for names in not_up)

    def _started(self, name: str, app: AppSettings, stack: contextlib.ExitStack) -> Callable[[], bool]:
        """Start one; whether it answers, to be asked again and again."""
        if runs_in_container(app):
            return self._in_container(name, app, stack)
        return self._on_this_machine(name, app, stack)

    # As a command

    def _on_this_machine(self, name: str, app: AppSettings, stack: contextlib.ExitStack) -> Callable[[], bool]:
        directory = self._host.root / app.directory
        if not directory.is_dir():
            raise AppError(
                f"App {name}: its directory {app.directory} is not there.",
                hint="It is read from the folder of the settings; check out what is to lie there first.",
            )
        log = stack.enter_context(self._host.log(name))
        port = self._ports[name]
        child = stack.enter_context(
            process.started(
                app.run.replace("{port}", str(port)),
                directory=directory,
                environment=self._variables_here(name, app),
                line=log.line,
                grace_seconds=_GRACE_SECONDS,
            )
        )
        stack.enter_context(self._host.guard.group(child.pid))
        self._children[name] = child
        stack.callback(self._children.pop, name)
        until = time.monotonic() + app.warmup_timeout

        def answers() -> bool:
            if child.exit_code is not None:
                child.wait(1.0)
                raise AppError(
                    f"The app{_called(name)} ended with code {child.exit_code} before {app.warmup} answered. "
                    f"Its last lines:\n{log.last_lines}"
                )
            if not (seen := what_answers(f"http://{LOOPBACK}:{port}{app.warmup}")):
                return True
            if time.monotonic() >= until:
                raise AppError(
                    f"The app{_called(name)} did not answer {app.warmup} within {app.warmup_timeout:g} s; "
                    f"last seen: {seen}. Its last lines:\n{log.last_lines}",
                    hint=f"Raise warmup_timeout of the app, or look at {log_name(name)}.log in the bundle.",
                )
            return False

        return answers

    def _variables_here(self, name: str, app: AppSettings) -> dict[str, str]:
        own = self._filled(name, app.environment, self._values_here())
        return {**self._host.environment, **self.environment(), **own}

    def _values_here(self) -> dict[str, dict[str, str]]:
        services = self._host.services
        values = endpoint_values(services.endpoints if services else {})
        values |= {name: app_values(LOOPBACK, port) for name, port in self._ports.items()}
        return values | endpoint_values({name: endpoint for name, (endpoint, _) in self._contained.items()})

    # As a container

    def _in_container(self, name: str, app: AppSettings, stack: contextlib.ExitStack) -> Callable[[], bool]:
        services = self._host.services
        assert services is not None
        image = self._host.images.of(name) if app.build else ""
        outcome: Future[None] = Future()

        def start() -> None:
            try:
                held = image or services.image(app.image, of=name)
                spec = self._spec(name, app, port=app.port or _exposed_port(name, services.exposed_ports(held)))
                up = services.start(spec, image=held)
                self._contained[name] = (up.endpoint, up.inside)
                outcome.set_result(None)
            except BaseException as error:  # noqa: BLE001 - raised again where the outcome is asked for
                outcome.set_exception(error)

        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        stack.callback(self._stop, name)

        def answers() -> bool:
            if outcome.done():
                _raise_as_app(outcome.exception())
            return outcome.done()

        return answers

    def _stop(self, name: str) -> None:
        """End it before the services; one that is still starting, or that cannot be removed, goes with them."""
        if self._contained.pop(name, None) and self._host.services:
            with contextlib.suppress(CiItestError):
                self._host.services.stop(name)

    def _spec(self, name: str, app: AppSettings, *, port: int) -> ServiceSpec:
        return ServiceSpec(
            name=name,
            image=app.image or app.build,
            ready=ReadyCheck("answers", app.warmup),
            port=port,
            environment=self._variables_inside(name, app),
            command=app.command,
            url="http://{host}:{port}",
            ready_seconds=float(app.warmup_timeout),
            cpus=app.cpus,
            memory_bytes=app.memory,
            is_app=True,
        )

    def _variables_inside(self, name: str, app: AppSettings) -> dict[str, str]:
        """`[environment]` as a container sees it. What names an app of this machine is out of its reach."""
        services = self._host.services
        known = endpoint_values(services.inside if services else {})
        known |= endpoint_values({other: inside for other, (_, inside) in self._contained.items()})
        known |= {other: app_values(other, one.port) for other, one in self._apps.items() if one.port}
        out_of_reach = self._apps.keys() - known.keys()
        common = {key: text for key, text in self._host.templates.items() if not names_in(text) & out_of_reach}
        return {**self._filled("", common, known), **self._filled(name, app.environment, known)}

    def _filled(self, app: str, templates: Mapping[str, str], known: Values) -> dict[str, str]:
        where = f"[app.{app}] environment" if app else "[environment]"
        filled = {}
        for key, text in templates.items():
            if (other := unknown_name(text, known)) in self._apps:
                raise SettingsError(
                    f"{where} {key} names {other}, whose address is known only once it has started.",
                    hint=f'Add needs = ["{other}"] to the app.',
                )
            filled[key] = fill(text, known, where=f"{where} {key}")
        return filled


def log_name(app: str) -> str:
    """Of an app's log in the bundle: `app` for the only one, `app-api` for one of several."""
    return app if app == "app" else f"app-{app}"


def _called(app: str) -> str:
    return "" if app == "app" else f" {app}"


def _exposed_port(name: str, ports: Sequence[int]) -> int:
    if len(ports) != 1:
        found = f"the ports {', '.join(str(port) for port in ports)}" if ports else "no port"
        raise AppError(
            f"App {name}: its image exposes {found}, so nobody knows where it serves.",
            hint="Set `port` of the app to where it listens in its container.",
        )
    return ports[0]


def _raise_as_app(error: BaseException | None) -> None:
    if isinstance(error, ServiceError) and not isinstance(error, AppError):
        raise AppError(error.message, hint=error.hint) from error
    if error is not None:
        raise error


def container_apps(apps: Mapping[str, AppSettings]) -> Sequence[str]:
    """Names of the apps that need an engine."""
    return [name for name, app in apps.items() if runs_in_container(app)]
