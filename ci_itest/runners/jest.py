"""Jest 27 and newer."""

from __future__ import annotations

import re

from ci_itest.runners.base import Launch, ShardRequest
from ci_itest.runners.files import files_to_run
from ci_itest.runners.node import REPORTERS, NodeRunner, Package, installed, launch, names_pattern

_FILE = re.compile(r"(^|/)__tests__/.*\.[cm]?[jt]sx?$|(^|[./])(test|spec)\.[cm]?[jt]sx?$")


_SEEDS = 2**31
"""Jest takes seeds below this one."""


class JestRunner(NodeRunner):
    """The `Runner` for Jest. Retries are launches of their own: jest.retryTimes is a call inside the tests."""

    name = "jest"
    title = "Jest"
    usual_files = _FILE

    def launch(self, request: ShardRequest) -> Launch:
        package = installed("jest", root=request.root, program="jest", oldest=27, install="jest")
        settings = request.settings
        pattern = names_pattern(request) or settings.markers
        order = (f"--testSequencer={REPORTERS / 'jest-sequencer.cjs'}",) if request.queues else ()
        seed = (f"--seed={int(request.seed) % _SEEDS}",) if request.seed and _takes_seed(package) else ()
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
                *order,
                *seed,
                *((f"--testNamePattern={pattern}",) if pattern else ()),
                *settings.arguments,
                "--runTestsByPath",
                *(str(request.root / file) for file in files_to_run(request)),
            ),
        )


def _takes_seed(package: Package) -> bool:
    """Jest 29.2 and newer; an older one refuses an option that it does not know."""
    major, minor = (int(part) for part in package.version.split(".")[:2])
    return (major, minor) >= (29, 2)
