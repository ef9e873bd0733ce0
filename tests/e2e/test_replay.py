"""A shard that was red in CI, from the artifact to the two commands that show what spoils the case."""

from __future__ import annotations

import shlex

import pytest

from tests.e2e.harness import CHANGED, Repository
from tests.helpers.github import GitHub
from tests.helpers.repositories import git
from tests.helpers.suites import ci_itest

pytestmark = pytest.mark.act

BASKET = """
import pytest

BASKET = []

@pytest.mark.parametrize("n", range(20))
def test_other(n): pass

def test_fills(): BASKET.append("tea")

def test_more(): pass

def test_is_empty(): assert BASKET == [], "the basket is not empty"
"""
FILE = "tests/integration/test_basket.py"
FAILED_AGAIN = f"failed there and here: {FILE}::test_is_empty"


def test_a_red_shard_is_downloaded_replayed_and_bisected_to_the_polluter(small: Repository, github: GitHub) -> None:
    small.divide_over(1)
    small.open_pull_request({FILE: BASKET})
    red = small.run(CHANGED, run_id=1)
    assert red.outputs["report"]["failed"] == "1"
    github.run(1, conclusion="failure", head_sha=small.head_sha, jobs=red.jobs)
    for name, archive in red.artifacts.items():
        github.artifact(1, name, file=archive)
    root = small.folder
    git(root, "checkout", "-q", "main")
    git(root, "remote", "add", "origin", f"https://github.com/{github.repository}.git")
    small.write("README.md", "Work that is under way.\n")

    def typed(command: str) -> tuple[int, str]:
        program, *arguments = shlex.split(command)
        assert program == "ci-itest"
        return ci_itest(*arguments, root=root, GH_TOKEN=github.token, GITHUB_API_URL=github.url)

    code, replayed = typed(f"ci-itest replay https://github.com/{github.repository}/pull/5")
    assert (code, FAILED_AGAIN in replayed) == (1, True), replayed
    assert "in the same order" in replayed

    code, answer = typed("ci-itest replay 1/1 --bisect test_is_empty")
    assert code == 0, answer
    assert f"It fails after this case (failed 3 of 3):\n  {FILE}::test_fills\n" in answer
    fails, passes = [line for line in answer.splitlines() if line.startswith("ci-itest replay ")]
    code, shown = typed(fails)
    assert (code, FAILED_AGAIN in shown) == (1, True), shown
    assert typed(passes)[0] == 0

    assert (root / "README.md").read_text() == "Work that is under way.\n"
    assert git(root, "status", "--porcelain") == "?? README.md"
    assert len(git(root, "worktree", "list").splitlines()) == 1
    assert any("ci-itest replay 1/1" in body for _, body in github.bodies()), github.bodies()
