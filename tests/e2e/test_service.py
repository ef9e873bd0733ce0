"""A workflow beside a reporting service: sent by the job's own token, shown on the board, muted from its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.e2e.harness import PUSH, Ended, Repository
from tests.helpers import issuer as issuers
from tests.helpers.github import GitHub
from tests.helpers.issuer import Issuer
from tests.helpers.service import change_quarantine, free_port, serve_process

pytestmark = pytest.mark.act

FLAKY = "tests/integration/test_devices.py::test_two_devices_lose_nothing"
DEVICES = """
import os

tries = []


def test_two_devices_lose_nothing() -> None:
    tries.append(1)
    assert len(tries) > 1 and not os.environ.get("RACE_IS_LOST"), "The mug was lost."
"""
SETTINGS = {"shards = 3": "shards = 1", "retries = 0": "retries = 1"}


@dataclass(frozen=True)
class Team:
    """A repository whose history a service keeps, as `ci-itest serve` runs it, which believes the issuer's tokens."""

    repository: Repository
    github: GitHub
    issuer: Issuer
    url: str

    def push(self, run_id: int, *, workflow: str = "all.yml", **environment: str) -> Ended:
        """A run of a new commit on the default branch, whose jobs can get tokens."""
        self.repository.settle(f"Change {run_id}")
        about = {"run_id": str(run_id), "sha": self.repository.main_sha, "repository": self.github.repository}
        self.issuer.claims = {**about, "repository_id": str(self.github.state["repository"]["id"])}
        job = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer.url}/token?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job",
        }
        return self.repository.run(PUSH, run_id=run_id, workflow=workflow, environment={**job, **environment})

    def page(self, path: str) -> str:
        answer = requests.get(f"{self.url}/r/{self.github.repository}/{path}", timeout=60)
        assert answer.status_code == 200, answer.text[:2_000]
        return answer.text


@pytest.fixture
def team(tmp_path: Path, small: Repository, github: GitHub) -> Iterator[Team]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    small.replace_in("ci-itest.toml", {**SETTINGS, "[bypass]": f'[history]\nstore = "{url}"\n\n[bypass]'})
    small.write("tests/integration/test_devices.py", DEVICES)
    with issuers.serving() as issuer:
        known = ("--public-url", url, "--oidc-issuer", issuer.url, "--github-owner", "17")
        folder = tmp_path / "service"
        folder.mkdir()
        with serve_process(folder, *known, port=port):
            yield Team(small, github, issuer, url)


def test_runs_sent_by_token_show_a_flaky_test_and_muting_it_on_its_page_reaches_the_next_run(team: Team) -> None:
    alone = team.push(101)
    in_jobs = team.push(102, workflow="ci.yml")
    board = team.page("flaky")
    (number,) = set(re.findall(r"/cases/(\d+)", board))
    change_quarantine(team.url, team.github.repository, int(number), reason="a race in the cart")
    muted = team.push(103, RACE_IS_LOST="1")

    assert (alone.outputs["all"]["conclusion"], alone.outputs["all"]["recovered"]) == ("success", "1"), alone.log
    assert (in_jobs.outputs["report"]["conclusion"], in_jobs.outputs["report"]["recovered"]) == ("success", "1")
    assert "in the history" in in_jobs.log
    assert "test_two_devices_lose_nothing" in board
    assert (muted.outputs["all"]["conclusion"], muted.outputs["all"]["quarantined"]) == ("success", "1"), muted.log
    assert FLAKY in muted.summaries["test"].replace("\\", "")
    assert set(re.findall(r"/runs/1/(\d+)", team.page("runs"))) == {"101", "102", "103"}
