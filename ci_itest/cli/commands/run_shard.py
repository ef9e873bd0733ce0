"""`ci-itest run-shard`: one shard of a plan, from services to clean-up."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import Report, say
from ci_itest.cli.options import settings_options
from ci_itest.errors import PlanError, UsageError

if TYPE_CHECKING:
    from ci_itest.config.reader import Config
    from ci_itest.flows.shard_jobs import ShardJob
    from ci_itest.model.cases import Verdict
    from ci_itest.model.plan import Plan
    from ci_itest.model.progress import Step
    from ci_itest.model.quarantine import QuarantineEntry
    from ci_itest.model.run import ShardResult
    from ci_itest.model.settings import SuiteSettings


@click.command("run-shard")
@settings_options
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".ci-itest/plan.json"),
    show_default=True,
    help="The plan; made anew when the file is not there.",
)
@click.option("--shard", "index", type=int, required=True, help="Which shard, counted from 1.")
@click.option("--suite", default="main", show_default=True, help="Suite the shard is of.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder the bundle is left in.  [default: .ci-itest/<bundle name>]",
)
@click.option(
    "--cores",
    type=click.IntRange(min=1),
    help='Cores this shard may count on for workers = "auto".  [default: all of this machine]',
)
@click.option(
    "--earlier",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".ci-itest/earlier"),
    show_default=True,
    help="Folder with bundles of earlier attempts; a later one runs what failed or never ran there.",
)
@click.option(
    "--builds",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that shards on one machine share, so that the first of them builds for all.",
)
@click.option("--snapshot/--no-snapshot", "snapshots", default=True, help="Take prepared services from snapshots.")
@click.option(
    "--progress",
    type=click.Choice(["lines", "json"]),
    default="lines",
    show_default=True,
    help="json: one JSON object a step on stdout, for the program that called.",
)
def command(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    plan_file: Path,
    index: int,
    suite: str,
    bundle: Path | None,
    earlier: Path,
    cores: int | None,
    builds: Path | None,
    snapshots: bool,
    progress: str,
) -> int:
    """Run one shard of a plan and leave its bundle.

    Exit code: 0 all passed, 1 tests failed, 3 services, prepare or app failed, 5 stopped before the end.
    """
    from ci_itest.flows.bundles import BundleFolder, bundle_name
    from ci_itest.flows.run_shard import exit_code_of, run_shard
    from ci_itest.flows.shard_jobs import ShardJob
    from ci_itest.flows.snapshots import check_steps

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    plan = _plan(plan_file, config, place)
    settings = _suite_settings(config, plan, suite=suite, index=index)
    check_steps(settings.prepare, services=settings.services)
    attempt = place.context.run_attempt if place.context else 1
    only, rerun_of = _rerun(earlier, plan, settings, suite=suite, index=index, attempt=attempt)
    folder = BundleFolder((bundle or Path(".ci-itest") / bundle_name(suite, index, run_attempt=attempt)).resolve())
    job = ShardJob(
        plan=plan,
        suite=suite,
        index=index,
        settings=settings,
        root=config.root,
        folder=folder,
        environment=dict(os.environ),
        run_attempt=attempt,
        mirror=config.settings.images.mirror,
        images=building.image_wishes(config, place, snapshots=snapshots, is_shared=builds is not None),
        cores=cores or building.cores(),
        only=only,
        rerun_of=rerun_of,
        builds=builds,
    )
    report = _json_report if progress == "json" else building.plain_console(shows_output=True)
    result = run_shard(job, building.shard_tools(settings, report))
    verdicts = verdicts_of(result, plan.quarantine)
    _tell_end(result, verdicts, report)
    _tell_images(job)
    return exit_code_of(result, verdicts)


def _tell_images(job: ShardJob) -> None:
    """Tell the workflow under which key to save the images: nothing where they were restored under that very key."""
    if job.images.folder is None or not building.in_actions():
        return
    from ci_itest.flows.image_cache import image_set, saves

    if not saves(job.settings, job.plan, suite=job.suite, index=job.index):
        return
    images = image_set(job.settings, job.plan, suite=job.suite, index=job.index)
    building.set_images_key(job.images.folder, images)


def verdicts_of(result: ShardResult, quarantine: tuple[QuarantineEntry, ...] = ()) -> Counter[Verdict]:
    """How many cases got which verdict; failures in quarantine are muted unless a worker process died."""
    from ci_itest.flows.merge import case_results

    cases = case_results(result)
    if quarantine and not result.deaths:
        from ci_itest.flaky.quarantine import muted_cases, with_muted

        cases = with_muted(cases, muted_cases(quarantine, at=result.started_at))
    return Counter(case.verdict for case in cases)


def _rerun(
    folder: Path, plan: Plan, settings: SuiteSettings, *, suite: str, index: int, attempt: int
) -> tuple[tuple[str, ...], int]:
    """What a later attempt runs again, and the attempt it builds on; () and 0 where it runs all of its part."""
    from ci_itest.flows.bundles import read_bundles
    from ci_itest.flows.rerun import cases_to_run, earlier_attempt
    from ci_itest.runners.registry import runner_named

    if attempt == 1 or settings.rerun == "all":
        return (), 0
    found = read_bundles(folder, runner_of=lambda _: runner_named(settings.runner))
    earlier = earlier_attempt(found.shards, suite=suite, index=index, plan_digest=plan.digest, before=attempt)
    only = cases_to_run(earlier) if earlier else ()
    if earlier is None or not only:
        say(f"Attempt {attempt}: all of the shard runs; no failure of an earlier attempt can be read here.")
        return (), 0
    total, before = len(earlier.collected), earlier.run_attempt
    say(f"Attempt {attempt} runs the {len(only)} of {total} cases that failed or never ran in attempt {before}.")
    return only, earlier.run_attempt


def _plan(path: Path, config: Config, place: building.Place) -> Plan:
    """The plan in the file; without one the same division is made from the history found here."""
    from ci_itest.cli.commands.plan import new_plan
    from ci_itest.model.plan import Plan
    from ci_itest.wire import read_document

    if path.exists():
        return _of_this_commit(read_document(path, Plan), place)
    say(f"There is no plan {path}: the division is made here from the history at hand.")
    return new_plan(config, place, run_id=place.context.run_id if place.context else building.local_run_id())


def _of_this_commit(plan: Plan, place: building.Place) -> Plan:
    """The plan; PlanError when it was made for another commit, whose files may be others."""
    if plan.commit and place.commit and plan.commit != place.commit:
        raise PlanError(
            f"The plan is of commit {plan.commit[:12]}, and this is {place.commit[:12]}.",
            hint="Plan and run the same commit; a plan left from an earlier run can be removed.",
        )
    return plan


def _suite_settings(config: Config, plan: Plan, *, suite: str, index: int) -> SuiteSettings:
    planned = plan.suite(suite)
    settings = config.settings.suites.get(suite)
    if planned is None or settings is None:
        names = ", ".join(part.suite for part in plan.suites)
        raise UsageError(f"The plan has no suite {suite!r}.", hint=f"It has: {names}.")
    if not 1 <= index <= planned.shard_count:
        raise UsageError(
            f"There is no shard {index} in suite {suite}.", hint=f"The plan has shards 1 to {planned.shard_count}."
        )
    return settings


def _json_report(step: Step) -> None:
    from ci_itest.wire import to_json

    sys.stdout.write(to_json(step).decode() + "\n")
    sys.stdout.flush()


def _tell_end(result: ShardResult, verdicts: Counter[Verdict], report: Report) -> None:
    from ci_itest.model.cases import Verdict
    from ci_itest.model.progress import Step

    for note in result.notes:
        report(Step("note", text=note))
    if result.message:
        report(Step("problem", text=result.message))
    report(Step("end", text=end_words(result, verdicts)))
    if not building.in_actions():
        return
    from ci_itest.reporting.markdown import shard_summary

    failed, recovered = verdicts[Verdict.FAILED], verdicts[Verdict.RECOVERED]
    building.append_summary(shard_summary(result, failed_count=failed, recovered_count=recovered))


def end_words(result: ShardResult, verdicts: Counter[Verdict]) -> str:
    """`passed: 31 cases in 8.2 s`, `failed: 2 of 31 cases`, `stopped (services)`."""
    from ci_itest.model.cases import Verdict

    total = sum(verdicts.values())
    if result.stop_reason:
        return f"stopped: {result.stop_reason}"
    if verdicts[Verdict.MISSING]:
        return f"incomplete: {verdicts[Verdict.MISSING]} of {total} cases have no result"
    if verdicts[Verdict.FAILED]:
        return f"failed: {verdicts[Verdict.FAILED]} of {total} cases in {result.seconds:.1f} s"
    recovered = f", {verdicts[Verdict.RECOVERED]} only after a retry" if verdicts[Verdict.RECOVERED] else ""
    quarantined = verdicts[Verdict.QUARANTINED]
    muted = f", {quarantined} failed in quarantine" if quarantined else ""
    return f"passed: {total} cases in {result.seconds:.1f} s{recovered}{muted}"
