"""Names to adapters."""

from __future__ import annotations

import difflib

from ci_itest.errors import UsageError
from ci_itest.runners.base import Runner
from ci_itest.runners.command import CommandRunner
from ci_itest.runners.dotnet import DotnetRunner
from ci_itest.runners.gotest import GoRunner
from ci_itest.runners.jest import JestRunner
from ci_itest.runners.phpunit import PhpUnitRunner
from ci_itest.runners.playwright import PlaywrightRunner
from ci_itest.runners.pytest import PytestRunner
from ci_itest.runners.vitest import VitestRunner

_RUNNERS: dict[str, type[Runner]] = {
    "pytest": PytestRunner,
    "vitest": VitestRunner,
    "jest": JestRunner,
    "playwright": PlaywrightRunner,
    "go": GoRunner,
    "phpunit": PhpUnitRunner,
    "dotnet": DotnetRunner,
    "command": CommandRunner,
}


def runner_named(name: str) -> Runner:
    """The adapter of that name; UsageError with the nearest one when there is none."""
    if name not in _RUNNERS:
        nearest = difflib.get_close_matches(name, list(_RUNNERS), n=1)
        hint = f"Did you mean {nearest[0]}?" if nearest else f"There is: {', '.join(_RUNNERS)}."
        raise UsageError(f"There is no runner {name!r}.", hint=hint)
    return _RUNNERS[name]()
