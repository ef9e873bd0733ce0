"""A shard with everything up, in the hands of a person: a shell, a debugger, or a pause after the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ci_itest.cli.console import say

if TYPE_CHECKING:
    from ci_itest.runners.base import ShardRequest


def instead_of_tests(shell: bool, debugger: bool) -> Callable[[ShardRequest], int] | None:
    """What takes the place of the tests; None for the tests themselves."""
    if shell:
        return _shell
    return _debug if debugger else None


def _shell(request: ShardRequest) -> int:
    from ci_itest.process import foreground

    program = os.environ.get("SHELL") or "/bin/sh"
    _show_addresses(request)
    say("Everything is up. Leave the shell to take it down.")
    return foreground([program], directory=request.root, environment=request.environment)


def _debug(request: ShardRequest) -> int:
    from ci_itest.model.settings import Seconds
    from ci_itest.process import foreground
    from ci_itest.runners.registry import runner_named

    arguments = (*request.settings.arguments, "--pdb", "--capture=no")
    settings = replace(request.settings, arguments=arguments, retries=0, case_timeout=Seconds(0))
    launch = runner_named(settings.runner).launch(replace(request, settings=settings, workers=0))
    return foreground(launch.command, directory=request.root, environment={**request.environment, **launch.environment})


def hold(request: ShardRequest) -> None:
    _show_addresses(request)
    say("Services and app stay up until you press Enter.")
    sys.stdin.readline()


def _show_addresses(request: ShardRequest) -> None:
    for name in request.settings.environment:
        say(f"  {name}={request.environment.get(name, '')}")
