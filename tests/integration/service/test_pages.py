"""The dashboard's pages over HTTP: what they answer, what they refuse, what they teach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from ci_itest.flows.quarantine import Keeper, active
from ci_itest.history.sql import SqlHistory
from ci_itest.model.cases import CaseId, Outcome
from ci_itest.model.judged import CauseKind, Judged, MassEvent
from ci_itest.model.run import Finding, FindingKind
from ci_itest.model.settings import FlakySettings
from ci_itest.service.settings import ServiceSettings
from tests.helpers.history import RECORDED_AT, REPOSITORY, result, run
from tests.helpers.service import serving

NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)
RACE = CaseId("main", "tests/test_cart.py", "test_race")
PAGES = ("", "/flaky", "/runs", "/cases", "/slow", "/shards", "/services", "/bypasses")
FAILED, PASSED = Outcome.FAILED, Outcome.PASSED


def clock() -> float:
    return NOW.timestamp()


def fill(path: Path) -> None:
    with SqlHistory.open(path) as history:
        for n in range(1, 19):
            race = (FAILED, PASSED) if n % 3 == 0 else (PASSED,)
            cases = [result(f"test_{other}", file=f"tests/test_{other % 5}.py") for other in range(29)]
            made = run(str(n), *cases, result("test_race", *race), day=n + 8)
            history.record(made, repository=REPOSITORY, recorded_at=RECORDED_AT)
        history.learn(repository=REPOSITORY, is_main=lambda branch: branch == "main")
        history.set_codeowners("* @acme/cart @-mara\n", repository=REPOSITORY)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages") / "service.sqlite"
    fill(made)
    return made


@pytest.fixture(scope="module")
def editable(path: Path) -> Iterator[str]:
    """Address of the repository's pages, on which everybody may change the quarantine."""
    with serving(ServiceSettings(database=str(path), anonymous_edits=True), clock=clock) as url:
        yield f"{url}/r/{REPOSITORY}"


@pytest.fixture(scope="module")
def readable(path: Path) -> Iterator[str]:
    with serving(ServiceSettings(database=str(path)), clock=clock) as url:
        yield f"{url}/r/{REPOSITORY}"


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, timeout=60, **options)  # type: ignore[arg-type]


def token_in(page: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]


def number_of(path: Path, case: CaseId = RACE) -> int:
    with SqlHistory.open(path) as history:
        return history.case_numbers(repository=REPOSITORY)[case]


def quarantined(path: Path) -> dict[CaseId, str]:
    """What the next plan carries: each case with its reason."""
    with SqlHistory.open(path) as history:
        keeper = Keeper(history, REPOSITORY, FlakySettings(), at=NOW.isoformat())
        return {entry.case: entry.reason for entry in active(keeper)}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there_and_allows_nothing_but_its_own_files(readable: str, page: str) -> None:
    answer = get(readable + page)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=\"", answer.text)


def test_a_runs_page_says_what_is_missing_and_what_failed_together(tmp_path: Path) -> None:
    found = (Finding(FindingKind.MISSING_SHARD, "Shard 2/2 left no bundle <b>."),)
    event = MassEvent(CauseKind.ENVIRONMENT, "30 of 31 cases on shard 1 failed together", 30)
    made = run("7", result("test_adds"), findings=found, day=20)
    made = replace(made, notes=("Shard 1 waited.",), judged=Judged(events=(event,)))
    with SqlHistory.open(tmp_path / "service.sqlite") as history:
        history.record(made, repository=REPOSITORY, recorded_at=RECORDED_AT)

    with serving(ServiceSettings(database=str(tmp_path / "service.sqlite")), clock=clock) as url:
        page = get(f"{url}/r/{REPOSITORY}/runs/1/7").text

    assert "Shard 2/2 left no bundle &lt;b&gt;." in page
    assert "Environment</b>: 30 of 31 cases on shard 1 failed together" in page
    assert "Note</b>: Shard 1 waited." in page


def test_the_badge_for_a_readme_is_shown_with_the_line_to_write(readable: str) -> None:
    page = get(readable).text

    origin = readable.partition("/r/")[0]
    assert f"[![integration tests]({origin}/badge/{REPOSITORY})]({origin}/r/{REPOSITORY})" in page
    assert get(f"{origin}/badge/{REPOSITORY}").headers["Content-Type"] == "image/svg+xml"


def test_the_board_names_cost_owner_and_what_is_done(readable: str) -> None:
    page = get(f"{readable}/flaky").text.replace("<wbr>", "")

    assert "1 test fails by itself" in page
    assert "test_race" in page
    assert "@acme/cart" in page
    assert "nothing yet" in page
    assert '<form class="quarantine-form"' not in page


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("", True),
        ("?owner=@acme/cart", True),
        ("?owner=nobody", False),
        ("?state=quarantined", False),
        ("?q=RACE", True),
        ("?q=none", False),
        ("?days=7", True),
        ("?page=2", False),
    ],
)
def test_filters_stand_in_the_address(readable: str, query: str, is_shown: bool) -> None:
    assert ("/cases/" in get(f"{readable}/flaky{query}").text) is is_shown


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/flaky?days=x", 422),
        ("/flaky?days=-1&page=99999999999999999999999", 200),
        ("/cases/0", 404),
        ("/cases/99999999999999999999", 404),
        ("/cases/abc", 422),
        ("/cases?after=-7", 200),
        ("/cases?after=99999999999999999999", 200),
        ("/cases?q=%00%F0%9F%98%80", 200),
        ("/runs?before=x.y", 200),
        ("/runs?before=99999999999999999999.1", 200),
        ("/runs?before=999999999999999999.99999999999", 200),
        ("/runs?conclusion=%27;--", 200),
        ("/runs/1/none", 404),
        ("/runs/99999999999/1", 404),
        ("/quarantine", 405),
        ("/nothing", 404),
        ("x/flaky", 404),
    ],
)
def test_an_odd_address_gets_a_page_that_says_so(readable: str, address: str, status: int) -> None:
    answer = get(readable + address)

    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert answer.headers["Content-Security-Policy"]


def test_a_program_gets_json_for_an_odd_address(readable: str) -> None:
    answer = get(readable.partition("/r/")[0] + "/api/v1/nothing")

    assert answer.status_code == 404
    assert answer.json()


def test_the_board_is_a_table_for_other_programs_too(readable: str) -> None:
    answer = get(f"{readable}/flaky.csv")

    head, row = answer.text.splitlines()
    assert head.startswith("suite,file,name,status,probability")
    assert row.startswith("main,tests/test_cart.py,test_race,flaky,0.9")
    # A spreadsheet would take "@acme/cart" for a formula.
    assert "'@acme/cart" in row


def test_a_case_in_quarantine_by_the_page_is_in_the_next_plan(editable: str, path: Path) -> None:
    browser = requests.Session()
    number = number_of(path)
    page = browser.get(f"{editable}/cases/{number}", timeout=60).text
    form = {"case_id": number, "action": "add", "token": token_in(page), "reason": "races with the cache"}

    answer = browser.post(f"{editable}/quarantine", data={**form, "days": 7, "back": "case"}, timeout=60)
    held = quarantined(path)
    released = browser.post(f"{editable}/quarantine", data={**form, "action": "release"}, timeout=60)

    assert answer.url == f"{editable}/cases/{number}"
    assert "races with the cache" in answer.text
    assert "7 days left" in answer.text
    assert held == {RACE: "races with the cache"}
    assert released.status_code == 200
    assert quarantined(path) == {}


def test_what_was_in_quarantine_is_kept_with_who_released_it(editable: str, path: Path) -> None:
    browser = requests.Session()
    number = number_of(path)
    form = {"case_id": number, "token": token_in(browser.get(f"{editable}/flaky", timeout=60).text), "reason": "why"}

    for action in ("add", "extend", "release"):
        assert browser.post(f"{editable}/quarantine", data={**form, "action": action}, timeout=60).status_code == 200
    page, board = get(f"{editable}/cases/{number}").text, get(f"{editable}/flaky").text

    assert "released by somebody on the dashboard" in page
    changes = board[board.index("What was changed") :]
    assert [changes.count(word) > 0 for word in (": quarantine ", "quarantine extended", ": release ")] == [True] * 3


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"reason": " "}, 400, "Say why"),
        ({"issue_url": "javascript:alert(1)"}, 400, "has to begin with https://"),
        ({"days": 9000}, 400, "7, 14, 30 days"),
        ({"action": "explode"}, 400, "asks for nothing"),
        ({"action": "extend"}, 409, "not in quarantine"),
        ({"action": "release"}, 409, "not in quarantine"),
        ({"case_id": 999_999}, 404, "no such test"),
        ({"case_id": "x"}, 422, "case_id"),
        ({"reason": "x" * 501}, 422, "reason"),
        ({"token": "0" * 64}, 403, "did not come from a page"),
    ],
)
def test_a_form_that_does_not_fit_changes_nothing_and_says_why(
    editable: str, path: Path, changed: dict[str, object], status: int, words: str
) -> None:
    browser = requests.Session()
    token = token_in(browser.get(f"{editable}/flaky", timeout=60).text)
    form = {"case_id": number_of(path), "action": "add", "token": token, "reason": "why", **changed}

    answer = browser.post(f"{editable}/quarantine", data=form, timeout=60)

    assert answer.status_code == status
    assert words in answer.text
    assert quarantined(path) == {}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Cookie": ""}],
)
def test_a_form_of_another_site_is_refused(editable: str, path: Path, headers: dict[str, str]) -> None:
    browser = requests.Session()
    token = token_in(browser.get(f"{editable}/flaky", timeout=60).text)
    form = {"case_id": number_of(path), "action": "add", "token": token, "reason": "why"}

    answer = browser.post(f"{editable}/quarantine", data=form, headers=headers, timeout=60)

    assert answer.status_code == 403
    assert quarantined(path) == {}


def test_the_token_of_one_visitor_is_none_for_another(editable: str, path: Path) -> None:
    one, other = requests.Session(), requests.Session()
    other.get(f"{editable}/flaky", timeout=60)
    token = token_in(one.get(f"{editable}/flaky", timeout=60).text)

    form = {"case_id": number_of(path), "action": "add", "token": token, "reason": "why"}

    answer = other.post(f"{editable}/quarantine", data=form, timeout=60)

    assert answer.status_code == 403


def test_who_may_only_look_cannot_change_anything(readable: str, editable: str, path: Path) -> None:
    browser = requests.Session()
    token = token_in(browser.get(f"{editable}/flaky", timeout=60).text)
    form = {"case_id": number_of(path), "action": "add", "token": token, "reason": "why"}

    answer = browser.post(f"{readable}/quarantine", data=form, timeout=60)

    assert answer.status_code == 403
    assert quarantined(path) == {}


def test_style_sheets_and_scripts_are_kept_by_the_browser_until_they_change(readable: str) -> None:
    root = readable.partition("/r/")[0]
    page = get(readable).text
    assets = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)

    answers = [get(root + address) for address in assets]

    assert len(assets) == 6
    assert {answer.status_code for answer in answers} == {200}
    assert all("immutable" in answer.headers["Cache-Control"] for answer in answers)
    assert get(f"{root}/assets/0/pages.css").headers["Cache-Control"] == "no-store"
    assert get(f"{root}/assets/0/secrets.txt").status_code == 404
    assert get(f"{root}/assets/0/..%2Fapp.py").status_code == 404


@pytest.mark.parametrize(
    ("first_day", "compared"),
    [(1, ["100 %", "0 s"]), (20, [])],
    ids=["sixty days of runs", "runs since the middle of the days before"],
)
def test_sums_are_compared_with_earlier_days_alone_that_have_runs_from_their_begin(
    tmp_path: Path, first_day: int, compared: list[str]
) -> None:
    path = tmp_path / "service.sqlite"
    with SqlHistory.open(path) as history:
        for n, day in enumerate((first_day, 28)):
            history.record(run(str(n), result("test_adds"), day=day), repository=REPOSITORY, recorded_at=RECORDED_AT)
        later = replace(run("9", result("test_adds")), started_at="2026-02-27T08:00:00+00:00")
        history.record(later, repository=REPOSITORY, recorded_at=RECORDED_AT)

    def then() -> float:
        return datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()

    with serving(ServiceSettings(database=str(path)), clock=then) as url:
        page = get(f"{url}/r/{REPOSITORY}").text

    assert re.findall(r">([^<>]+) in the 30 days before<", page) == compared


def test_without_any_run_each_page_teaches_what_brings_one(tmp_path: Path) -> None:
    database = tmp_path / "empty.sqlite"
    with SqlHistory.open(database) as history:
        history.set_codeowners("", repository=REPOSITORY)

    with serving(ServiceSettings(database=str(database)), clock=clock) as url:
        pages = {page: get(f"{url}/r/{REPOSITORY}{page}").text for page in PAGES}
        home = get(url).text

    assert "never" in home
    assert f'[history]\nstore = "{url}"' in pages[""]
    assert f'[history]\nstore = "{url}"' in pages["/flaky"]
    assert "A test comes here when it fails and its code does not explain it" in pages["/flaky"]
    assert "No run has come yet" in pages["/runs"]
    assert "No test has run yet" in pages["/cases"]
    assert "there is none yet" in pages["/slow"]
    assert "shards = &#34;auto&#34;" in pages["/shards"] or 'shards = "auto"' in pages["/shards"]
    assert "[services]" in pages["/services"]
    assert "[bypass]" in pages["/bypasses"]


def test_a_service_without_repositories_says_how_one_comes(tmp_path: Path) -> None:
    with serving(ServiceSettings(database=str(tmp_path / "none.sqlite")), clock=clock) as url:
        home = get(url).text

    assert f'[history]\nstore = "{url}"' in home
    assert "No repository has sent a run yet" in home
    assert "id-token: write" in home
