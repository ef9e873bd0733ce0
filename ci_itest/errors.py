"""Every error a user can meet: what happened, what to do about it, and the exit code it ends the program with."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process says when it ends; documented in the README and stable."""

    OK = 0
    TESTS_FAILED = 1
    USAGE = 2
    SERVICES = 3
    NOTHING_TO_RUN = 4
    INCOMPLETE = 5
    INTERNAL = 70
    FILES = 74


class CiItestError(Exception):
    """Something the user can put right: shown as message and hint, without a traceback."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(CiItestError):
    """The command line or the action's inputs do not fit together."""


class SettingsError(CiItestError):
    """A settings file, a settings value or a template in one is wrong."""


class PlanError(CiItestError):
    """A suite cannot be divided, or a plan cannot be used."""


class DocumentError(CiItestError):
    """A document of ours (plan.json, shard.json …) cannot be read: broken, or of a newer schema."""


class RunnerError(CiItestError):
    """The test runner is not there, or refused to start."""


class ServiceError(CiItestError):
    """A service or the app did not start, died, or never got ready."""

    exit_code = ExitCode.SERVICES


class EngineError(ServiceError):
    """The Docker engine cannot be reached or refused a request."""


class RegistryError(EngineError):
    """A registry does not give an image, or not the content that its digest promises.

    Attributes:
        status: The HTTP status, 0 when no answer came.
        is_about_content: The image is there, but what was served of it is cut short or wrong.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0, is_about_content: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.is_about_content = is_about_content


class BuildError(ServiceError):
    """The `[build]` command failed or took too long."""


class PrepareError(ServiceError):
    """A `[[prepare]]` command failed or took too long."""


class AppError(ServiceError):
    """The team's own server did not come up."""


class NothingToRunError(CiItestError):
    """The settings select no test at all."""

    exit_code = ExitCode.NOTHING_TO_RUN


class FileError(CiItestError):
    """A file cannot be read or written (permissions, disk full)."""

    exit_code = ExitCode.FILES


class HistoryError(CiItestError):
    """The history store cannot be used; a plan goes on without it."""

    exit_code = ExitCode.FILES


class GitHubError(CiItestError):
    """GitHub did not do what was asked; never changes a verdict.

    Attributes:
        status: The HTTP status, 0 when no answer came.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status
