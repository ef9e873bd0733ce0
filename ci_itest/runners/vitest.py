"""Vitest 3 and newer."""

from __future__ import annotations

import re
from pathlib import Path

from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ShardRequest
from ci_itest.runners.exits import unexplained
from ci_itest.runners.files import listed_files
from ci_itest.runners.node import REPORTERS, NodeRunner, files_to_run, installed, launch, names_pattern

_FILE = re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$")


class VitestRunner(NodeRunner):
    """The `Runner` for Vitest."""

    name = "vitest"
    retries_itself = True

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return listed_files(settings, root=root, usual=lambda name: _FILE.search(name) is not None)

    def launch(self, request: ShardRequest) -> Launch:
        package = installed("vitest", root=request.root, program="vitest", oldest=3, install="vitest")
        settings = request.settings
        pattern = names_pattern(request) or settings.markers
        # A filter is part of a path: the whole path means this file and no other of the same name.
        files = [str(request.root / file) for file in files_to_run(request)]
        return launch(
            request,
            package,
            (
                "run",
                f"--reporter={REPORTERS / 'vitest.mjs'}",
                "--reporter=default",
                f"--retry={settings.retries}",
                f"--maxWorkers={max(request.workers, 1)}",
                "--includeTaskLocation",
                "--no-color",
                *(("--testNamePattern", pattern) if pattern else ()),
                *settings.arguments,
                *files,
            ),
        )

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        return unexplained("Vitest", code, has_failures=has_failures)
