"""One shard from services to clean-up, in one process: services → prepare → app → tests → logs → clean-up.

Whatever happens, a bundle is left that says how far it got; whatever happens, the containers are gone afterwards.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ci_itest
from ci_itest.containers.guard import guarding
from ci_itest.errors import AppError, BuildError, CiItestError, ExitCode, PrepareError, ServiceError
from ci_itest.flows.app_images import BuiltImages, building
from ci_itest.flows.apps import Apps, Host, check_apps, container_apps, log_name
from ci_itest.flows.builds import build, build_environment
from ci_itest.flows.bundles import with_results, write_shard
from ci_itest.flows.commands import Log, log_file, prepare
from ci_itest.flows.fixing import fixes_of_shard, try_fixes
from ci_itest.flows.handover import handed_over, prepared_copies
from ci_itest.flows.masked_files import mask_files
from ci_itest.flows.merge import case_results
from ci_itest.flows.service_slices import service_logs, service_slices
from ci_itest.flows.service_tails import service_tails
from ci_itest.flows.shard_jobs import ShardJob, blank_result, request_of, with_needed_services
from ci_itest.flows.snapshots import Preparation
from ci_itest.flows.stock import stocked
from ci_itest.flows.surroundings import surroundings_of
from ci_itest.flows.testing import Tested, Watch, run_tests
from ci_itest.junit.writer import junit_xml
from ci_itest.masking import Masker, masker, secrets_of
from ci_itest.model.cases import Verdict
from ci_itest.model.fixes import FixAttempt
from ci_itest.model.progress import Step
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import PhaseTime, ServiceTime, ShardResult, ShardState, StopReason
from ci_itest.model.services import Endpoint, ServiceSpec
from ci_itest.runners.base import RUNNERS_FILES, Launch, Runner, ShardRequest
from ci_itest.wire import write_document, write_whole

if TYPE_CHECKING:
    from ci_itest.containers.compose import ComposeFiles
    from ci_itest.containers.engine import Engine
    from ci_itest.containers.services import RunningServices
    from ci_itest.containers.starting import ServiceEvent

RESET_VARIABLE = "CI_ITEST_RESET_SQL"
"""Names, for prepare and tests in any language, the file that installs the reset of a PostgreSQL database."""

RESET_SQL = Path(ci_itest.__file__).parent / "pytest_plugin" / "databases" / "postgres_reset.sql"

Report = Callable[[Step], None]
Fresh = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """The real clients, made by the caller.

    Attributes:
        connect: Reaches the Docker engine; called only when the suite has services.
        now: The time, UTC ISO 8601.
        instead: Takes the place of the tests, with everything up and the environment filled in; its exit code.
        hold: Called after the tests, while everything is still up.
        probing: Takes the place of app and tests, with a way to have the services' data as prepare left it and a new
            app, as often as it is entered; its exit code.
    """

    connect: Callable[[], Engine]
    runner: Runner
    report: Report
    now: Callable[[], str]
    instead: Callable[[ShardRequest], int] | None = None
    hold: Callable[[ShardRequest], None] | None = None
    probing: Callable[[ShardRequest, Fresh], int] | None = None


def run_shard(job: ShardJob, tools: Tools) -> ShardResult:
    """Run the shard and leave its bundle; the result says how it ended, an error a user can meet included."""
    job = with_needed_services(job)
    write_shard(job.folder, blank_result(job, started_at=tools.now()))
    return _Run(job, tools).through_all_phases()


def exit_code_of(result: ShardResult, verdicts: Mapping[Verdict, int]) -> ExitCode:
    """What the shard's process ends with: it colours one job, the report job alone decides on the run."""
    if result.stop_reason in (StopReason.BUILD, StopReason.SERVICES, StopReason.PREPARE, StopReason.APP):
        return ExitCode.SERVICES
    if result.stop_reason is StopReason.RUNNER:
        return ExitCode.USAGE
    if result.stop_reason is not StopReason.NONE or verdicts.get(Verdict.MISSING):
        return ExitCode.INCOMPLETE
    return ExitCode.TESTS_FAILED if verdicts.get(Verdict.FAILED) else ExitCode.OK


class _Run:
    """The phases of one shard, and what they have noted so far."""

    def __init__(self, job: ShardJob, tools: Tools) -> None:
        self._job = job
        self._tools = tools
        self._phases: list[PhaseTime] = []
        self._services: tuple[ServiceTime, ...] = ()
        self._phase_began = time.monotonic()
        self._asked_for: dict[str, float] = {}
        self._notes: list[str] = []
        self._dead: list[str] = []
        self._fixes: tuple[FixAttempt, ...] = ()
        self._mask: Masker = masker(secrets_of(job.environment))
        self._versions: tuple[tuple[str, str], ...] = ()
        self._request = request_of(job, tools.runner, at=tools.now())
        self._blank = blank_result(job, started_at=tools.now())
        self._preparation = Preparation(job.settings.prepare)

    def through_all_phases(self) -> ShardResult:
        start = time.monotonic()
        self._note_progress()
        tested = self._tested()
        result = replace(
            self._so_far(),
            state=ShardState.FINISHED,
            stop_reason=tested.stop_reason,
            message=self._mask(tested.message),
            runner_exit=tested.exit_code,
            seconds=time.monotonic() - start,
        )
        return self._leave_bundle(result)

    def _so_far(self) -> ShardResult:
        return replace(
            self._blank,
            workers=self._request.workers,
            phases=tuple(self._phases),
            services=self._services,
            notes=tuple(self._notes),
            fixes=self._fixes,
        )

    def _note_progress(self) -> None:
        """Leave what a replay needs before the shard can be killed, not only after."""
        write_document(self._job.folder.environment, self._surroundings())
        write_shard(self._job.folder, self._so_far())

    def _tested(self) -> Tested:
        """The phases up to the clean-up; every error a user can meet becomes the reason the shard stopped."""
        try:
            self._build()
            return self._with_services()
        except KeyboardInterrupt:
            return Tested(stop_reason=StopReason.CANCELLED, message="The job was cancelled.")
        except BuildError as error:
            return Tested(stop_reason=StopReason.BUILD, message=str(error))
        except PrepareError as error:
            return Tested(stop_reason=StopReason.PREPARE, message=str(error))
        except AppError as error:
            return Tested(stop_reason=StopReason.APP, message=str(error))
        except ServiceError as error:
            return Tested(stop_reason=StopReason.SERVICES, message=str(error))
        except CiItestError as error:
            return Tested(stop_reason=StopReason.RUNNER, message=str(error))

    def _build(self) -> None:
        settings = self._job.settings
        if settings.build is None:
            return
        with self._phase("build"), self._log("build") as log:
            build(
                settings.build,
                suite=self._job.suite,
                directory=self._job.root,
                environment=build_environment(settings, self._request.environment),
                log=log,
                shared=self._job.builds,
            )

    def _with_services(self) -> Tested:
        apps = self._job.settings.all_apps
        check_apps(apps)
        with (
            self._guarded(),
            building(
                apps,
                root=self._job.root,
                environment=self._request.environment,
                log=lambda name: self._log(f"build-{name}"),
                held=self._guard.group,
            ) as images,
            self._services_up() as services,
        ):
            here = Apps(apps, self._app_host(services, images))
            self._prepare(self._environment(here), services)
            copies = prepared_copies(services) if services and apps else {}
            if self._tools.probing:
                with self._handed_over(services, here, copies) as variables:
                    return self._probed(self._tools.probing, here, services, variables)
            with self._apps_up(here), self._handed_over(services, here, copies) as variables:
                try:
                    environment = {**self._environment(here), **variables}
                    with self._phase("tests"):
                        tested = self._tests(environment)
                    self._try_fixes(tested, environment)
                    return _unless_lost(tested, services)
                finally:
                    # Also when they were cancelled: a dead service may be why somebody gave up waiting.
                    self._note_deaths([*(services.dead() if services else ()), *here.dead()])

    def _handed_over(
        self, services: RunningServices | None, apps: Apps, copies: Mapping[str, str]
    ) -> contextlib.AbstractContextManager[dict[str, str]]:
        """The variable that tells the pytest plugin what runs, and by which settings."""
        return handed_over(
            services, settings=self._job.settings, root=self._job.root, app_urls=apps.urls(), prepared=copies
        )

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with guarding(self._job.environment) as guard:
            self._guard = guard
            yield

    def _app_host(self, services: RunningServices | None, images: BuiltImages) -> Host:
        return Host(
            root=self._job.root,
            environment=self._request.environment,
            templates=self._job.settings.environment,
            log=lambda name: self._log(log_name(name), stamped=True),
            guard=self._guard,
            services=services,
            images=images,
        )

    def _probed(
        self,
        probing: Callable[[ShardRequest, Fresh], int],
        apps: Apps,
        services: RunningServices | None,
        variables: Mapping[str, str],
    ) -> Tested:
        from ci_itest.containers.resets import kept_data

        data = kept_data(services) if services else None
        for words in data.not_reset if data else ():
            self._report(Step("note", text=words))

        @contextlib.contextmanager
        def fresh() -> Iterator[None]:
            if data:
                data.restore()
            with apps.up():
                yield

        with self._phase("probes"):
            environment = {**self._environment(apps), **variables}
            return Tested(probing(replace(self._request, environment=environment), fresh))

    def _note_deaths(self, deaths: Iterable[str]) -> None:
        for words in deaths:
            self._dead.append(words.partition(" ")[0])
            self._notes.append(f"While the tests ran, {words}.")

    @contextlib.contextmanager
    def _services_up(self) -> Iterator[RunningServices | None]:
        settings = self._job.settings
        if not (settings.services or settings.compose or container_apps(settings.all_apps)):
            yield None
            return
        # A suite without services does not pay for their modules.
        from ci_itest.containers.leftovers import sweep
        from ci_itest.containers.owner import Owner
        from ci_itest.containers.presets import service_specs
        from ci_itest.containers.services import running

        specs = service_specs(settings.services)
        with contextlib.ExitStack() as starting:
            with self._phase("services"):
                engine = self._tools.connect()
                if words := sweep(engine).words:
                    self._report(Step("note", text=words))
                supply, preparing = starting.enter_context(
                    stocked(
                        self._job.images,
                        specs,
                        steps=settings.prepare,
                        engine=engine,
                        mirror=self._job.mirror,
                        root=self._job.root,
                        suite=self._job.suite,
                        say=self._note,
                    )
                )
                composition = self._composition(starting)

                def started_from(specs: Sequence[ServiceSpec]) -> RunningServices:
                    return starting.enter_context(
                        running(
                            specs,
                            engine=engine,
                            owner=Owner.of_this_process(
                                run=self._job.plan.run_id, shard=f"{self._job.suite}-{self._job.index}"
                            ),
                            ensure=supply.ensure,
                            log_directory=self._job.folder.service_logs,
                            report=self._service_event,
                            mask=lambda text: self._mask(text),
                            guard=self._guard,
                            composition=composition,
                        )
                    )

                services = preparing.started(specs, started_from)
            self._preparation = preparing
            self._services = _service_times(services.endpoints, self._asked_for)
            started = starting.pop_all()
        has_ended = False
        try:
            yield services
            has_ended = True
        finally:
            with self._phase("clean-up"), started:
                if has_ended:
                    preparing.keep_first_starts(services)

    def _note(self, words: str) -> None:
        self._report(Step("note", text=words))

    def _composition(self, stack: contextlib.ExitStack) -> ComposeFiles | None:
        if self._job.settings.compose is None:
            return None
        from ci_itest.containers.compose import ComposeFiles

        return ComposeFiles(
            self._job.settings.compose,
            root=self._job.root,
            environment=self._request.environment,
            log=stack.enter_context(self._log("compose")).line,
            held=self._guard.group,
        )

    def _environment(self, apps: Apps) -> dict[str, str]:
        """What prepare and tests see: the job's own environment, and `[environment]` as far as it is known."""
        filled = apps.environment()
        self._mask = masker(secrets_of({**self._request.environment, **filled}))
        return {RESET_VARIABLE: str(RESET_SQL), **self._request.environment, **filled}

    def _prepare(self, environment: Mapping[str, str], services: RunningServices | None) -> None:
        if not self._job.settings.prepare:
            return
        with self._phase("prepare"):
            for number, step in self._preparation.to_run():
                with self._log(f"prepare-{number}") as log:
                    prepare(step, directory=self._job.root, environment=environment, log=log)
            if services:
                self._preparation.keep(services)

    @contextlib.contextmanager
    def _apps_up(self, apps: Apps) -> Iterator[None]:
        if not self._job.settings.all_apps:
            yield
            return
        with contextlib.ExitStack() as stack:
            with self._phase("app"):
                stack.enter_context(apps.up())
            yield

    def _tests(self, environment: Mapping[str, str]) -> Tested:
        request = replace(self._request, environment=environment)
        if self._tools.instead:
            return Tested(self._tools.instead(request))
        tested = self._runner_run(request)
        if self._tools.hold:
            self._tools.hold(request)
        return tested

    def _try_fixes(self, tested: Tested, environment: Mapping[str, str]) -> None:
        """Run what the commit says it fixes many times; a shard that did not end, or runs a part, does without."""
        if tested.stop_reason is not StopReason.NONE or self._job.only or self._tools.instead:
            return
        names = fixes_of_shard(self._job.plan, suite=self._job.suite, index=self._job.index)
        if names:
            request = replace(self._request, environment=environment)
            with self._phase("fixes"):
                run = partial(self._runner_run, log_as="fixes")
                self._fixes = try_fixes(names, request, self._tools.runner, run=run)

    def _runner_run(self, request: ShardRequest, *, log_as: str = "tests") -> Tested:
        with self._log(log_as) as log:
            return run_tests(
                request,
                self._tools.runner,
                Watch(
                    log=log,
                    line=lambda line: self._test_line(line, log),
                    launched=self._note_launch,
                    report=self._report,
                    now=self._tools.now,
                    held=self._guard.group,
                ),
            )

    def _note_launch(self, launch: Launch) -> None:
        self._versions = launch.versions
        if launch.note and launch.note not in self._notes:
            self._notes.append(launch.note)
        self._note_progress()

    def _test_line(self, line: str, log: Log) -> None:
        log.line(line)
        self._report(Step("output", text=self._mask(line)))

    def _leave_bundle(self, result: ShardResult) -> ShardResult:
        folder = self._job.folder
        self._mask_what_tests_left()
        result = replace(result, notes=tuple(self._notes))
        whole = with_results(result, self._tools.runner.read(folder.results, suite=self._job.suite))
        app_logs = [folder.logs / f"{log_name(name)}.log" for name in self._job.settings.all_apps]
        logs = service_logs(folder.service_logs, app_logs)
        tails = service_tails({name: logs[name] for name in logs if _has_failed(whole) or name in self._dead})
        slices = service_slices(logs, whole.attempts)
        result = replace(result, service_tails=tails, service_slices=slices)
        whole = replace(whole, service_tails=tails, service_slices=slices)
        write_document(folder.environment, self._surroundings())
        if self._job.images.lock:
            write_whole(folder.lock, self._job.images.lock.read_bytes())
        labels = {(whole.suite, whole.index): whole.label}
        write_whole(folder.junit / "shard.xml", junit_xml(case_results(whole), shard_labels=labels))
        write_shard(folder, result)
        return whole

    def _mask_what_tests_left(self) -> None:
        """Traces and reports of the runner hold what went over the wire, headers with tokens among it."""
        for kind in RUNNERS_FILES:
            self._notes += mask_files(self._job.folder.results / kind, self._mask)

    def _surroundings(self) -> Surroundings:
        return surroundings_of(self._job, self._request, versions=self._versions, mask=self._mask)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._report(Step("phase", name))
        self._phase_began = start = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - start
            self._phases.append(PhaseTime(name, seconds))
            self._report(Step("phase-end", name, seconds=seconds))

    def _log(self, name: str, *, stamped: bool = False) -> contextlib.AbstractContextManager[Log]:
        return log_file(self._job.folder.logs / f"{name}.log", mask=self._mask, stamped=stamped)

    def _service_event(self, event: ServiceEvent) -> None:
        from ci_itest.containers.starting import STARTING

        if event.state == STARTING:
            self._asked_for[event.service] = time.monotonic() - self._phase_began
        if event.service:
            self._report(Step("service", event.service, text=event.state, seconds=event.seconds))
        else:
            self._report(Step("note", text=event.detail))

    def _report(self, step: Step) -> None:
        self._tools.report(step)


def _service_times(endpoints: Mapping[str, Endpoint], asked_for: Mapping[str, float]) -> tuple[ServiceTime, ...]:
    return tuple(
        ServiceTime(
            endpoint.name, endpoint.image, endpoint.digest, endpoint.ready_seconds, asked_for.get(endpoint.name, 0.0)
        )
        for endpoint in endpoints.values()
    )


def _unless_lost(tested: Tested, services: RunningServices | None) -> Tested:
    """How the tests ended; tests that failed beside an engine that stopped tell nothing of the code."""
    if services is None or tested.exit_code == 0 or tested.stop_reason is not StopReason.NONE:
        return tested
    lost = services.lost()
    if not lost:
        return tested
    words = f"The Docker engine was lost while the tests ran: {'; '.join(lost)}."
    return replace(tested, stop_reason=StopReason.SERVICES, message=words)


def _has_failed(result: ShardResult) -> bool:
    is_red = result.stop_reason is not StopReason.NONE or bool(result.running)
    return is_red or any(attempt.outcome.is_bad for attempt in result.attempts)
