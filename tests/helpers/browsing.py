"""A real browser on pages of a real service: what a page did that it must not do, and what axe says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
_VIOLATIONS = (
    "window.__violations = [];"
    "document.addEventListener('securitypolicyviolation', event => window.__violations.push(event.violatedDirective))"
)


class Visit:
    """A page that is open, and everything it complained of or asked of others."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2] if "//" in request.url else ""))

    async def check(self) -> None:
        """Nothing was run, refused, logged or fetched that is not the page's own."""
        assert self.complaints == [], self.complaints
        assert len(self.hosts - {""}) == 1
        assert await self.page.evaluate("window.__violations") == []
        assert await self.page.evaluate("window.__pwned") is None

    async def wrong_by_axe(self) -> list[str]:
        """Serious and critical findings of axe, each with its place."""
        await self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['html'][:120]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]


class Browsing:
    """One browser, driven from tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, browser: Browser) -> None:
        self._runner = runner
        self._browser = browser

    def visit(self, url: str, look: Callable[[Visit], Awaitable[None]], **options: Any) -> None:
        """Open a page in a context of its own, look at it; then it must not have done anything it must not."""
        self._runner.run(self._visit(url, look, options))

    async def _visit(self, url: str, look: Callable[[Visit], Awaitable[None]], options: dict[str, Any]) -> None:
        context = await self._browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        try:
            page = await context.new_page()
            visit = Visit(page)
            has_scripts = options.get("java_script_enabled", True)
            if has_scripts:
                await page.add_init_script(_VIOLATIONS)
            await page.goto(url)
            await look(visit)
            if has_scripts:
                await visit.check()
            assert visit.complaints == [], visit.complaints
        finally:
            await context.close()


@contextmanager
def browsing(chromium_path: str) -> Iterator[Browsing]:
    """A browser that is open; it takes longer to start than to open a page."""
    with asyncio.Runner() as runner:
        playwright = runner.run(async_playwright().start())
        browser = runner.run(playwright.chromium.launch(executable_path=chromium_path, args=list(QUIET)))
        try:
            yield Browsing(runner, browser)
        finally:
            runner.run(browser.close())
            runner.run(playwright.stop())
