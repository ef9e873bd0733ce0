"""A suite whose history a reporting service keeps: sent by GitHub's token, planned from, quarantined, and moved."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from ci_itest.history.sql import SqlHistory
from ci_itest.process import output_of
from ci_itest.service.settings import ServiceSettings
from tests.helpers import issuer as issuers
from tests.helpers.service import change_quarantine, free_port, serve_process, serving
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
    port = free_port()
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
    change_quarantine(served.url, "acme/shop", numbers["test_races"], reason="races")
    second, later = ci_itest("plan", "--run-id", "101", root=served.root, **job)

    assert first == 1, output
    assert (recorded.passed, recorded.failed) == (2, 1)
    assert second == 0, later
    plan = json.loads((served.root / ".ci-itest" / "plan.json").read_text())
    assert [entry["case"]["name"] for entry in plan["quarantine"]] == ["test_races"]


def test_what_a_person_mutes_because_it_fails_on_main_stays_muted(tmp_path: Path) -> None:
    settings = "retries = 0\nworkers = 1\nshards = 1\n[history]\nstore = '{url}'\n"
    root = write_files(tmp_path / "repo", FILES)
    with serve_process(tmp_path, "--repository", "acme/shop") as service:
        write_files(root, {"ci-itest.toml": settings.format(url=service.url)})
        job = {"CI_ITEST_SERVICE_KEY": service.key, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        _repository(root)

        red, before = ci_itest("run", root=root, **job)
        number = _cases_on_the_page(service.url)["test_races"]
        change_quarantine(service.url, "acme/shop", number, reason="known since Friday")
        after = [ci_itest("run", root=root, **job) for _ in range(2)]

    assert red == 1, before
    for code, output in after:
        assert code == 0, output
        assert "1 failed in quarantine" in output
        assert "left quarantine" not in output


def _repository(root: Path) -> None:
    """On the branch main, where what fails again and again is broken."""
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "The suite"]):
        author = ["-c", "user.name=Mara", "-c", "user.email=mara@example.test"]
        code, output = output_of(["git", *author, *words], directory=root, environment=dict(os.environ))
        assert code == 0, output


def _cases_on_the_page(url: str) -> dict[str, int]:
    """Function name to number, as the page of the slowest cases links them."""
    # Where a long name may break is no part of it.
    page = requests.get(f"{url}/r/acme/shop/slow", timeout=60).text.replace("<wbr>", "")
    found = re.findall(r'href="[^"]*/cases/(\d+)[^"]*"[^>]*>\s*([^<]*)', page)
    return {name.strip().rpartition("::")[2]: int(number) for number, name in found}


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
