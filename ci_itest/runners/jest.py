"""Jest 27 and newer."""

from __future__ import annotations

import re

from ci_itest.runners.base import Launch, ShardRequest
from ci_itest.runners.node import REPORTERS, NodeRunner, files_to_run, installed, launch, names_pattern

_FILE = re.compile(r"(^|/)__tests__/.*\.[cm]?[jt]sx?$|(^|[./])(test|spec)\.[cm]?[jt]sx?$")


class JestRunner(NodeRunner):
    """The `Runner` for Jest. Retries are launches of their own: jest.retryTimes is a call inside the tests."""

    name = "jest"
    title = "Jest"
    usual_files = _FILE
    retries_itself = False

    def launch(self, request: ShardRequest) -> Launch:
        package = installed("jest", root=request.root, program="jest", oldest=27, install="jest")
        settings = request.settings
        pattern = names_pattern(request) or settings.markers
        workers = ("--runInBand",) if request.workers <= 1 else (f"--maxWorkers={request.workers}",)
        return launch(
            request,
            package,
            (
                f"--reporters={REPORTERS / 'jest.cjs'}",
                "--reporters=default",
                "--ci",
                "--testLocationInResults",
                *workers,
                *((f"--testNamePattern={pattern}",) if pattern else ()),
                *settings.arguments,
                "--runTestsByPath",
                *(str(request.root / file) for file in files_to_run(request)),
            ),
        )
