"""The user's own report templates, for the commands that plan and report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_itest.cli import building
from ci_itest.cli.console import say

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.model.settings import ReportSettings


def user_templates(report: ReportSettings, root: Path, place: Place) -> Mapping[str, str]:
    """The templates that the settings name, those of a pull request out of its base commit; what is wrong is said."""
    from ci_itest.flows.user_templates import UserTemplates, file_in, read_templates
    from ci_itest.model.github import PULL_REQUEST_EVENT

    if not report.templates:
        return {}
    context = place.context
    if context is None or context.event_name != PULL_REQUEST_EVENT:
        found = read_templates(report.templates, read=file_in(root))
    elif (api := building.github_api(context)) is None or not context.base_sha:
        found = UserTemplates({}, ("The templates cannot be read: there is no token, or no base commit.",))
    else:
        folder, sha = PurePosixPath(place.root_in_repository), context.base_sha
        found = read_templates(report.templates, read=lambda path: api.file(str(folder / path), ref=sha))
    for trouble in found.troubles:
        say(f"warning: {trouble} The report uses ours.")
    return found.texts
