"""A suite whose history a reporting service keeps: sent by GitHub's token, planned from, quarantined, and moved."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from ci_itest.history.sql import SqlHistory
from ci_itest.service.settings import ServiceSettings
from tests.helpers import issuer as issuers
from tests.helpers.service import serving
from tests.helpers.suites import ci_itest, write_files

FILES = {
    "tests/test_cart.py": "def test_adds(): pass\ndef test_races(): assert False\n",
    "tests/test_login.py": "def test_logs_in(): pass\n",
}


@dataclass(frozen=True)
class Served:
    root: Path
    url: str
    database: str
    issuer: issuers.Issuer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    database = str(tmp_path / "service.sqlite")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = f"retries = 0\nworkers = 1\nshards = 1\n[history]\nstore = '{url}'\n"
    root = write_files(tmp_path / "repo", {**FILES, "ci-itest.toml": settings})
    with issuers.serving() as issuer:
        chosen = ServiceSettings(
            database=database, public_url=url, oidc_issuer=issuer.url, oidc_owners=("17",), anonymous_edits=True
        )
        with serving(chosen, port=port):
            yield Served(root, url, database, issuer)


def test_a_quarantine_set_on_the_page_reaches_the_next_plan(served: Served) -> None:
    job = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{served.issuer.url}/token?x=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job",
        "XDG_CACHE_HOME": str(served.root / "cache"),
    }

    first, output = ci_itest("run", root=served.root, **job)
    with SqlHistory.open(served.database) as history:
        found = history.runs(repository="acme/shop")
        assert len(found) == 1, (found, output)
        recorded = found[0]
        numbers = {case.name: number for case, number in history.case_numbers(repository="acme/shop").items()}
    quarantine_on_the_page(served.url, numbers["test_races"])
    second, later = ci_itest("plan", "--run-id", "101", root=served.root, **job)

    assert first == 1, output
    assert (recorded.passed, recorded.failed) == (2, 1)
    assert second == 0, later
    plan = json.loads((served.root / ".ci-itest" / "plan.json").read_text())
    assert [entry["case"]["name"] for entry in plan["quarantine"]] == ["test_races"]


def quarantine_on_the_page(url: str, case_id: int) -> None:
    """As a person does it: open the case's page, fill in its form, send it."""
    browser = requests.Session()
    page = browser.get(f"{url}/r/acme/shop/cases/{case_id}", timeout=60)
    token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert token is not None, page.text[:2_000]
    form = {"case_id": str(case_id), "action": "add", "token": token[1], "reason": "races", "days": "14"}
    answer = browser.post(f"{url}/r/acme/shop/quarantine", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 303, answer.text[:2_000]


def test_a_service_that_is_away_changes_no_exit_code_and_the_run_is_kept(tmp_path: Path) -> None:
    settings = "retries = 0\nworkers = 1\nshards = 1\n[history]\nstore = 'http://127.0.0.1:1'\n"
    files = {"tests/test_login.py": "def test_logs_in(): pass\n", "ci-itest.toml": settings}
    root = write_files(tmp_path / "repo", files)

    code, output = ci_itest("run", root=root, XDG_CACHE_HOME=str(root / "cache"))

    assert code == 0, output
    assert "is kept in" in output
    assert len(list((root / ".ci-itest" / "report" / "unsent").iterdir())) == 1


def test_a_backup_of_one_database_fills_another(tmp_path: Path, postgres_url: str) -> None:
    source, target = str(tmp_path / "a.sqlite"), str(tmp_path / "b.sqlite")
    code, key = ci_itest("history", "keys", "add", "acme/shop", "--database-url", source, root=tmp_path)
    assert code == 0, key

    steps = [
        ("history", "backup", "--database-url", source, "one.backup"),
        ("history", "restore", "--database-url", postgres_url, "one.backup"),
        ("history", "backup", "--database-url", postgres_url, "two.backup"),
        ("history", "restore", "--database-url", target, "two.backup"),
        ("history", "keys", "list", "acme/shop", "--database-url", target),
    ]
    answers = [ci_itest(*step, root=tmp_path) for step in steps]

    assert [code for code, _ in answers] == [0] * 5, answers
    assert "1 made" in answers[-1][1]


def test_a_backup_is_not_restored_over_a_history(tmp_path: Path) -> None:
    database = str(tmp_path / "a.sqlite")
    ci_itest("history", "keys", "add", "acme/shop", "--database-url", database, root=tmp_path)
    ci_itest("history", "backup", "--database-url", database, "one.backup", root=tmp_path)

    code, output = ci_itest("history", "restore", "--database-url", database, "one.backup", root=tmp_path)

    assert code == 74
    assert "holds a history already" in output
