"""A run that went without the suite, for the report job: by which settings it is reported, and where it is recorded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.github.api import GitHubApi
    from ci_itest.history.store import HistoryStore
    from ci_itest.model.decision import Decision
    from ci_itest.model.plan import Plan


def bypassed_config(decided: Decision, config: Config, place: Place, *, api: GitHubApi | None) -> Config:
    """The settings with the base commit's judging tables: a run that goes without the suite has no plan to bring them.

    With GitHub away the defaults stand in, which only costs the report its title.
    """
    from ci_itest.flows.base_settings import judging_config

    path = PurePosixPath(decided.settings_path)
    if not path.name:
        return config
    judging = judging_config(
        replace(config, file_name=path.name),
        place.context,
        folder=str(path.parent).removeprefix("."),
        is_named=True,
        environment=os.environ,
        overrides={},
        github=api,
    )
    if judging.trouble:
        say(f"warning: {judging.trouble}. The built-in defaults stand in.")
    return judging.config


def record_bypass(decided: Decision, config: Config, place: Place) -> None:
    """Keep who let the suite be skipped, and say so; never fails a run."""
    from ci_itest.flows.record import keep_bypass
    from ci_itest.history.location import CACHE
    from ci_itest.model.bypass import BypassRecord

    context = place.context
    if context is None or not context.pull_request:
        return
    if config.settings.history.store == CACHE:
        say("The bypass is recorded by the default branch's run when the pull request is merged.")
        return
    record = BypassRecord(
        run_id=context.run_id,
        run_attempt=context.run_attempt,
        pull_request=context.pull_request,
        commit=context.head_sha,
        branch=context.branch,
        actor=decided.actor,
        rule=decided.rule,
        label=decided.label,
        reason=decided.reason,
        at=building.now(),
    )
    with building.history(config, place) as store:
        say(keep_bypass(record, store=store, repository=place.repository))


def record_merged_bypass(store: HistoryStore | None, plan: Plan, place: Place, *, api: GitHubApi | None) -> None:
    """After a push to the default branch: keep that the pull request behind it went without the suite, if it did."""
    from ci_itest.errors import GitHubError
    from ci_itest.flows.merged_bypass import merged_bypass
    from ci_itest.flows.record import keep_bypass

    context = place.context
    if api is None or context is None or not context.is_default_branch:
        return
    try:
        record = merged_bypass(context, plan.bypass, github=api)
    except GitHubError as error:
        say(f"warning: whether this commit was merged without the suite is not known: {error.message}")
        return
    if record is not None:
        say(f"Pull request #{record.pull_request} was merged without the suite: {record.reason}")
        say(keep_bypass(record, store=store, repository=place.repository))
