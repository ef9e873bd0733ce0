"""Files of the repository that say how a run is shown and whom it names: the base commit's for a pull request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_itest.cli.console import say
from ci_itest.model.github import PULL_REQUEST_EVENT

if TYPE_CHECKING:
    from ci_itest.cli.building import Place
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.settings import ReportSettings

CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in its order."""

Read = Callable[[str], bytes | None]


def is_of_pull_request(place: Place) -> bool:
    """Whether the checkout is what a pull request wants to be, and so says nothing about its own judgement."""
    return place.context is not None and place.context.event_name == PULL_REQUEST_EVENT


def user_templates(report: ReportSettings, root: Path, place: Place, *, api: GitHubApi | None) -> Mapping[str, str]:
    """The templates that the settings name; what is wrong with them is said."""
    from ci_itest.flows.user_templates import UserTemplates, read_templates

    if not report.templates:
        return {}
    read = _reader(root, place, api)
    if read is None:
        found = UserTemplates({}, ("The templates cannot be read: there is no token, or no base commit.",))
    else:
        folder = PurePosixPath(place.root_in_repository)
        found = read_templates(report.templates, read=lambda path: read(str(folder / path)))
    for trouble in found.troubles:
        say(f"warning: {trouble} The report uses ours.")
    return found.texts


def codeowners(root: Path, place: Place, *, api: GitHubApi | None) -> str:
    """Text of CODEOWNERS, "" where there is none or it cannot be read: then nobody is named."""
    from ci_itest.errors import GitHubError

    read = _reader(root, place, api)
    try:
        found = (read(name) for name in CODEOWNERS) if read is not None else ()
        return next((data.decode(errors="replace") for data in found if data is not None), "")
    except (OSError, GitHubError) as error:
        say(f"warning: the owners of flaky cases are not known: {error}")
        return ""


def _reader(root: Path, place: Place, api: GitHubApi | None) -> Read | None:
    """Reads files by their path from the repository's top; None where the base commit cannot be asked for."""
    from ci_itest.flows.user_templates import file_in

    if not is_of_pull_request(place):
        return file_in(top_of(root, place))
    context = place.context
    if api is None or context is None or not context.base_sha:
        return None
    sha = context.base_sha
    return lambda path: api.file(path, ref=sha)


def top_of(root: Path, place: Place) -> Path:
    """The repository's top, seen from the settings' folder in a checkout."""
    depth = len(PurePosixPath(place.root_in_repository).parts)
    return root.resolve().parents[depth - 1] if depth else root
