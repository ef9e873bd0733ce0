"""`ci-itest merge`: bundles to one verdict, recorded and reported; the report job of a workflow."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.bypassing import bypassed_config, record_bypass, record_merged_bypass
from ci_itest.cli.checking import make_check, report_api
from ci_itest.cli.console import say
from ci_itest.cli.judging import is_main, judged_run, look_after_quarantine, planned_config
from ci_itest.cli.options import coverage_option, settings_options, wanted_coverage
from ci_itest.cli.publishing import (
    FailOn,
    comment_key,
    failing_on,
    links_of,
    post_comment,
    run_facts,
    say_findings,
    shown,
)
from ci_itest.cli.trusted_files import codeowners, is_of_pull_request, user_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.errors import ExitCode
    from ci_itest.flows.publish import Published
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.decision import Decision
    from ci_itest.model.plan import Plan
    from ci_itest.model.run import Run, RunFacts
    from ci_itest.model.settings import ReportSettings
    from ci_itest.reporting.comparison import Base
    from ci_itest.reporting.view import Links


@click.command("merge")
@click.argument("files", nargs=-1, metavar="[FILES]...", type=click.Path(path_type=Path))
@settings_options
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".ci-itest/plan.json"),
    show_default=True,
    help="The plan that the shards worked by.",
)
@click.option(
    "--bundles",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".ci-itest/bundles"),
    show_default=True,
    help="Folder that holds the shards' bundles.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=building.REPORT_FOLDER,
    show_default=True,
    help="Folder the report is written to.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(("page", "comment", "summary", "junit", "ctrf", "run", "badge")),
    help="What to write of FILES (repeatable).  [default: all of them]",
)
@click.option(
    "--base",
    multiple=True,
    type=click.Path(path_type=Path),
    help="What to compare with: run.json of an earlier report, or the base branch's JUnit files (repeatable).  "
    "[default: without FILES the base branch's newest run in the history]",
)
@click.option(
    "--fail-on",
    type=click.Choice(("failures", "new-failures")),
    default=None,
    help="Whether failures that the base has too fail the run. Without a complete base every failure does.  "
    "[default: the setting report.fail_on]",
)
@coverage_option
@click.option("--decision", default="", help="Output `decision` of the plan job.")
@click.option("--needs", default="", help="toJSON(needs) of the report job: jobs that must not have failed.")
def command(
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    plan_file: Path,
    bundles: Path,
    out: Path,
    formats: tuple[str, ...],
    base: tuple[Path, ...],
    fail_on: FailOn | None,
    least_coverage: float | None,
    decision: str,
    needs: str,
    files: tuple[Path, ...],
) -> int:
    """Merge the shards' bundles into one verdict and report it.

    With FILES (JUnit files of any runner and any CI, or folders of them) there is no plan and no bundle: the files
    alone are merged and reported. A file that is cut off, refused or doubled makes the run incomplete.

    Exit code: 0 all passed, 1 tests failed, 4 nothing ran, 5 a planned shard or case is missing or a file is not
    whole. The path of the HTML page is printed on stdout.
    """
    if files:
        from ci_itest.cli.merging_files import merge_files

        return merge_files(
            files,
            root=root,
            config_file=config_file,
            assignments=assignments,
            out=out,
            formats=formats,
            base=base,
            fail_on=fail_on,
        )
    from ci_itest.flows.gate import read_decision, read_needs, without_plan
    from ci_itest.model.decision import DecisionKind

    config = building.read_settings(root, config_file, assignments)
    place = building.place_of(config.root)
    decided = read_decision(decision)
    if decided is not None and decided.kind is DecisionKind.REPEAT:
        return _repeat(decided)
    bypass_reason = decided.reason if decided is not None and decided.kind is DecisionKind.BYPASS else ""
    api = report_api(place)
    plan, why_none = _read_plan(plan_file, sha256=decided.plan_sha256 if decided is not None else "")
    if decided is not None and bypass_reason:
        config = bypassed_config(decided, config, place, api=api)
        run = _bypassed_run(run_facts(place))
        record_bypass(decided, config, place)
    elif plan is None:
        run = without_plan(run_facts(place), reason=f"There is no plan to judge the shards by: {why_none}")
    else:
        config = planned_config(config, plan)
        least = wanted_coverage(config, least_coverage)
        run = merged_run(place, plan, bundles=bundles, needs=read_needs(needs), least_coverage=least)
        run = judged_run(run, config, place, quarantine=plan.quarantine, owners=owners_of(plan, place, api=api))
        record_run(run, config, place, plan, api=api)
    if decided is not None and decided.kind is DecisionKind.RUN and decided.label:
        run = replace(run, notes=(f"The tests were not bypassed. {decided.reason}", *run.notes))
    report = config.settings.report
    run, compared = _with_base(run, config, place, paths=base) if not bypass_reason else (run, None)
    report = failing_on(report, fail_on)
    say_findings(run)
    published = finish(
        run,
        report=report,
        place=place,
        folder=out,
        bypass_reason=bypass_reason,
        base=compared,
        templates=templates_of(plan, place, api=api) if plan else {},
        api=api,
        bundles=bundles,
    )
    say(shown(published.view.headline))
    click.echo(published.page)
    return published.exit_code


def _with_base(run: Run, config: Config, place: Place, *, paths: tuple[Path, ...]) -> tuple[Run, Base | None]:
    """What the run is compared with; without a base the run gets a note that says why."""
    from ci_itest.flows.base_run import base_branch, base_run
    from ci_itest.flows.merge_reports import read_base

    if paths:
        return run, read_base(paths)
    if not run.cases:
        return run, None
    with building.history(config, place) as store:
        branch = config.settings.history.default_branch if place.context is None else base_branch(place.context)
        found = base_run(store, repository=place.repository, branch=branch, run_id=run.run_id)
    return (run if found.base else replace(run, notes=(*run.notes, found.why_none))), found.base


def _read_plan(path: Path, *, sha256: str) -> tuple[Plan | None, str]:
    """The plan that the shards worked by; else None, and why there is none.

    Args:
        sha256: Of the file that the plan job wrote; "" where nobody told. A shard runs foreign code and may leave a
            plan of its own, with judges to its taste.
    """
    from ci_itest.errors import CiItestError
    from ci_itest.model.plan import Plan
    from ci_itest.wire import read_document

    try:
        if sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            return None, f"{path.name} is not the one that the plan job made."
        return read_document(path, Plan), ""
    except OSError as error:
        return None, f"Cannot read {path}: {error.strerror}."
    except CiItestError as error:
        return None, error.message


def merged_run(
    place: Place, plan: Plan, *, bundles: Path, needs: Mapping[str, str], least_coverage: float = 0.0
) -> Run:
    """The run that plan and bundles make."""
    from ci_itest.flows.bundles import read_bundles
    from ci_itest.flows.gate import coverage_findings, job_findings
    from ci_itest.flows.merge import merge
    from ci_itest.runners.registry import runner_named

    facts = run_facts(place)
    runners = {suite.suite: suite.runner for suite in plan.suites}
    found = read_bundles(bundles, runner_of=lambda suite: runner_named(runners.get(suite, "pytest")))
    started = min((shard.started_at for shard in found.shards), default=plan.created_at)
    known = replace(facts, run_id=facts.run_id or plan.run_id, commit=facts.commit or plan.commit, started_at=started)
    run = merge(plan, found, known)
    own = (*coverage_findings(run, least=least_coverage), *job_findings(run, needs))
    return replace(run, findings=(*run.findings, *own))


def finish(
    run: Run,
    *,
    report: ReportSettings,
    place: Place,
    folder: Path,
    bypass_reason: str = "",
    replay_target: str = "",
    base: Base | None = None,
    templates: Mapping[str, str] | None = None,
    api: GitHubApi | None = None,
    bundles: Path | None = None,
    installed_in: Path | None = None,
) -> Published:
    """Write the run's report and tell GitHub where there is one.

    Args:
        bundles: Folder of the bundles, whose attachments go beside the page.
        installed_in: Where the runners' own tools for reports may be taken from; None where nothing of the repository
            runs.
    """
    from ci_itest.flows.attachments import keep_attachments
    from ci_itest.flows.publish import outputs_of, publish

    links = links_of(place, replay_target=replay_target or run.run_id)
    if bundles:
        run, links = _with_runners_reports(run, links, bundles, folder, wish=report.playwright, root=installed_in)

    published = publish(
        run,
        folder=folder,
        title=report.title,
        key=comment_key(run, place),
        at=building.now(),
        links=links,
        bypass_reason=bypass_reason,
        base=base,
        fails_on_new_only=report.fail_on == "new-failures",
        templates=templates,
        attachments=keep_attachments(run, bundles, folder) if bundles else None,
    )
    comment_url = post_comment(published, run, report, place, api=api)
    make_check(published, report, place, prefix=run.root, api=api)
    building.append_summary(published.summary)
    building.annotate(published.annotations, prefix=run.root)
    building.set_outputs(outputs_of(published, comment_url=comment_url))
    return published


def _with_runners_reports(
    run: Run, links: Links, bundles: Path, folder: Path, *, wish: str, root: Path | None
) -> tuple[Run, Links]:
    """Playwright's own report of all shards beside the page and linked from it, or a note that says why not."""
    from ci_itest.flows.playwright_report import merged_reports

    merged = merged_reports(bundles, folder, wish=wish, root=root, environment=os.environ)
    names = {suite: "Playwright" if len(merged.pages) == 1 else f"Playwright, {suite}" for suite, _ in merged.pages}
    pages = tuple((names[suite], address) for suite, address in merged.pages)
    return replace(run, notes=(*run.notes, *merged.notes)), replace(links, pages=pages)


def _repeat(decided: Decision) -> ExitCode:
    """Nothing new happened to this commit: end as its last run did, and leave that run's report alone."""
    from ci_itest.errors import ExitCode
    from ci_itest.model.run import Conclusion

    say(decided.reason)
    building.append_summary(f"{decided.reason}\n")
    building.set_outputs({"conclusion": str(decided.conclusion)})
    return ExitCode.OK if decided.conclusion is Conclusion.SUCCESS else ExitCode.TESTS_FAILED


def _bypassed_run(facts: RunFacts) -> Run:
    from ci_itest.model.run import Run

    return Run(
        run_id=facts.run_id,
        commit=facts.commit,
        started_at=facts.started_at,
        run_attempt=facts.run_attempt,
        branch=facts.branch,
        is_trusted=facts.is_trusted,
    )


def templates_of(plan: Plan, place: Place, *, api: GitHubApi | None) -> Mapping[str, str]:
    """The user's own templates: those that the plan brings, those of its base commit for a pull request."""
    if not is_of_pull_request(place):
        return plan.templates
    return user_templates(plan.report, Path(), replace(place, root_in_repository=plan.root), api=api)


def owners_of(plan: Plan, place: Place, *, api: GitHubApi | None) -> Callable[[], str]:
    """Asks for the text of CODEOWNERS: the plan's, that of its base commit for a pull request."""
    return lambda: codeowners(Path(), place, api=api) if is_of_pull_request(place) else plan.codeowners


def record_run(run: Run, config: Config, place: Place, plan: Plan, *, api: GitHubApi | None) -> None:
    """Record the run and say what was done about it."""
    from ci_itest.flows.record import record

    with building.history(config, place) as store:
        words = record(
            run,
            store=store,
            repository=place.repository,
            recorded_at=building.now(),
            is_main=is_main(config, place),
        )
        say(words)
        if run.is_trusted:
            look_after_quarantine(store, config, place, plan)
        record_merged_bypass(store, plan, place, api=api)
