"""Playwright Test 1.40 and newer: its own retries, workers and projects; divided by recorded seconds, not by count."""

from __future__ import annotations

import re
from pathlib import Path

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ShardRequest
from ci_itest.runners.exits import unexplained
from ci_itest.runners.files import listed_files
from ci_itest.runners.node import REPORTERS, NodeRunner, escaped, files_to_run, installed, launch

BLOB = "blob"
"""Folder in the results with Playwright's own report of the shard, for `playwright merge-reports`."""

_FILE = re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$")
_OLDEST_MINOR = 40


class PlaywrightRunner(NodeRunner):
    """The `Runner` for Playwright Test."""

    name = "playwright"
    retries_itself = True

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return listed_files(settings, root=root, usual=lambda name: _FILE.search(name) is not None)

    def launch(self, request: ShardRequest) -> Launch:
        package = installed(
            "@playwright/test", root=request.root, program="playwright", oldest=1, install="@playwright/test"
        )
        if package.major == 1 and int(package.version.split(".")[1]) < _OLDEST_MINOR:
            raise RunnerError(
                f"@playwright/test {package.version} is installed; 1.{_OLDEST_MINOR} is the oldest that works.",
                hint="Upgrade it: npm install --save-dev @playwright/test@latest",
            )
        settings = request.settings
        greps = ("--grep", settings.markers) if settings.markers else ()
        return launch(
            request,
            package,
            (
                "test",
                f"--retries={settings.retries}",
                f"--workers={max(request.workers, 1)}",
                *greps,
                *settings.arguments,
                f"--reporter={REPORTERS / 'playwright.cjs'},line,blob",
                *(f"^{escaped(str(request.root / file))}$" for file in files_to_run(request)),
            ),
            CI_ITEST_GREPS="1" if greps else "",
            PLAYWRIGHT_BLOB_OUTPUT_DIR=str(request.results / BLOB),
            PLAYWRIGHT_FORCE_TTY="0",
        )

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        return unexplained("Playwright", code, has_failures=has_failures)
