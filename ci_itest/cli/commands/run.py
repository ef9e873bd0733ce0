"""`ci-itest run`: the whole of CI on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.judging import judged_run
from ci_itest.cli.options import coverage_option, settings_options, wanted_coverage

if TYPE_CHECKING:
    from ci_itest.config.reader import Config
    from ci_itest.reporting.view import ReportView

SHOWN_CAUSES = 10
"""Failures that the terminal lists; the page has all of them."""


@click.command("run")
@settings_options
@click.option("--shards", help='Number of shards, or "auto".')
@click.option("--workers", help='Processes in each shard, or "auto".')
@click.option("--snapshot/--no-snapshot", "snapshots", default=True, help="Take prepared services from snapshots.")
@click.option("--markers", help="Which tests are integration tests (pytest -m).")
@coverage_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder the report is written to.  [default: .ci-itest/latest/report]",
)
def command(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    shards: str | None,
    workers: str | None,
    markers: str | None,
    snapshots: bool,
    least_coverage: float | None,
    out: Path | None,
) -> int:
    """Plan, run every shard on this machine, merge and report.

    The shards run side by side in processes of their own, each with its own services, as the jobs of CI do. The
    path of the HTML page is printed on stdout. Exit code: 0 all passed, 1 tests failed, 5 something is missing.
    """
    from ci_itest.cli.checking import report_api
    from ci_itest.cli.commands.merge import finish, merged_run, owners_of, record_run, templates_of
    from ci_itest.cli.commands.plan import new_plan, show
    from ci_itest.flows.folders import new_run_folder
    from ci_itest.flows.run_here import run_here, shard_processes
    from ci_itest.wire import write_document

    config = building.read_settings(root, config_file, assignments, shards=shards, workers=workers, markers=markers)
    place = building.place_of(config.root)
    plan = new_plan(config, place, run_id=building.local_run_id())
    folder = new_run_folder(config.root, plan.run_id)
    write_document(folder.plan, plan)
    show(plan)
    options = [
        *_settings_arguments(config.root, config_file, assignments),
        *_set("workers", workers),
        *_set("markers", markers),
        *([] if snapshots else ["--no-snapshot"]),
    ]

    # In CI each shard has a machine of its own; here they share one.
    cores_each = max(1, building.cores() // max(1, sum(len(suite.shards) for suite in plan.suites)))

    def shard_command(suite: str, index: int, bundle: Path) -> list[str]:
        where = ["--plan", str(folder.plan), "--suite", suite, "--shard", str(index), "--bundle", str(bundle)]
        share = ["--cores", str(cores_each), "--builds", str(folder.builds), "--progress", "json"]
        return [sys.executable, "-I", "-m", "ci_itest", "run-shard", *options, *where, *share]

    with building.showing() as report:
        run_here(
            shard_processes(plan, bundles=folder.bundles, command=shard_command),
            directory=config.root,
            # A shard would tell the workflow of its own images alone.
            environment={name: value for name, value in os.environ.items() if name != "GITHUB_OUTPUT"},
            report=report,
        )
    _tell_images(config)
    least = wanted_coverage(config, least_coverage)
    run = merged_run(place, plan, bundles=folder.bundles, needs={}, least_coverage=least)
    api = report_api(place)
    run = judged_run(run, config, place, quarantine=plan.quarantine, owners=owners_of(plan, place, api=api))
    record_run(run, config, place, plan, api=api)
    target = str(_shown(folder.path))
    published = finish(
        run,
        report=plan.report,
        place=place,
        folder=out or folder.report,
        replay_target=target,
        templates=templates_of(plan, place, api=api),
        api=api,
        bundles=folder.bundles,
        installed_in=config.root,
    )
    _tell(published.view)
    click.echo(_shown(published.page))
    return published.exit_code


def _tell_images(config: Config) -> None:
    """Tell the workflow under which key to save the images of all shards, unless they were restored under it."""
    from ci_itest.flows.image_cache import cache_folder, image_set_of_all

    images = image_set_of_all(config.settings)
    if building.in_actions() and building.keeps_images(config) and images:
        building.set_images_key(cache_folder(os.environ, root=config.root), images)


def _settings_arguments(root: Path, config_file: Path | None, assignments: tuple[str, ...]) -> list[str]:
    """The same settings for the shards' processes, whose working folder is the root."""
    arguments = ["--root", str(root)]
    if config_file is not None:
        arguments += ["--config", str(config_file.resolve())]
    for assignment in assignments:
        arguments += ["--set", assignment]
    return arguments


def _set(name: str, value: str | None) -> list[str]:
    return ["--set", f"{name}={value}"] if value is not None else []


def _tell(view: ReportView) -> None:
    """The outcome in a few lines: verdict, how the plan held, what failed and how to run it again."""
    say("")
    for shard in view.shards:
        held = f", planned {shard.planned} ({shard.held})" if shard.planned and shard.held else ""
        say(f"shard {shard.label}: {shard.state}, {shard.case_count} cases in {shard.wall or 'no time'}{held}")
    for line in view.plan_words:
        say(line)
    say("")
    say(f"{view.sign} {view.headline}" + (f" ({view.subline})" if view.subline else ""))
    for finding in view.findings:
        say(f"  {finding.message}")
    for cause in view.causes[:SHOWN_CAUSES]:
        for case in cause.cases[:SHOWN_CAUSES]:
            say(f"  ✕ {case.name}: {case.message}")
    for case in view.recovered[:SHOWN_CAUSES]:
        say(f"  ↻ {case.name}: passed only after a retry: {case.message}")


def _shown(path: Path) -> Path:
    """Relative to here where that is shorter to read."""
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd())
    return path
