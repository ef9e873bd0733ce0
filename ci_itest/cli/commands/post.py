"""`ci-itest post`: the pull-request comment of a run whose own token could not write."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_itest.flows.post import Foreign
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.github import Context
    from ci_itest.model.settings import ReportSettings

MAX_CALLS = 20


@click.command("post")
@click.option("--run", "run_id", default="", help="Id of the run.  [default: the one the workflow_run event is about]")
def command(run_id: str) -> int:
    """Post the comment of a fork's or Dependabot's run, whose own token may only read.

    For a workflow on `workflow_run`. Nothing is checked out, nothing of the run's artifact is trusted, and no verdict
    changes: the run's own check has decided.
    """
    from ci_itest.errors import CiItestError, UsageError
    from ci_itest.flows.post import foreign_run
    from ci_itest.github.context import context as github_context
    from ci_itest.github.context import triggering_run
    from ci_itest.github.transport import Patience

    context = github_context(os.environ)
    api = building.github_api(context, patience=Patience(calls=MAX_CALLS))
    run_id = run_id or triggering_run(os.environ)
    if context is None or api is None or not run_id.isdigit():
        raise UsageError(
            "There is no run to post for.", hint="Use mode post in a workflow on workflow_run, with a token."
        )
    try:
        found = foreign_run(run_id, github=api)
        if isinstance(found, str):
            say(found)
            return 0
        url = _posted(found, context, api)
    except CiItestError as error:
        # What a fork leaves must not turn a workflow of the default branch red.
        say(f"warning: nothing was posted: {error}")
        return 0
    building.set_outputs({"comment-url": url})
    say(f"Posted: {url}" if url else "There was nothing that had to be said.")
    return 0


def _posted(found: Foreign, context: Context, api: GitHubApi) -> str:
    from ci_itest.flows.post import said_of
    from ci_itest.flows.publish import logs_of_failures, says_nothing_new, with_templates
    from ci_itest.github.comments import Marker, comment_key, upsert
    from ci_itest.reporting.markdown import comment
    from ci_itest.reporting.view import Links, report_view

    report = _report_settings(found, context, api)
    if report.comment == "off":
        return ""
    repository_url = f"{context.server_url}/{context.repository}"
    run_url = f"{repository_url}/actions/runs/{found.run.id}"
    links = Links(
        repository_url=repository_url,
        commit_url=f"{repository_url}/commit/{found.run.head_sha}",
        run_url=run_url,
        report_url=run_url,
        head_sha=found.run.head_sha,
        replay_target=found.run.id,
    )
    view = report_view(
        found.result, at=building.now(), links=links, title=report.title, logs=logs_of_failures(found.result)
    )
    view, own = with_templates(view, _templates(report.templates, found, api))
    key = comment_key(*(part for part in (found.run.path or found.run.name, found.result.root) if part))
    marker = Marker(key, run_id=int(found.run.id), run_attempt=found.run.attempt)
    head, _, body = comment(view, key=key, overrides=own).partition("\n")
    creates = report.comment == "always" or not says_nothing_new(view)
    text = f"{head}\n{said_of(found)}\n\n{body}"
    return upsert(api, found.pull.number, text, marker, create=creates).url


def _templates(folder: str, found: Foreign, api: GitHubApi) -> Mapping[str, str]:
    """The base commit's own template of the comment; what is wrong with it is said, and ours is used."""
    from ci_itest.flows.user_templates import COMMENT, read_templates

    settings_folder, base = PurePosixPath(found.result.root), found.pull.base_sha
    templates = read_templates(
        folder, read=lambda path: api.file(str(settings_folder / path), ref=base), names=(COMMENT,)
    )
    for trouble in templates.troubles:
        say(f"warning: {trouble} The comment uses ours.")
    return templates.texts


def _report_settings(found: Foreign, context: Context, api: GitHubApi) -> ReportSettings:
    """The base commit's: a fork does not say how it is shown."""
    from dataclasses import replace

    from ci_itest.config.reader import read_config
    from ci_itest.flows.base_settings import judging_config
    from ci_itest.model.github import PULL_REQUEST_EVENT

    with tempfile.TemporaryDirectory(prefix="ci-itest-post-") as empty:
        defaults = read_config(Path(empty), environment={})
    about = replace(context, event_name=PULL_REQUEST_EVENT, base_sha=found.pull.base_sha)
    judging = judging_config(
        defaults,
        about,
        folder=found.result.root,
        is_named=False,
        environment=os.environ,
        overrides={},
        github=api,
    )
    return judging.config.settings.report
