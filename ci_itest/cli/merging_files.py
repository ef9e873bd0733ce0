"""JUnit files that no plan of ours stands behind: merged, held against a history where one is named, reported."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.checking import make_check, report_api
from ci_itest.cli.console import say
from ci_itest.cli.judging import is_main, judged_run
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
from ci_itest.cli.trusted_files import codeowners, user_templates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci_itest.cli.building import Place
    from ci_itest.config.reader import Config
    from ci_itest.flows.merge_reports import MergedReports
    from ci_itest.github.api import GitHubApi


def merge_files(
    files: tuple[Path, ...],
    *,
    root: Path,
    config_file: Path | None,
    assignments: tuple[str, ...],
    out: Path,
    formats: tuple[str, ...],
    base: tuple[Path, ...],
    fail_on: FailOn | None,
) -> int:
    """Merge and report JUnit files that no plan of ours stands behind."""
    from ci_itest.errors import UsageError
    from ci_itest.flows.merge_reports import find_reports, merge_reports, read_base
    from ci_itest.flows.publish import ReportFormat, outputs_of
    from ci_itest.flows.publish_reports import publish_reports

    found, searched = find_reports(files, without=out)
    if not found:
        raise UsageError(
            f"There is no report in {', '.join(map(str, files[:5]))}.", hint="Name JUnit files, or a folder with *.xml."
        )
    config = building.read_settings(root, config_file, assignments)
    report = failing_on(config.settings.report, fail_on)
    place = building.place_of(root)
    api = report_api(place)
    # Without a run id there is nothing to replay, and no replay command is shown.
    merged = merge_reports(found, replace(run_facts(place), run_id=""), searched=searched)
    merged = _judged(merged, found, config, place, api=api)
    published = publish_reports(
        merged,
        folder=out,
        title=report.title,
        key=comment_key(merged.run, place),
        at=building.now(),
        links=links_of(place, replay_target=""),
        formats=tuple(map(ReportFormat, formats)) or tuple(ReportFormat),
        base=read_base(base) if base else None,
        templates=user_templates(report, root, place, api=api),
        fails_on_new_only=report.fail_on == "new-failures",
    )
    say_findings(merged.run)
    comment_url = post_comment(published, merged.run, report, place, api=api)
    make_check(published, report, place, prefix="", api=api)
    building.append_summary(published.summary)
    building.annotate(published.annotations, prefix="")
    building.set_outputs(outputs_of(published, comment_url=comment_url))
    say(shown(published.view.headline))
    click.echo(published.page if not formats or "page" in formats else out)
    return published.exit_code


def _judged(
    merged: MergedReports, files: Sequence[Path], config: Config, place: Place, *, api: GitHubApi | None
) -> MergedReports:
    """The merged files with a cause for every failure, and recorded, where the settings name a history.

    Without one named they are left alone: nobody asked for a file somewhere that remembers them.
    """
    from ci_itest.config.sources import DEFAULT
    from ci_itest.flows.record import record

    if config.origin(("history", "store")) == DEFAULT:
        return merged
    # The files are no shards: what failed together in one of them says nothing that its modules do not.
    cases = tuple(replace(result, shard=0) for result in merged.cases)
    run = replace(merged.run, run_id=_run_id(files, place), cases=cases)
    run = judged_run(run, config, place, owners=lambda: codeowners(config.root, place, api=api))
    with building.history(config, place) as store:
        words = record(
            run,
            store=store,
            repository=place.repository,
            recorded_at=building.now(),
            is_main=is_main(config, place),
        )
    say(words)
    return replace(merged, run=replace(merged.run, judged=run.judged, notes=run.notes))


def _run_id(files: Sequence[Path], place: Place) -> str:
    """The same for the same files, so that merging them twice is no second run."""
    from ci_itest.flaky.numbers import LOCAL_RUN

    digest = hashlib.sha256((place.context.run_id if place.context else "").encode())
    for content in sorted(hashlib.sha256(path.read_bytes()).digest() for path in files if path.is_file()):
        digest.update(content)
    return f"{'' if os.environ.get('CI') else LOCAL_RUN}files-{digest.hexdigest()[:16]}"
