"""The settings that judge a pull request, out of the commit it goes into: it cannot change its own judge."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from ci_itest.config.reader import Config, read_config
from ci_itest.config.sources import FILE_NAME, NO_FILE, PYPROJECT
from ci_itest.errors import CiItestError, GitHubError
from ci_itest.model.github import PULL_REQUEST_EVENT, Context
from ci_itest.model.settings import Settings

JUDGES = ("bypass", "flaky", "history", "report")
"""Tables of the settings that a pull request does not set for itself."""

Read = Callable[[Path], Config]


class GitHub(Protocol):
    """What is asked of GitHub; it may raise GitHubError."""

    def file(self, path: str, *, ref: str) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Judging:
    """Settings whose judging tables are the base commit's.

    Attributes:
        trouble: Why the built-in defaults stand in for the base's tables, for people; "" when they do not.
    """

    config: Config
    trouble: str = ""


def judging_config(
    config: Config,
    context: Context | None,
    *,
    folder: str,
    is_named: bool,
    environment: Mapping[str, str],
    overrides: Mapping[str, str],
    github: GitHub | None,
) -> Judging:
    """The settings a run is judged by.

    Of a pull request's run the tables of `JUDGES` are the base commit's, everything else (what is tested, how it is
    divided) its own. Where the base cannot be read, or is no settings file, those tables are the built-in defaults,
    which bypass and mute nothing. What the workflow sets (inputs, variables) goes before both.

    Args:
        config: As the checkout has it.
        folder: Of the settings inside the repository, "" for its top.
        is_named: Whether the workflow names the settings file, so that no other is looked for.
        environment: `CI_ITEST_…` variables, as for the checkout's settings.
        overrides: Of the command line, as for the checkout's settings.
        github: None where there is no token to ask with.
    """
    if context is None or context.event_name != PULL_REQUEST_EVENT:
        return Judging(config)
    file, trouble = _base_file(config, context, folder=folder, is_named=is_named, github=github)
    with tempfile.TemporaryDirectory(prefix="ci-itest-base-") as temporary:
        root = Path(temporary)
        if file is not None:
            (root / file.name).write_bytes(file.content)
        try:
            base = read_config(
                root,
                file=root / file.name if is_named and file is not None else None,
                environment=environment,
                overrides=overrides,
            )
        except CiItestError as error:
            trouble = f"the settings of the base commit cannot be used: {error.message}"
            (root / file.name).unlink() if file is not None else None
            base = read_config(root, environment=environment, overrides=overrides)
    return Judging(replace(config, settings=_judged_by(config.settings, base.settings)), trouble)


def settings_path(config: Config, *, folder: str) -> str:
    """The settings file in use, from the repository's top; the usual one where none is."""
    return str(PurePosixPath(folder) / _name(config))


def _judged_by(own: Settings, base: Settings) -> Settings:
    return replace(own, **{table: getattr(base, table) for table in JUDGES})


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    content: bytes


def _base_file(
    config: Config, context: Context, *, folder: str, is_named: bool, github: GitHub | None
) -> tuple[_File | None, str]:
    """The base's settings file, None for none, and what went wrong."""
    if github is None:
        return None, "there is no token to read the base commit with"
    if not context.base_sha:
        return None, "the event does not tell the base commit"
    try:
        for path in _candidates(config, folder=folder, is_named=is_named):
            content = github.file(path, ref=context.base_sha)
            if content is not None:
                return _File(PurePosixPath(path).name, content), ""
    except GitHubError as error:
        return None, f"the base commit cannot be read: {error.message}"
    return None, ""


def _candidates(config: Config, *, folder: str, is_named: bool) -> list[str]:
    """Where the base may have its settings, the likeliest first."""
    first = _name(config)
    names = [first] if is_named else [first, PYPROJECT if first == FILE_NAME else FILE_NAME]
    return [str(PurePosixPath(folder) / name) for name in names]


def _name(config: Config) -> str:
    return FILE_NAME if config.file_name == NO_FILE.name else PurePosixPath(config.file_name).name
