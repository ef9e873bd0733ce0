"""The HTML report in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from ci_itest.model.run import Finding, FindingKind, Run
from ci_itest.reporting.html import html_report
from ci_itest.reporting.view import ServiceLog, report_view
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import (
    AT,
    LINKS,
    TRACE,
    failed,
    failing_run,
    killed_shard_run,
    missing,
    recovered,
    result,
    run,
    skipped,
)

pytestmark = pytest.mark.chromium

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
VIOLATIONS = (
    "window.__violations = [];"
    "document.addEventListener('securitypolicyviolation', event => window.__violations.push(event.violatedDirective))"
)


class Visit:
    """A page that is open, and all it did that a report must not do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))

    async def check(self) -> None:
        assert self.complaints == []
        assert len([url for url in self.requests if not url.startswith("data:")]) == 1
        assert await self.page.evaluate("window.__violations") == []
        assert await self.page.evaluate("window.__pwned") is None


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def browser(chromium_path: str, loop: asyncio.Runner) -> Iterator[Browser]:
    """One browser for all tests: it takes longer to start than to open a page."""
    playwright = loop.run(async_playwright().start())
    opened = loop.run(playwright.chromium.launch(executable_path=chromium_path, args=QUIET))
    yield opened
    loop.run(opened.close())
    loop.run(playwright.stop())


@pytest.fixture
def visiting(browser: Browser, loop: asyncio.Runner, tmp_path: Path) -> Callable[..., None]:
    """Opens the page of a run from its file and hands it to an async function; then nothing may have gone wrong."""

    def visit(of: Run, look: Callable[[Visit], Awaitable[None]], *, hash_: str = "", **options: Any) -> None:
        file = tmp_path / "report.html"
        file.write_text(html_report(report_view(of, at=AT, links=LINKS, **options.pop("view", {}))), encoding="utf-8")
        loop.run(_visit(browser, file.as_uri() + hash_, look, options))

    return visit


async def _visit(browser: Browser, url: str, look: Callable[[Visit], Awaitable[None]], options: dict[str, Any]) -> None:
    # A page of its own context: no test sees another's.
    page = await browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
    try:
        visit = Visit(page)
        await page.add_init_script(VIOLATIONS)
        await page.goto(url)
        await look(visit)
        await visit.check()
    finally:
        await page.close()


async def rows(page: Page) -> list[str]:
    await page.wait_for_selector("#list:not(.still) .row")
    return await page.locator(".row").all_inner_texts()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("of", [failing_run, killed_shard_run])
def test_a_page_opens_quietly_and_is_never_wider_than_its_window(
    visiting: Callable[..., None], of: Callable[[], Run], width: int, scheme: str
) -> None:
    async def look(visit: Visit) -> None:
        await rows(visit.page)
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == width

    visiting(of(), look, viewport={"width": width, "height": 860}, color_scheme=scheme)


def test_the_first_screen_names_the_failure_and_its_command(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        for text in (
            "3 of 61 tests failed",
            "test_creates_order[eu]",
            "ci-itest replay 123456789/1",
            "Is it this change?",
        ):
            box = await visit.page.get_by_text(text).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 900, text

    visiting(failing_run(), look)


def test_hostile_text_is_shown_and_never_run(visiting: Callable[..., None]) -> None:
    cases = []
    for number, text in enumerate(HOSTILE):
        cases += [
            failed(f"a{number}{text}", text, details=f"E {text}", output=text, file=f"tests/{text}.py", line=1),
            recovered(f"b{number}{text}", text),
            skipped(f"c{number}{text}", text),
            missing(f"d{number}{text}", text),
        ]
    findings = [Finding(FindingKind.MISSING_CASE, text, items=(text,)) for text in HOSTILE]
    logs = {one.case: [ServiceLog("<b>", "<script>window.__pwned=1</script>")] for one in cases}

    async def look(visit: Visit) -> None:
        await rows(visit.page)
        await visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        for place in range(6):
            await visit.page.locator(f"#row-{place}").click()
            await visit.page.wait_for_selector("dialog[open]")
            await visit.page.locator("#close").click()
        assert await visit.page.locator("img, main script, dialog script, iframe").count() == 0

    visiting(run(cases=cases, findings=findings, notes=HOSTILE), look, view={"logs": logs, "title": HOSTILE[8]})


def test_search_and_filters_narrow_the_list_and_live_in_the_address(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await rows(page)
        await page.fill("#search", "ORDERS creates")
        assert len(await rows(page)) == 2
        assert await page.inner_text("#count") == "2 of 62 tests"
        await page.fill("#search", "")
        await page.get_by_role("button", name="recovered 1").click()
        (row,) = await rows(page)
        assert "test_reindex" in row
        assert "v=r" in page.url
        await page.select_option("#shard", label="shard 1/2")
        assert await page.inner_text("#count") == "0 of 62 tests"

    visiting(failing_run(), look)


def test_an_address_opens_its_one_case(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        await visit.page.wait_for_selector("dialog[open]")
        words = await visit.page.inner_text("dialog")
        assert "tests/orders/test_api.py::test_creates_order[eu]" in words
        assert "assert 409 == 201" in words
        assert len(await rows(visit.page)) == 3

    visiting(failing_run(), look, hash_="#v=f&t=main%2Ftests%2Forders%2Ftest_api.py%3A%3Atest_creates_order%5Beu%5D")


def test_the_list_is_walked_with_the_keyboard(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await rows(page)
        await page.focus("#list")
        for key in ("End", "Home", "ArrowDown", "Enter"):
            await page.keyboard.press(key)
        await page.wait_for_selector("dialog[open]")
        assert "test_creates_order[eu]" in await page.inner_text("#case-name")
        await page.keyboard.press("Escape")
        await page.wait_for_selector("dialog[open]", state="hidden")

    visiting(failing_run(), look)


def test_twenty_thousand_cases_keep_the_page_small(visiting: Callable[..., None]) -> None:
    cases = [result(f"test_{number:05}[eu]", file=f"tests/area_{number % 40}/test_it.py") for number in range(20_000)]
    cases += [failed(f"test_bad_{number}", f"trouble of sort {number}", details=TRACE) for number in range(3)]

    async def look(visit: Visit) -> None:
        page = visit.page
        await rows(page)
        assert await page.inner_text("#count") == "20,003 of 20,003 tests"
        for share in (0.2, 0.9, 0.5):
            await page.evaluate(
                "share => { const l = document.getElementById('list'); l.scrollTop = l.scrollHeight * share }", share
            )
            await page.wait_for_function(
                "() => { const list = document.getElementById('list').getBoundingClientRect();"
                " const middle = list.top + list.height / 2;"
                " return [...document.querySelectorAll('.row')].some(row => {"
                " const box = row.getBoundingClientRect(); return box.top <= middle && middle <= box.bottom }) }"
            )
            assert await page.evaluate("document.querySelectorAll('*').length") < 600
        seconds = await page.evaluate(
            "() => { const s = document.getElementById('search'), start = performance.now(); s.value = '19999';"
            " s.dispatchEvent(new Event('input')); return (performance.now() - start) / 1000 }"
        )
        assert seconds < 1
        assert "test_19999" in (await rows(page))[0]

    visiting(run(cases=cases), look)


def test_the_first_rows_stand_there_as_the_script_will_draw_them(visiting: Callable[..., None]) -> None:
    drawn: dict[bool, list[list[str]]] = {}

    async def look(visit: Visit) -> None:
        has_script = await visit.page.locator("#tools").is_visible()
        await visit.page.wait_for_selector(".row")
        cells = [await row.locator("[role=cell]").all_text_contents() for row in await visit.page.locator(".row").all()]
        drawn[has_script] = cells

    async def look_at_all(visit: Visit) -> None:
        await rows(visit.page)
        await look(visit)

    visiting(failing_run(), look, java_script_enabled=False)
    visiting(failing_run(), look_at_all)

    assert len(drawn[False]) == 14
    assert drawn[True][:14] == drawn[False]


def test_the_page_reads_without_javascript(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        words = await page.inner_text("body")
        for text in ("3 of 61 tests failed", "ci-itest replay 123456789/1", "assert 409 == 201", "1/2", "postgres"):
            assert text in words
        assert await page.locator("#tools").is_hidden()

    visiting(failing_run(), look, java_script_enabled=False)


def test_print_shows_the_failures_and_not_the_tools(visiting: Callable[..., None]) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await rows(page)
        await page.emulate_media(media="print")
        assert await page.locator("#list").is_hidden()
        assert await page.locator("#failures").is_visible()

    visiting(failing_run(), look)
