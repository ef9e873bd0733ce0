"""The user's own templates, out of the folder that `report.templates` names, and which of them can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ci_itest.errors import GitHubError

if TYPE_CHECKING:
    from ci_itest.reporting.view import ReportView

PAGE, COMMENT, SUMMARY = "report.html.j2", "comment.md.j2", "summary.md.j2"
REPLACEABLE = (PAGE, COMMENT, SUMMARY)
"""Templates that a repository may bring; each may extend the one of ours by `ci-itest/NAME`."""

MAX_TEMPLATE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class UserTemplates:
    """Templates that were found or can be used.

    Attributes:
        texts: By name.
        troubles: Why others are not among them, one sentence each.
    """

    texts: Mapping[str, str]
    troubles: tuple[str, ...] = ()


def read_templates(
    folder: str, *, read: Callable[[str], bytes | None], names: Sequence[str] = REPLACEABLE
) -> UserTemplates:
    """The templates of a folder.

    Args:
        folder: As the settings have it, seen from their own folder.
        names: Those that are wanted.
        read: A file's bytes by its path below the settings' folder, None where there is none; may raise OSError or
            GitHubError.
    """
    path = PurePosixPath(folder)
    if not folder:
        return UserTemplates({})
    if path.is_absolute() or ".." in path.parts:
        return UserTemplates({}, (f"report.templates is {folder}, which is outside the settings' folder.",))
    texts: dict[str, str] = {}
    troubles = []
    for name in names:
        try:
            data = read(str(path / name))
            if data is not None and len(data) > MAX_TEMPLATE_BYTES:
                troubles.append(
                    f"The template {name} has {len(data):,} bytes; at most {MAX_TEMPLATE_BYTES:,} are read."
                )
            elif data is not None:
                texts[name] = data.decode()
        except (OSError, GitHubError, UnicodeDecodeError) as error:
            troubles.append(f"The template {name} cannot be read: {error}")
    if not texts and not troubles and names == REPLACEABLE:
        troubles.append(f"There is no template in {folder}; ours are {', '.join(REPLACEABLE)}.")
    return UserTemplates(texts, tuple(troubles))


def file_in(root: Path) -> Callable[[str], bytes | None]:
    """Reads files below a folder; what a link leads out of it to counts as not there."""

    def read(path: str) -> bytes | None:
        file = (root / path).resolve()
        return file.read_bytes() if file.is_relative_to(root.resolve()) and file.is_file() else None

    return read


def usable(templates: Mapping[str, str], view: ReportView) -> UserTemplates:
    """Those that can be rendered for this run, each tried once; for the others ours stand in, and it is said why."""
    # Here, since `plan` reads templates and CODEOWNERS through this module and renders nothing.
    from ci_itest.reporting.html import html_report
    from ci_itest.reporting.markdown import comment, summary
    from ci_itest.reporting.templates import TemplateTroubleError

    trials: dict[str, Callable[[Mapping[str, str]], str]] = {
        PAGE: lambda own: html_report(view, overrides=own),
        COMMENT: lambda own: comment(view, key="trial", overrides=own),
        SUMMARY: lambda own: summary(view, overrides=own),
    }
    good, troubles = {}, []
    for name, text in templates.items():
        if name not in trials:
            continue
        try:
            trials[name]({name: text})
            good[name] = text
        except TemplateTroubleError as error:
            troubles.append(f"{error.message} The built-in one is used.")
    return UserTemplates(good, tuple(troubles))
