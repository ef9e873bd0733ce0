"""Playwright Test 1.40 and newer: its own retries, workers and projects; divided by recorded seconds, not by count."""

from __future__ import annotations

from ci_itest.errors import RunnerError
from ci_itest.runners.base import BLOB, Launch, ShardRequest
from ci_itest.runners.files import files_to_run
from ci_itest.runners.node import REPORTERS, NodeRunner, escaped, installed, launch

_OLDEST_MINOR = 40


class PlaywrightRunner(NodeRunner):
    """The `Runner` for Playwright Test."""

    name = "playwright"
    title = "Playwright"
    retries_itself = True

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
