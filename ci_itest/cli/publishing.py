"""What the commands that report have in common: the run's facts, where its report is linked, and its comment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ci_itest.cli import building
from ci_itest.cli.console import say

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.flows.publish import Published
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.run import Run, RunFacts
    from ci_itest.model.settings import ReportSettings
    from ci_itest.reporting.view import Links

FailOn = Literal["failures", "new-failures"]


def failing_on(report: ReportSettings, fail_on: FailOn | None) -> ReportSettings:
    """The settings with what the command line says of `fail_on`."""
    return replace(report, fail_on=fail_on) if fail_on is not None else report


def say_findings(run: Run) -> None:
    for finding in run.findings[:20]:
        say(f"incomplete: {shown(finding.message)}")
    if len(run.findings) > 20:
        say(f"incomplete: {len(run.findings) - 20:,} more findings stand in the report.")


def shown(text: str) -> str:
    """Foreign words (a file's name) on one line of a log."""
    from ci_itest.github.commands import neutralise
    from ci_itest.reporting.sanitise import one_line

    return neutralise(one_line(text, 500))


def run_facts(place: Place) -> RunFacts:
    """What is known of the run without any bundle."""
    from ci_itest.model.run import RunFacts

    context = place.context
    return RunFacts(
        run_id=context.run_id if context else "",
        commit=place.commit,
        started_at=building.now(),
        run_attempt=context.run_attempt if context else 1,
        branch=place.branch,
        is_trusted=context is None or context.is_default_branch,
    )


def comment_key(run: Run, place: Place) -> str:
    """One comment for each workflow and settings folder of a pull request."""
    from ci_itest.github.comments import comment_key

    context = place.context
    workflow = (context.workflow_path or context.workflow) if context else "local"
    return comment_key(*(part for part in (workflow, run.root) if part))


def links_of(place: Place, *, replay_target: str) -> Links:
    from ci_itest.reporting.view import Links

    context = place.context
    if context is None:
        return Links(replay_target=replay_target)
    repository_url = f"{context.server_url}/{context.repository}"
    return Links(
        repository_url=repository_url,
        commit_url=f"{repository_url}/commit/{context.head_sha}",
        run_url=context.run_url,
        report_url=context.run_url,
        head_sha=context.head_sha,
        replay_target=replay_target,
    )


def post_comment(published: Published, run: Run, report: ReportSettings, place: Place, *, api: GitHubApi | None) -> str:
    """Post or update the pull request's comment; its address, "" where there is none."""
    context = place.context
    if api is None or context is None or not context.pull_request or report.comment == "off":
        return ""
    from ci_itest.github.comments import Marker, upsert

    marker = Marker(comment_key(run, place), run_id=int(context.run_id), run_attempt=context.run_attempt)
    creates = report.comment == "always" or not published.is_quiet or bool(run.fixes)
    return building.forgiving(
        lambda: upsert(api, context.pull_request, published.comment, marker, create=creates).url,
        what="the pull request's comment was not written",
    )
