"""The dashboard in a real browser: quiet, accessible, whole without JavaScript, unmoved by hostile names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from ci_itest.history.sql import SqlHistory
from ci_itest.service.demo.history import fill
from ci_itest.service.demo.suite import REPOSITORY
from ci_itest.service.settings import ServiceSettings
from tests.helpers import hostile_history
from tests.helpers.browsing import Browsing, Visit, browsing
from tests.helpers.history import result, run
from tests.helpers.hostile_history import HOSTILE_REPOSITORY
from tests.helpers.service import serving

pytestmark = pytest.mark.chromium

NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)
PICTURES = "img:not([src^='/badge/'])"
"""The overview shows the badge, which is the service's own picture."""
PAGES = ("", "/flaky", "/runs", "/cases", "/slow", "/shards", "/services", "/bypasses", "case", "run")


@dataclass(frozen=True)
class Site:
    """A service that runs."""

    url: str
    path: Path

    def page(self, name: str, repository: str = REPOSITORY) -> str:
        """A page's address; `case` and `run` stand for the first flaky case and the newest red run."""
        base = f"{self.url}/r/{quote(repository, safe='/')}"
        if name not in ("case", "run"):
            return base + name
        with SqlHistory.open(self.path) as history:
            if name == "run":
                newest = next(run for run in history.runs(200, repository=repository) if run.failed)
                return f"{base}/runs/{newest.run_attempt}/{quote(newest.run_id, safe='')}"
            return f"{base}/cases/{min(history.flaky_state(repository=repository).memory.suspects())}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demonstration, a short one, beside a repository of hostile names."""
    path = tmp_path_factory.mktemp("board") / "service.sqlite"
    with SqlHistory.open(path) as history:
        fill(history, until=NOW, runs=90)
        hostile_history.fill(history, day=27)
    settings = ServiceSettings(database=str(path), anonymous_edits=True)
    with serving(settings, clock=lambda: NOW.timestamp()) as url:
        yield Site(url, path)


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browsing]:
    with browsing(chromium_path) as opened:
        yield opened


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
@pytest.mark.parametrize("page", ["home", *PAGES])
def test_a_page_is_quiet_fits_its_window_and_has_nothing_serious_by_axe(
    browser: Browsing, site: Site, page: str, width: int, scheme: str
) -> None:
    async def look(visit: Visit) -> None:
        await visit.page.wait_for_selector("html.scripted")
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == width
        # What is folded away is part of the page too.
        await visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert await visit.wrong_by_axe() == []

    url = f"{site.url}/" if page == "home" else site.page(page)
    browser.visit(url, look, viewport={"width": width, "height": 900}, color_scheme=scheme)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_all_it_has_to_say_without_javascript(browser: Browsing, site: Site, page: str) -> None:
    async def look(visit: Visit) -> None:
        assert await visit.page.inner_text("h1")
        assert len((await visit.page.inner_text("main")).split()) > 40
        # Everything that can be asked for is asked for by a link, or a form with a button.
        for form in await visit.page.locator("form").all():
            assert await form.locator("button").count() > 0

    browser.visit(site.page(page), look, java_script_enabled=False)


def test_the_board_is_narrowed_by_its_form_without_javascript(browser: Browsing, site: Site) -> None:
    async def look(visit: Visit) -> None:
        (chosen,) = await visit.page.select_option("#owner", index=1)
        await visit.page.get_by_role("button", name="Show").click()
        await visit.page.wait_for_url("**owner=*")
        owners = await visit.page.locator("td.owner").all_inner_texts()
        assert set(owners) == {chosen}

    browser.visit(site.page("/flaky"), look, java_script_enabled=False)


def test_filters_narrow_the_board_in_place_and_live_in_the_address(browser: Browsing, site: Site) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await page.evaluate("window.isTheSame = true")
        await page.fill("#q", "webhook")
        await page.wait_for_url("**q=webhook**")
        await page.wait_for_function("() => document.querySelectorAll('.costs tbody tr').length <= 1")
        assert await page.evaluate("window.isTheSame")
        # Who types goes on typing.
        await page.wait_for_function("() => document.activeElement.id === 'q'")
        await page.go_back()
        await page.wait_for_function("() => document.querySelectorAll('.costs tbody tr').length > 1")

    browser.visit(site.page("/flaky"), look)


def test_a_tab_is_swapped_in_and_the_focus_goes_to_what_is_new(browser: Browsing, site: Site) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await page.evaluate("window.isTheSame = true")
        await page.get_by_role("link", name="Shards").click()
        await page.wait_for_selector("h1:has-text('shards')")
        await page.wait_for_function("() => document.activeElement.id === 'main'")
        assert await page.title() == f"Shards · {REPOSITORY}"
        assert await page.evaluate("window.isTheSame")
        assert await page.get_by_role("link", name="Shards").get_attribute("aria-current") == "page"
        assert await page.locator("figure canvas").count() == 1

    browser.visit(site.page(""), look)


def test_everything_is_reached_with_the_keyboard_beginning_with_the_content(browser: Browsing, site: Site) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip-link"
        await page.keyboard.press("Enter")
        reached = []
        for _ in range(14):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert reached[:5] == ["A", "days", "owner", "state", "q"]
        assert "SUMMARY" in reached

    browser.visit(site.page("/flaky"), look)


def test_a_chart_is_drawn_zooms_and_follows_the_window(browser: Browsing, site: Site) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        canvas = page.locator("figure canvas")
        box = await canvas.bounding_box()
        assert box is not None
        assert box["width"] > 600
        before = await canvas.screenshot()
        values = page.locator(".u-value")
        assert not await values.last.is_visible(), "there is nothing under the pointer yet"
        over = page.locator(".u-over")
        area = await over.bounding_box()
        assert area is not None
        await page.mouse.move(area["x"] + 100, area["y"] + 50)
        assert await values.last.is_visible()
        await page.mouse.down()
        await page.mouse.move(area["x"] + 300, area["y"] + 60)
        await page.mouse.up()
        assert await canvas.screenshot() != before
        await page.set_viewport_size({"width": 500, "height": 900})
        await page.wait_for_function(
            "() => document.querySelector('figure canvas').getBoundingClientRect().width < 500"
        )

    browser.visit(site.page("case"), look)


def test_a_chart_of_a_single_day_shows_it(browser: Browsing, tmp_path: Path) -> None:
    async def look(visit: Visit) -> None:
        await visit.page.wait_for_selector("figure canvas")

    path = tmp_path / "service.sqlite"
    with SqlHistory.open(path) as history:
        today = replace(run("1", result("test_adds")), started_at=NOW.isoformat())
        history.record(today, repository=REPOSITORY, recorded_at=NOW.isoformat())
    with serving(ServiceSettings(database=str(path)), clock=lambda: NOW.timestamp()) as url:
        browser.visit(Site(url, path).page(""), look)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_case_is_put_in_quarantine_and_released_on_the_board(browser: Browsing, site: Site, scripts: bool) -> None:
    async def look(visit: Visit) -> None:
        page = visit.page
        await page.get_by_text("Quarantine…").first.click()
        form = page.locator(".quarantine-form:visible")
        name = await page.locator("tr", has=form).locator(".case").inner_text()
        row = page.locator("tr", has=page.get_by_role("link", name=re.compile(f"^{re.escape(name)}$")))
        await form.get_by_label("Why").fill("waits for a fixed time")
        await form.get_by_role("button", name="Put in quarantine").click()
        await row.get_by_text("14 days left").wait_for()
        await row.get_by_text("Change").first.click()
        await row.get_by_role("button", name="Release").click()
        await row.get_by_text("nothing yet").wait_for()

    browser.visit(site.page("/flaky"), look, java_script_enabled=scripts)


@pytest.mark.parametrize(
    "page", [*PAGES, "/cases?q=%3Cscript%3E", "/flaky?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E"]
)
def test_hostile_names_are_shown_on_every_page_and_never_run(browser: Browsing, site: Site, page: str) -> None:
    async def look(visit: Visit) -> None:
        await visit.page.wait_for_selector("html.scripted")
        await visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert await visit.page.locator(f"{PICTURES}, main script, iframe, main style").count() == 0
        assert await visit.page.locator("a[href^='javascript:'], a[href^='data:']").count() == 0
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == 1280
        # Swapped in by a script it is shown the same way.
        await visit.page.get_by_role("link", name="Tests", exact=True).click()
        await visit.page.wait_for_selector("#found")
        assert await visit.page.locator(f"{PICTURES}, main script, iframe, main style").count() == 0

    browser.visit(site.page(page, HOSTILE_REPOSITORY), look)


def test_the_page_of_every_hostile_case_and_run_is_quiet(browser: Browsing, site: Site) -> None:
    with SqlHistory.open(site.path) as history:
        cases = sorted(history.case_numbers(repository=HOSTILE_REPOSITORY).values())
        runs = history.runs(50, repository=HOSTILE_REPOSITORY)
    base = f"{site.url}/r/{quote(HOSTILE_REPOSITORY, safe='/')}"
    urls = [f"{base}/cases/{number}" for number in cases[::2]]
    # No address can hold an id of several lines; no CI gives one.
    ids = [run.run_id.encode("utf-8", "replace") for run in runs if run.run_id.isprintable()]
    urls += [f"{base}/runs/1/{quote(run_id, safe='')}" for run_id in ids]

    async def look(visit: Visit) -> None:
        for url in urls:
            answer = await visit.page.goto(url)
            assert answer is not None
            assert answer.status == 200, url
            assert await visit.page.locator(f"{PICTURES}, main script, iframe, main style").count() == 0, url
            await visit.check()

    browser.visit(urls[0], look)
