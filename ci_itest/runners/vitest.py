"""Vitest 3 and newer."""

from __future__ import annotations

from ci_itest.runners.base import Launch, ShardRequest
from ci_itest.runners.files import files_to_run
from ci_itest.runners.node import REPORTERS, NodeRunner, installed, launch, names_pattern


class VitestRunner(NodeRunner):
    """The `Runner` for Vitest."""

    name = "vitest"
    title = "Vitest"
    retries_itself = True

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
                *((f"--sequence.seed={request.seed}",) if request.seed else ()),
                *(("--testNamePattern", pattern) if pattern else ()),
                *settings.arguments,
                *files,
            ),
        )
