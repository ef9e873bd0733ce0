"""The composite action and the reusable workflow, run by act on a small suite, without any network.

A run of all jobs takes a minute of processor time on a busy machine, so each test runs no more jobs than it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.harness import CHANGED, OWN_TOOL, PUSH, Ended, Event, Repository
from tests.helpers.github import GitHub

pytestmark = pytest.mark.act

INCOMPLETE = "exit status 5"
TESTS_FAILED = "exit status 1"
LABELLED_BUG = Event(action="labeled", label="bug")
LABELLED_SKIP = Event(action="labeled", label="skip-integration")


def test_a_lost_bundle_makes_the_run_red_and_is_named(small: Repository, github: GitHub) -> None:
    small.divide_over(2)

    ended = small.run(CHANGED, run_id=1, environment={"LOST_BUNDLE": "ci-itest-main-2-a1"})

    assert ended.jobs == {"plan": "success", "shard": "success", "report": "failure"}
    assert INCOMPLETE in ended.log
    assert ended.outputs["report"]["conclusion"] == "incomplete"
    assert_one_comment(github, "Shard 2/2 left no bundle")
    assert "Shard 2/2 left no bundle" in ended.summaries["report"]
    assert "report.html" in ended.files_of("ci-itest-report-a1")


def test_a_shard_whose_job_failed_before_it_began_makes_the_run_red_and_is_named(
    small: Repository, github: GitHub
) -> None:
    small.divide_over(2)

    ended = small.run(CHANGED, run_id=1, environment={"FAILING_SET_UP": "2"})

    assert ended.jobs == {"plan": "success", "shard": "failure", "report": "failure"}
    assert INCOMPLETE in ended.log
    assert ended.outputs["report"]["conclusion"] == "incomplete"
    assert ended.outputs["report"]["passed"] == "4"
    assert_one_comment(github, "Shard 2/2 left no bundle")


def test_the_bypass_label_skips_the_shards_and_says_who_and_why(small: Repository, github: GitHub) -> None:
    small.open_pull_request({"docs/a.md": "More words.\n"})
    github.state["permissions"]["alice"] = "write"
    github.label("skip-integration", actor="alice")

    ended = small.run(LABELLED_SKIP, run_id=1)

    assert ended.jobs["report"] == "success"
    assert ended.exit_code == 0
    assert ended.result("Run the shard") == set()
    assert ended.outputs["plan"]["run"] == "false"
    assert ended.outputs["report"]["conclusion"] == "bypassed"
    words = "alice set the label skip-integration, and the one changed file matches docs/**."
    assert words in without_escapes(ended.summaries["report"])


def test_a_red_commit_stays_red_when_another_label_is_set(small: Repository, github: GitHub) -> None:
    small.divide_over(1)
    red = small.run(CHANGED, run_id=1, environment={"BROKEN": "cart"})
    github.run(1, conclusion="failure", head_sha=small.head_sha, jobs=red.jobs)
    github.label("bug")
    comments = github.bodies()

    ended = small.run(LABELLED_BUG, run_id=2)

    assert ended.result("Run the shard") == set()
    assert ended.jobs["report"] == "failure"
    assert ended.outputs["report"]["conclusion"] == "failure"
    assert "run 1" in ended.summaries["report"]
    assert github.bodies() == comments


def test_a_failed_shard_run_again_keeps_the_plan_and_turns_the_run_green(small: Repository, github: GitHub) -> None:
    small.divide_over(2)
    red = small.run(CHANGED, run_id=1, environment={"BROKEN": "login"})
    broken = shard_of(red.plan, "tests/integration/test_login.py")

    green = small.run(CHANGED, run_id=1, attempt=2, only=[f"index:{broken}"])

    assert red.outputs["report"]["conclusion"] == "failure"
    assert shard_jobs_of(green) == {f"ci-itest-main-{broken}-a2"}
    assert "Attempt 2 runs the 1 of " in green.log, "Only what failed runs again."
    assert green.plan == red.plan
    assert green.jobs["report"] == "success"
    assert green.outputs["report"]["conclusion"] == "success"
    assert (green.outputs["report"]["passed"], green.outputs["report"]["recovered"]) == ("5", "1")
    assert len(github.bodies()) == 1
    assert not any(key.startswith("ci-itest-history-") for key in small.cache_keys()), "A pull request teaches nobody."


def test_the_default_branch_teaches_the_next_plan_and_a_run_keeps_its_own(small: Repository) -> None:
    small.divide_over(1)
    pushed = small.run(PUSH, run_id=1)
    next_one = small.run(CHANGED, run_id=2, until="plan")
    small.forget_artifacts(1)
    pushed_again = small.run(PUSH, run_id=1, attempt=2, until="plan")

    assert pushed.exit_code == 0
    assert any("No history" in note for note in notes_of(pushed.plan))
    assert not any("No history" in note for note in notes_of(next_one.plan))
    assert expected_seconds(next_one.plan) < expected_seconds(pushed.plan)
    assert pushed_again.plan == pushed.plan


def test_mode_all_plans_runs_and_reports_in_one_job_and_posts_nothing(small: Repository, github: GitHub) -> None:
    ended = small.run(CHANGED, run_id=1, workflow="all.yml", environment={"BROKEN": "search"})

    assert ended.jobs == {"test": "failure"}
    assert TESTS_FAILED in ended.log
    assert ended.outputs["all"]["conclusion"] == "failure"
    assert (ended.outputs["all"]["passed"], ended.outputs["all"]["failed"]) == ("5", "1")
    assert "test_search.py::test_the_search_works" in without_escapes(ended.summaries["test"])
    assert {"report.html", "junit.xml", "run.json"} <= set(ended.files_of("ci-itest-all-a1"))
    assert github.bodies() == []


def test_the_reusable_workflow_runs_the_repositorys_own_set_up_action(small: Repository, github: GitHub) -> None:
    small.divide_over(1)

    ended = small.run(CHANGED, run_id=1, workflow="reusable.yml", environment={"BROKEN": "cart"})

    assert ended.exit_code != 0
    assert ended.result("Set up the tests' environment (the repository's own action)") == {"success"}
    assert ended.result("Merge and report") == {"failure"}
    assert TESTS_FAILED in ended.log
    assert_one_comment(github, "test_cart.py::test_the_cart_works")


def test_the_reusable_workflow_runs_the_callers_set_up_commands(small: Repository) -> None:
    small.without_set_up_action()

    ended = small.run(CHANGED, run_id=1, workflow="reusable-setup.yml")

    assert ended.exit_code == 0
    assert ended.result("Run the shard") == {"success"}
    assert ended.outputs["integration"]["conclusion"] == "success"
    assert len(ended.plan["suites"][0]["shards"]) == 1, "The caller's input goes before the file."


def test_files_of_the_checkout_cannot_take_a_modules_place_in_the_tool(small: Repository) -> None:
    # They do take it in the Python of the tests, which shows that the trap works, and that the tool bears it.
    trap = "import os, sys\nopen(os.environ['STAND_IN_STORE'] + '/trapped', 'a').write(f'{sys.prefix}\\n')\n"
    taken = ("argparse.py", "json.py", "requests.py", "click.py", "sitecustomize.py", "usercustomize.py")
    small.open_pull_request(dict.fromkeys((*taken, "ci_itest/__init__.py", "ci_itest/__main__.py"), trap))
    python_path = {"PYTHONPATH": str(small.folder), "PYTHONSTARTUP": str(small.folder / "json.py")}
    compiling = {"UV_COMPILE_BYTECODE": "1"}  # uv then starts the new environment's Python, and not isolated

    ended = small.run(CHANGED, run_id=1, workflow="all.yml", environment=python_path | compiling | OWN_TOOL)
    trapped = (small.store / "trapped").read_text().splitlines()

    assert trapped
    assert [prefix for prefix in trapped if prefix.endswith("/ci-itest-tool")] == []
    assert ended.outputs["all"]["conclusion"] == "incomplete"


def test_a_token_that_may_not_write_changes_no_verdict(small: Repository, github: GitHub) -> None:
    small.divide_over(1)

    ended = small.run(CHANGED, run_id=1, token=github.read_only_token, environment={"BROKEN": "cart"})

    assert ended.jobs["report"] == "failure"
    assert TESTS_FAILED in ended.log
    assert ended.outputs["report"]["conclusion"] == "failure"
    assert github.bodies() == []


def test_a_forks_report_is_posted_by_a_run_of_the_default_branch(small: Repository, github: GitHub) -> None:
    small.divide_over(1)
    fork: dict[str, Any] = {"head_repository": "eve/shop", "head_repository_id": 77}
    red = small.run(CHANGED, run_id=1, token=github.read_only_token, environment={"BROKEN": "cart"})
    assert github.bodies() == []
    github.run(1, conclusion="failure", head_sha=small.head_sha, pull_requests=[], **fork)
    github.state["pulls"]["5"].update(fork)
    github.artifact(1, "ci-itest-report-a1", file=red.artifacts["ci-itest-report-a1"])

    ended = small.run(Event("workflow_run", about=1), run_id=2, workflow="fork.yml")

    assert ended.exit_code == 0
    assert_one_comment(github, "outside this repository's control", "test_cart.py::test_the_cart_works")
    assert github.bodies()[0][1].startswith("<!-- ci-itest:report key=.github%2Fworkflows%2Fci.yml run=1 attempt=1")
    assert ended.result("Fetch the bundles") == set()


def assert_one_comment(github: GitHub, *words: str) -> None:
    comments = [without_escapes(body) for _, body in github.bodies()]
    assert len(comments) == 1
    for word in words:
        assert word in comments[0]


def without_escapes(markdown: str) -> str:
    """The text without the backslashes that keep Markdown from reading it."""
    return markdown.replace("\\", "")


def shard_of(plan: Mapping[str, Any], file: str) -> int:
    """Index of the shard that a file is on."""
    return next(
        int(shard["index"])
        for suite in plan["suites"]
        for shard in suite["shards"]
        for unit in shard["units"]
        if file in str(unit)
    )


def shard_jobs_of(ended: Ended) -> set[str]:
    """The bundles of attempt 2."""
    return {name for name in ended.artifacts if name.startswith("ci-itest-main-") and name.endswith("-a2")}


def notes_of(plan: Mapping[str, Any]) -> list[str]:
    return [note for suite in plan["suites"] for note in suite["notes"]]


def expected_seconds(plan: Mapping[str, Any]) -> float:
    shards = [shard for suite in plan["suites"] for shard in suite["shards"]]
    return float(sum(unit["expected_seconds"] for shard in shards for unit in shard["units"]))
