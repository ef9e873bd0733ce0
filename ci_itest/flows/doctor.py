"""Whether everything a run needs is there, looked at one by one without starting anything."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ci_itest.containers.compose import compose_program
from ci_itest.containers.engine import Engine
from ci_itest.containers.image_names import mirrored
from ci_itest.containers.presets import service_specs
from ci_itest.errors import CiItestError, ExitCode, NothingToRunError
from ci_itest.flows.apps import check_apps
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Runner, ShardRequest

_LEAST_FREE_BYTES = 2 * 1024**3
_SHELL_WORDS = frozenset({"cd", "exec", "export", "if", "for", "set", "source", ".", "test", "true", "echo", "while"})


class Level(StrEnum):
    """How a finding is meant: as it should be, to be known, or in the way of a run."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        hint: What to do, "" when there is nothing to do.
        exit_code: What a run would end with because of it.
    """

    level: Level
    words: str
    hint: str = ""
    exit_code: ExitCode = ExitCode.OK


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at.

    Attributes:
        top: Folder of the repository.
        connect: To the Docker engine; EngineError when there is none.
        mirror: Registry in place of Docker Hub, "" for itself.
        credentials: Where those for GitHub come from, "" when there are none.
    """

    suites: Mapping[str, SuiteSettings]
    root: Path
    top: Path
    environment: Mapping[str, str]
    connect: Callable[[], Engine]
    runner_named: Callable[[str], Runner]
    mirror: str = ""
    credentials: str = ""


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings as they come: suites with their runners, services and images, commands, workflow, credentials, disk."""
    for name, suite in patient.suites.items():
        yield from _suite(patient, name, suite)
    yield from _services(patient)
    yield from _workflow(patient.top)
    if patient.credentials:
        yield Finding(Level.OK, f"credentials for GitHub: {patient.credentials}")
    else:
        yield Finding(
            Level.NOTE,
            "no credentials for GitHub: shards of CI cannot be replayed here",
            hint="Log in with `gh auth login`, or set GH_TOKEN.",
        )
    yield _disk(patient.root)


def _suite(patient: Patient, name: str, suite: SuiteSettings) -> Iterator[Finding]:
    of = "" if len(patient.suites) == 1 else f"suite {name}: "
    runner = patient.runner_named(suite.runner)
    try:
        files = runner.list_files(suite, root=patient.root, suite=name)
        if not files:
            raise NothingToRunError(
                f"No test file was found in {', '.join(suite.tests)}.",
                hint="Point `tests` at the folders of your integration tests.",
            )
        cases = sum(runner.count_cases(patient.root / file) for file in files)
        shown = f", about {cases} tests" if cases else ""
        yield Finding(Level.OK, f"{of}{len(files)} file{'s' if len(files) > 1 else ''} for {suite.runner}{shown}")
        yield _installed(patient, name, suite, runner, files, of)
        environment = runner.tool_environment(suite, root=patient.root, environment=patient.environment)
        yield from _commands(suite, environment, of)
    except CiItestError as error:
        yield _bad(error, of)


def _installed(
    patient: Patient, name: str, suite: SuiteSettings, runner: Runner, files: tuple[str, ...], of: str
) -> Finding:
    """What the runner says when it is asked how it would start."""
    with tempfile.TemporaryDirectory(prefix="ci-itest-doctor-") as folder:
        request = ShardRequest(
            suite=name,
            settings=suite,
            root=patient.root,
            index=1,
            count=1,
            files=files,
            planned=files,
            results=Path(folder),
            environment=patient.environment,
            scratch=Path(folder),
        )
        launch = runner.launch(request)
    versions = ", ".join(f"{tool} {version}" for tool, version in launch.versions[:4])
    if launch.note:
        return Finding(Level.NOTE, f"{of}{launch.note}")
    return Finding(Level.OK, f"{of}{suite.runner} is installed{f': {versions}' if versions else ''}")


def _commands(suite: SuiteSettings, environment: Mapping[str, str], of: str) -> Iterator[Finding]:
    """The programs that build, prepare and apps start with."""
    built = [("[build]", suite.build.run)] if suite.build and suite.build.run else []
    prepared = [("[[prepare]]", step.run) for step in suite.prepare]
    served = [(f"[app] {name}", app.run) for name, app in suite.all_apps.items() if app.run]
    for where, command in (*built, *prepared, *served):
        program = _program(command)
        if program and shutil.which(program, path=environment.get("PATH")) is None and not Path(program).exists():
            yield Finding(
                Level.BAD,
                f"{of}{where} runs `{command}`, and there is no {program} on the PATH of the tests' environment",
                hint="Install what it belongs to where your tests' requirements are.",
                exit_code=ExitCode.SERVICES,
            )


def _program(command: str) -> str:
    """The first program of a shell command, "" when that takes a shell to tell."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    words = [word for word in words if "=" not in word or "/" in word.partition("=")[0]]
    first = words[0] if words else ""
    return "" if first in _SHELL_WORDS or any(letter in first for letter in "$`;&|(){}<>*") else first


def _services(patient: Patient) -> Iterator[Finding]:
    wanted: dict[str, str] = {}
    uses_compose = False
    for suite in patient.suites.values():
        try:
            check_apps(suite.all_apps)
            wanted |= {spec.name: spec.image for spec in service_specs(suite.services)}
            wanted |= {f"app {name}": app.image for name, app in suite.all_apps.items() if app.image}
        except CiItestError as error:
            yield _bad(error)
        uses_compose = uses_compose or bool(suite.compose)
    if not wanted and not uses_compose:
        yield Finding(Level.OK, "no services in containers: no Docker engine is needed")
        return
    try:
        engine = patient.connect()
    except CiItestError as error:
        yield _bad(error)
        return
    try:
        yield from _engine(engine, wanted, patient, uses_compose=uses_compose)
    finally:
        engine.close()


def _engine(engine: Engine, wanted: Mapping[str, str], patient: Patient, *, uses_compose: bool) -> Iterator[Finding]:
    info = engine.info()
    yield Finding(Level.OK, f"Docker engine {info.version} ({info.system}/{info.architecture})")
    for name, image in wanted.items():
        pulled = mirrored(image, mirror=patient.mirror) or image
        found = engine.image(image) or engine.image(pulled)
        if found is None:
            yield Finding(Level.NOTE, f"{name}: {pulled} is not here yet; the first run pulls it")
        elif found.architecture and found.architecture != info.architecture:
            yield Finding(
                Level.NOTE,
                f"{name}: {image} is here for {found.architecture}; the engine is {info.architecture}, it is emulated",
                hint=f"docker pull --platform {info.system}/{info.architecture} {image}",
            )
        else:
            yield Finding(Level.OK, f"{name}: {image} is here")
    if uses_compose:
        try:
            yield Finding(Level.OK, f"Compose: {' '.join(compose_program(patient.environment, engine=engine))}")
        except CiItestError as error:
            yield _bad(error)


def _workflow(top: Path) -> Iterator[Finding]:
    folder = top / ".github" / "workflows"
    texts = {file.name: file.read_text(errors="replace") for file in sorted(folder.glob("*.y*ml"))}
    ours = {name: text for name, text in texts.items() if "ci-itest/ci-itest" in text}
    if not ours:
        yield Finding(Level.NOTE, "no workflow uses ci-itest", hint="`ci-itest init` writes one for a new repository.")
    for name, text in ours.items():
        yield from _triggers(name, text)


def _triggers(name: str, text: str) -> Iterator[Finding]:
    """What keeps a required check from being told, or the history from learning; by the text alone."""
    head = text.partition("\njobs:")[0]
    is_called = "workflow_run" in head or "workflow_call" in head
    trouble = []
    if "paths:" in head or "paths-ignore:" in head:
        trouble.append(("is filtered by paths: where it does not start, a required check waits for ever", "bypass"))
    if "pull_request_target" in head:
        trouble.append(("runs on pull_request_target, with rights that a stranger's code must not have", "security"))
    if "push" not in head and not is_called:
        trouble.append(("does not run on pushes to the default branch: the history learns nothing", "workflows"))
    if "mode: report" in text and "always()" not in text:
        trouble.append(("has no `if: always()` at its report job: a failed shard would skip the verdict", "workflows"))
    for words, page in trouble:
        yield Finding(Level.NOTE, f"{name} {words}", hint=f"See docs/{page}.md.")
    if not trouble:
        yield Finding(Level.OK, f"{name} uses ci-itest")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    words = f"{free / 1024**3:.0f} GiB of disk are free"
    if free >= _LEAST_FREE_BYTES:
        return Finding(Level.OK, words)
    return Finding(Level.NOTE, words, hint="Images and databases need room: `docker system df` shows what takes it.")


def _bad(error: CiItestError, of: str = "") -> Finding:
    return Finding(Level.BAD, f"{of}{error.message}", hint=error.hint, exit_code=error.exit_code)
