"""The example on real services: a bug that a change brings is the change's, a Redis that dies is the environment's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.history.sql import SqlHistory
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Run
from ci_itest.process import output_of
from ci_itest.wire import read_document
from tests.helpers.repositories import git, repository
from tests.helpers.suites import ci_itest_command, suite_environment

pytestmark = pytest.mark.docker

SHOP = Path(__file__).parents[3] / "examples" / "shop"
IGNORED = shutil.ignore_patterns(".venv", ".ci-itest", "__pycache__", ".pytest_cache")
RACE = "test_two_devices_of_one_customer_lose_nothing"
DISCOUNT = "test_an_order_of_exactly_the_threshold_gets_the_discount"
SETTINGS = f"""tests = ["tests/integration/test_cart.py", "tests/integration/test_checkout.py"]
shards = 1
workers = 1
arguments = ["--deselect=tests/integration/test_cart.py::{RACE}", "-p", "no:xdist", "-p", "killer"]
"""
KILLER = """
import os, subprocess

def pytest_runtest_setup(item):
    if os.environ.get("KILL_REDIS") and item is item.session.items[-6]:
        port = os.environ["REDIS_URL"].rsplit(":", 1)[1].split("/")[0]
        found = subprocess.run(["docker", "ps", "-q", "--filter", f"publish={port}"], capture_output=True, text=True)
        for container in found.stdout.split():
            subprocess.run(["docker", "kill", container], check=True, capture_output=True)
"""
EARLIER = 30
"""Runs that the history knows; the first is a real one, the others are records of it."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, docker_engine: None, registry_mirror: str) -> Path:
    """The example's carts and checkout, without its race, in a repository whose main has passed many times."""
    root = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(SHOP, root, ignore=IGNORED)
    text = (root / "ci-itest.toml").read_text()
    head, tables = text.partition("\n[")[::2]
    kept = [line for line in head.splitlines() if line.split(" = ")[0] in ("markers", "retries", "case_timeout")]
    (root / "ci-itest.toml").write_text(
        SETTINGS + "\n".join(kept) + f'\n[history]\nstore = "history.sqlite"\n[{tables}'
    )
    (root / "killer.py").write_text(KILLER)
    repository(root, {".gitignore": "history.sqlite*\n.ci-itest\n__pycache__\n"})
    code, output, run = ran(root, registry_mirror)
    assert code == 0, output
    with SqlHistory.open(root / "history.sqlite") as store:
        for number in range(1, EARLIER):
            again = replace(run, run_id=f"{run.run_id}-{number}", commit=f"{number:040x}")
            store.record(again, repository=root.name, recorded_at=run.started_at)
        store.learn(repository=root.name, is_main=lambda branch: branch == "main")
    git(root, "checkout", "-q", "-b", "change")
    return root


def ran(root: Path, mirror: str, **variables: str) -> tuple[int, str, Run]:
    environment = suite_environment(
        VIRTUAL_ENV=str(SHOP / ".venv"), CI_ITEST_IMAGES_MIRROR=mirror, PYTHONPATH=str(root), **variables
    )
    environment.pop("PYTEST_ADDOPTS")
    code, output = output_of(
        ci_itest_command("run", "--out", "report"), directory=root, environment=environment, within_seconds=400
    )
    return code, output, read_document(root / "report" / "run.json", Run)


def test_a_bug_in_the_change_is_the_changes_fault(shop: Path, registry_mirror: str) -> None:
    code, output, run = ran(shop, registry_mirror, SHOP_BROKEN_DISCOUNT="1")

    assert code == 1, output
    (cause,) = run.judged.causes
    assert cause.case.name == DISCOUNT
    assert cause.cause is CauseKind.CHANGE
    assert cause.probability > 0.7
    assert cause.evidence == f"Never failed in {EARLIER} runs on main, failed on all 2 attempts here."


def test_a_redis_that_is_killed_is_the_environments_fault(shop: Path, registry_mirror: str) -> None:
    code, output, run = ran(shop, registry_mirror, KILL_REDIS="1", CI_ITEST_RETRIES="0")

    assert code == 1, output
    assert {cause.cause for cause in run.judged.causes} == {CauseKind.ENVIRONMENT}
    assert len(run.judged.causes) == 6
    (event,) = run.judged.events
    assert event.words.startswith("the 6 cases that met redis on shard 1; redis exited with")
