"""Viewers who log in by GitHub: they see what GitHub lets them see, and change what they may push to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from ci_itest.history.sql import SqlHistory
from ci_itest.service.sessions import SESSION_SECONDS
from ci_itest.service.settings import ServiceSettings
from tests.helpers import oauth
from tests.helpers.history import RECORDED_AT, result, run
from tests.helpers.oauth import LoginGitHub
from tests.helpers.service import serving


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Site:
    url: str
    database: str
    github: LoginGitHub
    clock: Clock

    def page(self, browser: requests.Session, path: str) -> requests.Response:
        """Redirects are followed as a browser does, to GitHub and back."""
        return browser.get(f"{self.url}{path}", timeout=60)

    def logged_in(self, login: str) -> requests.Session:
        self.github.login = login
        browser = requests.Session()
        assert self.page(browser, "/login").status_code == 200
        return browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """acme/shop and acme/secret; mara may push to the first, rolf may read it, nobody here sees the second."""
    database, clock = str(tmp_path / "service.sqlite"), Clock()
    with SqlHistory.open(database) as history:
        for name in ("acme/shop", "acme/secret"):
            history.record(run("7", result("test_adds")), repository=name, recorded_at=RECORDED_AT)
    with oauth.running() as github:
        github.rights = {"mara": {"acme/shop": True}, "rolf": {"acme/shop": False}}
        settings = ServiceSettings(
            database=database,
            viewers="github",
            github_url=github.url,
            github_api_url=github.url,
            github_client_id=oauth.CLIENT,
            github_client_secret=oauth.SECRET,
        )
        with serving(settings, clock=clock) as url:
            github.back = f"{url}/login/done"
            yield Site(url, database, github, clock)


def test_who_is_not_logged_in_is_sent_to_github_and_comes_back_logged_in(site: Site) -> None:
    browser = requests.Session()

    first = browser.get(f"{site.url}/r/acme/shop", timeout=60, allow_redirects=False)
    site.page(browser, "/login")
    second = site.page(browser, "/r/acme/shop")

    assert (first.status_code, first.headers["Location"]) == (303, "/login")
    assert second.status_code == 200
    assert "mara" in second.text
    assert not any("gho_" in cookie.value for cookie in browser.cookies if cookie.value), "The token is in the clear."


def test_a_viewer_sees_what_github_lets_them_see(site: Site) -> None:
    browser = site.logged_in("rolf")

    seen = {path: site.page(browser, path).status_code for path in ("/r/acme/shop", "/r/acme/secret", "/r/acme/none")}
    home = site.page(browser, "/").text

    assert seen == {"/r/acme/shop": 200, "/r/acme/secret": 404, "/r/acme/none": 404}
    assert "acme/shop" in home
    assert "acme/secret" not in home


def test_only_who_may_push_changes_the_quarantine(site: Site) -> None:
    def form_on_the_page(login: str) -> re.Match[str] | None:
        return re.search(r'name="token" value="(\w+)"', site.page(site.logged_in(login), "/r/acme/shop/cases/1").text)

    assert form_on_the_page("mara")
    assert form_on_the_page("rolf") is None
    answer = site.logged_in("rolf").post(
        f"{site.url}/r/acme/shop/quarantine", data={"case_id": "1", "action": "add", "reason": "x"}, timeout=60
    )
    assert answer.status_code == 403


def test_a_change_bears_the_name_of_who_made_it(site: Site) -> None:
    browser = site.logged_in("mara")
    page = site.page(browser, "/r/acme/shop/cases/1").text
    token = re.search(r'name="token" value="(\w+)"', page)
    assert token is not None

    form = {"case_id": "1", "action": "add", "reason": "races", "days": "14", "back": "case", "token": token[1]}
    answer = browser.post(f"{site.url}/r/acme/shop/quarantine", data=form, timeout=60)

    assert answer.status_code == 200
    with SqlHistory.open(site.database) as history:
        assert [entry.added_by for entry in history.quarantined(repository="acme/shop")] == ["mara"]


def test_a_login_that_another_browser_began_is_refused(site: Site) -> None:
    started = requests.get(f"{site.url}/login", timeout=60, allow_redirects=False)
    handed_over = requests.get(started.headers["Location"], timeout=60, allow_redirects=False).headers["Location"]

    answer = requests.get(handed_over, timeout=60)

    assert answer.status_code == 403
    assert "begun in another browser" in answer.text


def test_a_code_that_github_does_not_confirm_logs_nobody_in(site: Site) -> None:
    browser = requests.Session()
    started = browser.get(f"{site.url}/login", timeout=60, allow_redirects=False)
    state = re.search(r"state=([\w-]+)", started.headers["Location"])
    assert state is not None

    answer = site.page(browser, f"/login/done?code=made-up&state={state[1]}")

    assert answer.status_code == 403
    assert "GitHub did not confirm the login" in answer.text


def test_a_session_ends_by_itself_and_by_logging_out(site: Site) -> None:
    left, stayed = site.logged_in("mara"), site.logged_in("mara")

    left.post(f"{site.url}/logout", timeout=60, allow_redirects=False)
    after_leaving = left.get(f"{site.url}/r/acme/shop", timeout=60, allow_redirects=False).status_code
    site.clock.now += SESSION_SECONDS + 60
    after_hours = stayed.get(f"{site.url}/r/acme/shop", timeout=60, allow_redirects=False).status_code

    assert (after_leaving, after_hours) == (303, 303)


def test_a_session_that_somebody_made_up_is_none(site: Site) -> None:
    browser = requests.Session()
    browser.cookies.set("ci_itest_session", "gAAAAABmade-up")

    assert browser.get(f"{site.url}/r/acme/shop", timeout=60, allow_redirects=False).status_code == 303


def test_github_is_asked_once_for_many_pages_and_a_failure_of_its_is_not_remembered(site: Site) -> None:
    browser = site.logged_in("mara")
    site.clock.now += 600
    site.github.is_down = True
    while_down = site.page(browser, "/r/acme/shop").status_code
    site.github.is_down = False
    site.github.asked.clear()

    answers = [site.page(browser, "/r/acme/shop").status_code for _ in range(3)]

    assert while_down == 404
    assert answers == [200] * 3
    assert site.github.asked == ["/repos/acme/shop"]
