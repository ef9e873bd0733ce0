"""`ci-itest flaky hunt`: suspects run through the shards' own machinery until the time is up."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say, tell
from ci_itest.cli.judging import is_main
from ci_itest.errors import RunnerError
from ci_itest.process import output_of, started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.hunt import Probe, Probed
    from ci_itest.flows.quarantine import Keeper
    from ci_itest.flows.run_shard import Fresh
    from ci_itest.model.cases import CaseId, CaseResult
    from ci_itest.model.plan import Plan
    from ci_itest.model.progress import Step
    from ci_itest.runners.base import ShardRequest

Held = Callable[[int], contextlib.AbstractContextManager[None]]

_BURN = "while True: pass"


def hunted(
    kept: Keeper, config: Config, place: Place, *, names: tuple[str, ...], seconds: float, most_rounds: int
) -> int:
    """Hunt the named cases, or every suspect; 1 when a case that was named failed."""
    from ci_itest.cli.commands.plan import new_plan
    from ci_itest.flows.folders import new_run_folder
    from ci_itest.flows.hunt import conclusion, rounds, tallies

    suspects = _suspects(kept, names)
    if not suspects:
        say("There is no suspect to hunt.")
        return 0
    config = _undivided(config)
    run_id = building.local_run_id().replace("local-", "hunt-", 1)
    plan = new_plan(config, place, run_id=run_id)
    probes = rounds(plan, suspects, known=kept.store.case_numbers(repository=kept.repository))
    if not probes:
        say("The suite has the suspects no more.")
        return 0
    say(f"{len(suspects)} suspects, {len(probes)} probes a round.")
    lesson = _Lesson(kept, config, place, run_id)
    bundles = new_run_folder(config.root, run_id).bundles
    suites = sorted({probe.suite for probe in probes})
    found: list[Probed] = []
    for suite in suites:
        own = [probe for probe in probes if probe.suite == suite]
        hunt_here = _Suite(suite, plan, config, bundles / suite, lesson)
        found += hunt_here.hunted(own, seconds=seconds / len(suites), most_rounds=most_rounds)
    found_tallies = tallies(found)
    lines = conclusion(found_tallies)
    for line in lines:
        tell(line)
    building.append_summary("".join(f"- {line}\n" for line in lines))
    return 1 if names and any(tally.failed for tally in found_tallies) else 0


def _undivided(config: Config) -> Config:
    """Each suite in one shard: a hunt starts its services once."""
    suites = {name: replace(suite, shards=1) for name, suite in config.settings.suites.items()}
    return replace(config, settings=replace(config.settings, suites=suites))


class _Lesson:
    """What each probe teaches the history."""

    def __init__(self, kept: Keeper, config: Config, place: Place, run_id: str) -> None:
        self._kept = kept
        self._config = config
        self._place = place
        self._run_id = run_id
        # What was changed since the commit is the same for all of a hunt, and for it alone.
        self._commit = place.commit if place.context else f"{place.commit[:12]}-{run_id}"
        self._count = 0

    def learn(self, probed: Probed) -> None:
        from ci_itest.flows.hunt import as_run
        from ci_itest.flows.record import record

        self._count += 1
        place = self._place
        made = as_run(
            probed,
            run_id=f"{self._run_id}-{self._count}",
            commit=self._commit,
            branch=place.branch,
            at=building.now(),
            is_trusted=place.context is None or place.context.is_default_branch,
        )
        record(
            made,
            store=self._kept.store,
            repository=self._kept.repository,
            recorded_at=building.now(),
            is_main=is_main(self._config, place),
        )


def _suspects(kept: Keeper, names: tuple[str, ...]) -> tuple[CaseId, ...]:
    """The named cases; without names every suspect and all that is in quarantine."""
    from ci_itest.flows.judge import known_flaky
    from ci_itest.flows.quarantine import named_case

    if names:
        return tuple(dict.fromkeys(named_case(kept, name) for name in names))
    flaky = [case.case for case in known_flaky(kept.store, repository=kept.repository, at=kept.at)]
    inside = [entry.case for entry in kept.store.quarantined(repository=kept.repository)]
    return tuple(dict.fromkeys((*flaky, *inside)))


def named_by_commit(root: Path) -> tuple[str, ...]:
    """The cases that the commit says it tries to fix."""
    from ci_itest.flows.fixing import trailer_cases

    code, message = output_of(
        ["git", "log", "-1", "--no-merges", "--format=%B"], directory=root, environment=os.environ
    )
    return trailer_cases(message) if code == 0 else ()


class _Suite:
    """Probes of one suite: its services start once, and each probe finds their data as prepare left it."""

    def __init__(self, suite: str, plan: Plan, config: Config, bundle: Path, lesson: _Lesson) -> None:
        from ci_itest.flows.bundles import BundleFolder

        self._suite = suite
        # What is in quarantine is what a hunt is for.
        self._plan = replace(plan, quarantine=())
        self._config = config
        self._settings = replace(config.settings.suites[suite], retries=0, workers=0)
        self._folder = BundleFolder(bundle.resolve())
        self._lesson = lesson
        self._tools = building.shard_tools(self._settings, _say_notes)
        self._found: list[Probed] = []

    def hunted(self, probes: Sequence[Probe], *, seconds: float, most_rounds: int) -> Sequence[Probed]:
        """Every probe with what became of its suspects; RunnerError when the shard could not run any."""
        from ci_itest.containers.guard import guarding
        from ci_itest.flows.hunt import hunt
        from ci_itest.flows.run_shard import run_shard
        from ci_itest.flows.shard_jobs import ShardJob
        from ci_itest.model.run import StopReason

        def probing(request: ShardRequest, fresh: Fresh) -> int:
            with guarding(os.environ) as guard:
                run = partial(self._probe, request, fresh, guard.group)
                for probed in hunt(probes, run, seconds=seconds, clock=time.monotonic, most_rounds=most_rounds):
                    self._found.append(probed)
                    self._lesson.learn(probed)
            return 0

        job = ShardJob(
            plan=self._plan,
            suite=self._suite,
            index=1,
            settings=self._settings,
            root=self._config.root,
            folder=self._folder,
            environment=dict(os.environ),
            mirror=self._config.settings.images.mirror,
            cores=1,
        )
        result = run_shard(job, replace(self._tools, probing=probing))
        if result.stop_reason is not StopReason.NONE:
            raise RunnerError(f"The hunt ended: {result.message or result.stop_reason}")
        return self._found

    def _probe(self, request: ShardRequest, fresh: Fresh, held: Held, probe: Probe) -> tuple[CaseResult, ...]:
        from ci_itest.flows.commands import log_file
        from ci_itest.flows.hunt import Way
        from ci_itest.flows.testing import Watch, run_tests
        from ci_itest.masking import masker, secrets_of

        number = len(self._found) + 1
        asked = replace(
            request,
            only=probe.beside,
            queues=(("main", probe.beside),) if probe.way is Way.REVERSED else (),
            results=self._folder.path / f"probe-{number}",
        )
        with (
            fresh(),
            _busy() if probe.way is Way.BUSY else contextlib.nullcontext(),
            log_file(self._folder.logs / f"probe-{number}.log", mask=masker(secrets_of(request.environment))) as log,
        ):
            watch = Watch(
                log=log, line=log.line, launched=lambda _: None, report=lambda _: None, now=building.now, held=held
            )
            run_tests(asked, self._tools.runner, watch)
        results = self._results(asked.results)
        failed = sum(each.case in probe.suspects and bool(each.first_bad) for each in results)
        say(f"{number}. {', '.join(map(str, probe.suspects[:3]))} {probe.way}: {failed} failed")
        return results

    def _results(self, folder: Path) -> tuple[CaseResult, ...]:
        from ci_itest.flows.bundles import with_results
        from ci_itest.flows.merge import case_results
        from ci_itest.model.run import ShardResult

        blank = ShardResult(self._suite, 1, 1, self._plan.digest)
        return case_results(with_results(blank, self._tools.runner.read(folder, suite=self._suite)))


def _say_notes(step: Step) -> None:
    """Of what goes on, what people must know: a service whose data stays from probe to probe."""
    if step.kind == "note":
        say(step.text)


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """Every core has something else to do as well, twice over."""
    with contextlib.ExitStack() as stack:
        for _ in range(2 * building.cores()):
            stack.enter_context(
                started(
                    [sys.executable, "-I", "-c", _BURN],
                    directory=Path.cwd(),
                    environment=os.environ,
                    line=lambda _: None,
                    grace_seconds=1.0,
                )
            )
        yield
