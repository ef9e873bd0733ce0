"""`ci-itest plan`: decide, divide, write plan.json, hand the matrix to the workflow."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.cli.deciding import Judge
from ci_itest.cli.judging import with_planned_quarantine
from ci_itest.cli.options import settings_options
from ci_itest.cli.plan_formats import FORMATS, gitlab_pipeline, matrix_of
from ci_itest.cli.trusted_files import codeowners, is_of_pull_request, user_templates

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.plan import Known, PlanRequest
    from ci_itest.history.store import HistoryStore
    from ci_itest.model.decision import Decision
    from ci_itest.model.plan import Plan, Shard


@click.command("plan")
@settings_options
@click.option("--shards", help='Number of shards, or "auto".')
@click.option("--run-id", help="Run the plan is for.  [default: GitHub's run id, else a new one]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".ci-itest/plan.json"),
    show_default=True,
    help="Where the plan is written.",
)
@click.option(
    "--decide", "decides", is_flag=True, help="First decide whether this event needs the suite (GitHub only)."
)
@click.option("--what-if", "asks", is_flag=True, help="Print what each number of shards takes and costs; plan nothing.")
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Price of a billed minute, for --what-if (GitHub's Linux runner: 0.006 dollars).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="path",
    show_default=True,
    help="What is printed: the plan's path, the shards as JSON, or a GitLab child pipeline.",
)
@click.option(
    "--template",
    default=".gitlab/ci-itest.yml",
    show_default=True,
    help="File with the job .ci-itest-shard, which the GitLab pipeline includes.",
)
def command(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    shards: str | None,
    run_id: str | None,
    out: Path,
    decides: bool,
    asks: bool,
    price: float,
    form: str,
    template: str,
) -> int:
    """Divide the suite over shards and write plan.json.

    A plan that is there already for the same run is kept: every attempt of a run works by one plan. The path of the
    plan is printed on stdout, or what --format says.
    """
    from ci_itest.flows.tool_cache import tool_cache
    from ci_itest.model.decision import DecisionKind

    config = building.read_settings(root, config_file, assignments, shards=shards)
    place = building.place_of(config.root)
    if asks:
        return _show_what_if(config, place, price=price)
    decision: Decision | None = None
    to_fix: tuple[str, ...] = ()
    if decides:
        from ci_itest.flows.fixing import planned_fixes

        judge = Judge(config, place, config_file=config_file, assignments=assignments)
        config, decision = judge.config, judge.decision()
        to_fix = planned_fixes(judge.commit_message()) if decision.kind is DecisionKind.RUN else ()
    if decision and decision.kind is not DecisionKind.RUN:
        say(f"The suite is not run: {decision.reason}")
        building.set_outputs(_outputs(None, decision))
        return 0
    if decision and decision.label:
        say(f"The tests are not bypassed. {decision.reason}")
    kept = tool_cache(config.settings.cache, config.root)
    run_id = run_id or (place.context.run_id if place.context else building.local_run_id())
    plan = kept_plan(out, run_id) or replace(new_plan(config, place, run_id=run_id), to_fix=to_fix)
    from ci_itest.wire import write_document

    write_document(out, plan)
    show(plan)
    if decision:
        decision = replace(decision, plan_sha256=sha256(out.read_bytes()).hexdigest())
    building.set_outputs({**_outputs(plan, decision), **kept})
    click.echo(_printed(form, plan, out=out, template=template))
    return 0


def _printed(form: str, plan: Plan, *, out: Path, template: str) -> str:
    if form == "json":
        return json.dumps(matrix_of(plan))
    return gitlab_pipeline(plan, template=template) if form == "gitlab" else str(out)


def _show_what_if(config: Config, place: Place, *, price: float) -> int:
    from ci_itest.cli.what_if_text import what_if_lines
    from ci_itest.flows.plan import suites_of
    from ci_itest.flows.what_if import what_if
    from ci_itest.runners.registry import runner_named

    with building.history(config, place) as store:
        works = suites_of(
            _request(config, place, run_id=""),
            runner_named=runner_named,
            known=lambda suite: _known(store, suite, config, place),
        )
    for work in works:
        if work.files:
            for line in what_if_lines(what_if(work, price_per_minute=price)):
                click.echo(line)
    return 0


def new_plan(config: Config, place: Place, *, run_id: str) -> Plan:
    from ci_itest.flows.plan import make_plan
    from ci_itest.runners.registry import runner_named

    with building.history(config, place) as store:
        plan = make_plan(
            _request(config, place, run_id=run_id),
            runner_named=runner_named,
            known=lambda suite: _known(store, suite, config, place),
        )
        plan = with_planned_quarantine(plan, store, config, place)
    settings = config.settings
    plan = replace(plan, bypass=settings.bypass, flaky=settings.flaky, history=settings.history)
    if is_of_pull_request(place):
        return plan  # the report reads what else it needs out of the base commit
    templates = user_templates(settings.report, config.root, place, api=None)
    return replace(plan, templates=templates, codeowners=codeowners(config.root, place, api=None))


def _request(config: Config, place: Place, *, run_id: str) -> PlanRequest:
    from ci_itest import __version__
    from ci_itest.flows.plan import PlanRequest

    return PlanRequest(
        suites=config.settings.suites,
        root=config.root,
        run_id=run_id,
        commit=place.commit,
        created_at=building.now(),
        tool_version=__version__,
        cores=building.cores(),
        root_in_repository=place.root_in_repository,
        report=config.settings.report,
    )


def _known(store: HistoryStore | None, suite: str, config: Config, place: Place) -> Known:
    """What history knows of a suite; nothing, with a loud line, when it cannot be read."""
    from ci_itest.errors import HistoryError
    from ci_itest.flows.plan import Known
    from ci_itest.planning.sticky import homes_in

    if store is None:
        return Known()
    branches = building.learned_branches(config, place)
    try:
        timings = store.timings(suite, repository=place.repository, branches=branches)
        accuracy = store.accuracy(repository=place.repository, branches=branches)
    except HistoryError as error:
        say(f"warning: {error.message} This run plans without history.")
        return Known()
    return Known(timings, tuple(shard for shard in accuracy if shard.suite == suite), homes_in(timings))


def kept_plan(path: Path, run_id: str) -> Plan | None:
    """The plan that an earlier attempt of the run made; None when there is none, or it is another run's."""
    from ci_itest.errors import CiItestError
    from ci_itest.model.plan import Plan
    from ci_itest.wire import read_document

    if not path.exists():
        return None
    try:
        plan = read_document(path, Plan)
    except CiItestError as error:
        say(f"warning: {error.message} A new plan is made.")
        return None
    if plan.run_id != run_id:
        return None
    say(f"Keeping the plan of run {run_id}: every attempt works by the same division.")
    return plan


def show(plan: Plan) -> None:
    """The division, for people."""
    for suite in plan.suites:
        for note in suite.notes:
            say(f"note: {note}")
        for shard in suite.shards:
            label = f"suite {suite.suite}, shard {shard.index}/{suite.shard_count}"
            files = f"{len(shard.files)} file{'' if len(shard.files) == 1 else 's'}"
            pieces = sum(not unit.is_whole_file for unit in shard.units)
            divided = f" ({pieces} of them in pieces)" if pieces else ""
            say(f"{label}: {_expected(shard)} in {files}{divided}")


def _expected(shard: Shard) -> str:
    """Seconds where history knows any; without it the plan counts tests."""
    if any(unit.is_known for unit in shard.units):
        return f"{shard.expected_seconds:7.1f} s of tests expected"
    count = sum(unit.case_count for unit in shard.units)
    return f"{count} test{'' if count == 1 else 's'}"


def _outputs(plan: Plan | None, decision: Decision | None) -> dict[str, str]:
    """Outputs of the plan job; `shards` is what `matrix.include` takes."""
    import msgspec

    shards = matrix_of(plan) if plan else ()
    return {
        "run": "true" if plan else "false",
        "reason": decision.reason if decision else "",
        "shards": json.dumps(list(shards)),
        "shard-count": str(len(shards)),
        "decision": json.dumps(msgspec.to_builtins(decision)) if decision else "",
    }
