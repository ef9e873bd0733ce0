"""What a report tells GitHub beside its comment: the check run, and within how many calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci_itest.cli import building

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.flows.publish import Published
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.settings import ReportSettings

MAX_CALLS = 12
"""Of a report, whatever the size of the suite; what does not fit stays in the summary."""


def report_api(place: Place) -> GitHubApi | None:
    from ci_itest.github.transport import Patience

    return building.github_api(place.context, patience=Patience(calls=MAX_CALLS))


def make_check(
    published: Published, report: ReportSettings, place: Place, *, prefix: str, api: GitHubApi | None
) -> None:
    """Make the check run where the settings want one; GitHub's trouble is said and changes nothing.

    Args:
        prefix: Folder of the settings inside the repository, since cases name files from there.
    """
    if api is None or place.context is None or not report.check:
        return
    from ci_itest.errors import ExitCode
    from ci_itest.github.checks import MAX_ANNOTATIONS, Check, Mark, publish_check
    from ci_itest.reporting.inline import inline_annotations

    marks = [
        Mark(f"{prefix}/{item.file}" if prefix else item.file, item.line, item.title, item.message)
        for item in inline_annotations(published.view, limit=MAX_ANNOTATIONS)
    ]
    check = Check(
        name=report.title,
        head_sha=place.context.head_sha,
        conclusion="success" if published.exit_code is ExitCode.OK else "failure",
        title=published.view.headline,
        summary=published.comment.partition("\n")[2],
        marks=marks,
        details_url=place.context.run_url,
    )
    building.forgiving(lambda: publish_check(api, check), what="the check run was not made")
