"""`ci-itest flaky hunt`: suspects run through the shards' own machinery until the time is up."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say, tell
from ci_itest.cli.judging import is_main
from ci_itest.errors import RunnerError
from ci_itest.process import output_of, started

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.hunt import Probe
    from ci_itest.flows.quarantine import Keeper
    from ci_itest.model.cases import CaseId, CaseResult
    from ci_itest.model.plan import Plan

_BURN = "while True: pass"


def hunted(
    kept: Keeper, config: Config, place: Place, *, names: tuple[str, ...], seconds: float, most_rounds: int
) -> int:
    """Hunt the named cases, or every suspect; 1 when a case that was named failed."""
    from ci_itest.cli.commands.plan import new_plan
    from ci_itest.flows.folders import new_run_folder
    from ci_itest.flows.hunt import as_run, conclusion, hunt, rounds, tallies
    from ci_itest.flows.record import record

    suspects = _suspects(kept, names)
    if not suspects:
        say("There is no suspect to hunt.")
        return 0
    run_id = building.local_run_id().replace("local-", "hunt-", 1)
    plan = new_plan(config, place, run_id=run_id)
    probes = rounds(plan, suspects, known=kept.store.case_numbers(repository=kept.repository))
    if not probes:
        say("No shard of this plan has the suspects any more.")
        return 0
    say(f"{len(suspects)} suspects, {len(probes)} probes a round.")
    shards = _Shards(plan, config, new_run_folder(config.root, run_id).bundles)
    # What was changed since the commit is the same for all of a hunt, and for it alone.
    commit = place.commit if place.context else f"{place.commit[:12]}-{run_id}"
    found = []
    for number, probed in enumerate(
        hunt(probes, shards.run, seconds=seconds, clock=time.monotonic, most_rounds=most_rounds), start=1
    ):
        found.append(probed)
        made = as_run(
            probed,
            run_id=f"{run_id}-{number}",
            commit=commit,
            branch=place.branch,
            at=building.now(),
            is_trusted=place.context is None or place.context.is_default_branch,
        )
        record(
            made,
            store=kept.store,
            repository=kept.repository,
            recorded_at=building.now(),
            is_main=is_main(config, place),
        )
    found_tallies = tallies(found)
    lines = conclusion(found_tallies)
    for line in lines:
        tell(line)
    building.append_summary("".join(f"- {line}\n" for line in lines))
    return 1 if names and any(tally.failed for tally in found_tallies) else 0


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


class _Shards:
    """Runs a probe as a shard of the plan, with the shard's services, in a bundle of its own."""

    def __init__(self, plan: Plan, config: Config, bundles: Path) -> None:
        self._plan = plan
        self._config = config
        self._bundles = bundles
        self._count = 0

    def run(self, probe: Probe) -> tuple[CaseResult, ...]:
        """What became of the probe's cases; RunnerError when its shard could not run them."""
        from ci_itest.flows.bundles import BundleFolder
        from ci_itest.flows.hunt import Way
        from ci_itest.flows.merge import case_results
        from ci_itest.flows.run_shard import ShardJob, run_shard
        from ci_itest.model.run import StopReason

        self._count += 1
        settings = replace(self._config.settings.suites[probe.suite], retries=0, workers=0)
        job = ShardJob(
            # What is in quarantine is what a hunt is for.
            plan=replace(self._plan, quarantine=()),
            suite=probe.suite,
            index=probe.index,
            settings=settings,
            root=self._config.root,
            folder=BundleFolder((self._bundles / f"probe-{self._count}").resolve()),
            environment=dict(os.environ),
            mirror=self._config.settings.images.mirror,
            cores=1,
            only=probe.beside,
            queues=(("main", probe.beside),) if probe.way is Way.REVERSED else (),
        )
        tools = building.shard_tools(settings, lambda _: None)
        with _busy() if probe.way is Way.BUSY else contextlib.nullcontext():
            result = run_shard(job, tools)
        if result.stop_reason not in (StopReason.NONE, StopReason.RUNNER):
            raise RunnerError(f"The hunt ended: {result.message or result.stop_reason}")
        results = case_results(result)
        failed = sum(each.case in probe.suspects and bool(each.first_bad) for each in results)
        say(f"{self._count}. {', '.join(map(str, probe.suspects[:3]))} {probe.way}: {failed} failed")
        return results


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
