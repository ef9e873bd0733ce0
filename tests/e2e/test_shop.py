"""The workflow on the example: three jobs share a suite that needs PostgreSQL and Redis, in containers of their own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from tests.e2e.harness import CHANGED, SHOP, Repository, Workbench
from tests.helpers.github import GitHub

pytestmark = [pytest.mark.act, pytest.mark.docker]

BROKEN = "test_checkout.py::test_an_order_of_exactly_the_threshold_gets_the_discount"
RACE = "tests/integration/test_cart.py::test_two_devices_of_one_customer_lose_nothing"
"""The example's honest race, left out: a run of it is green by luck."""
SETTINGS = {
    'tests = ["tests/integration"]': """tests = [
  "tests/integration/test_cart.py", "tests/integration/test_checkout.py", "tests/integration/test_live.py",
]""",
    "retries = 1": f'retries = 1\nworkers = 1\narguments = ["--deselect={RACE}", "-p", "no:xdist"]',
}
"""A quarter of the suite, one file for each shard: PostgreSQL, Redis and the app are all asked. The demo runs it all.

Without xdist: on two cores three shards' worker processes would spend more time on starting than on testing.
"""


@pytest.fixture
def shop(tmp_path: Path, bench: Workbench, github: GitHub, docker_engine: None) -> Repository:
    """The example in a repository of its own, and a pull request that changes its README."""
    repository = Repository(tmp_path, suite=SHOP, environment=bench.shop_environment, bench=bench, github=github)
    repository.replace_in("ci-itest.toml", SETTINGS)
    repository.settle()
    repository.open_pull_request({"README.md": "A shop.\n"})
    return repository


def test_a_pull_request_is_red_until_the_discount_is_right_and_its_comment_follows(
    shop: Repository, github: GitHub, registry_mirror: str
) -> None:
    first_run = secrets.randbelow(10**9) + 10**9
    mirror = {"IMAGES_MIRROR": registry_mirror}

    red = shop.run(CHANGED, run_id=first_run, environment={**mirror, "SHOP_BROKEN_DISCOUNT": "1"})
    red_comments = github.bodies()
    green = shop.run(CHANGED, run_id=first_run + 1, environment=mirror)
    green_comments = github.bodies()

    assert red.jobs == {"plan": "success", "shard": "failure", "report": "failure"}
    assert red.result("Run the shard") == {"success", "failure"}
    assert "exit status 1" in red.log
    assert (red.outputs["report"]["conclusion"], red.outputs["report"]["failed"]) == ("failure", "1")
    assert BROKEN in red.summaries["report"].replace("\\", "")
    assert [BROKEN in body.replace("\\", "") for _, body in red_comments] == [True]

    assert green.jobs == {"plan": "success", "shard": "success", "report": "success"}
    assert green.exit_code == 0
    assert green.outputs["plan"]["shard-count"] == "3"
    assert green.outputs["report"]["conclusion"] == "success"
    assert {green.outputs["report"][count] for count in ("failed", "missing", "recovered")} == {"0"}
    assert int(green.outputs["report"]["passed"]) == int(red.outputs["report"]["passed"]) + 1 > 20
    assert green.outputs["report"]["comment-url"] == red.outputs["report"]["comment-url"] != ""
    assert len(green_comments) == 1
    assert "passed" in green_comments[0][1].casefold()
    assert BROKEN not in green_comments[0][1].replace("\\", "")

    for index in (1, 2, 3):
        assert {"logs/services/postgres.log", "logs/services/redis.log"} <= set(green.files_of(bundle_of(index)))
    assert containers_of(first_run, first_run + 1) == []


def bundle_of(shard: int) -> str:
    return f"ci-itest-main-{shard}-a1"


def containers_of(*runs: int) -> list[str]:
    """Ids of the containers that these runs left behind."""
    engine = Engine.connect(os.environ)
    return [held.id for run in runs for held in engine.containers([f"ci-itest.run={run}"])]
