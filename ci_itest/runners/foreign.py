"""What the adapters of all runners but pytest share: programs that know nothing of us and take files by name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import ReportedCase, ShardRequest
from ci_itest.runners.exits import unexplained
from ci_itest.runners.journal import JournalReader


class ForeignRunner(JournalReader):
    """The parts of `Runner` that are the same for them.

    Attributes:
        title: What its makers call it, at the beginning of a sentence.
    """

    title: str
    keeps_journal = False
    retries_itself = False

    def groups(self, file: Path) -> Mapping[str, str]:
        return {}

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        return dict(environment)

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        return unexplained(self.title, code, has_failures=has_failures)


def program_on_path(name: str, request: ShardRequest) -> str | None:
    """The program as the tests find it; None where it is not installed."""
    return shutil.which(name, path=request.environment.get("PATH", os.defpath))


def said_by(command: Sequence[str], request: ShardRequest) -> str:
    """What a program prints that is asked for its version, where the tests run.

    Raises:
        RunnerError: It fails.
    """
    code, words = output_of(command, directory=request.root, environment=request.environment)
    if code != 0:
        raise does_not_run(command[0], words)
    return words.strip()


def does_not_run(program: str, words: str) -> RunnerError:
    """The error for a program that ends badly, or with words that are no version."""
    return RunnerError(f"{program} does not run. It said: {words[-300:]}")


def with_folders_first(environment: Mapping[str, str], folders: Sequence[Path]) -> dict[str, str]:
    """The environment in which programs are looked for in those of the folders that exist, before any other."""
    path = environment.get("PATH", os.defpath)
    found = [str(folder) for folder in folders if folder.is_dir()]
    return {**environment, "PATH": os.pathsep.join([*found, path])}


def numbered(name: str, reported: ReportedCase) -> str:
    """The name of a case with the number that tells it from others called the same."""
    return name if reported.ordinal == 1 else f"{name} (#{reported.ordinal})"
