"""A commit that says what it fixes has it run many times by its own run, and the comment says what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.github import GitHub, at, running
from tests.helpers.suites import write_files
from tests.helpers.workflow import in_workflow, pull_request_event

RACE, SOUND = "tests/test_a.py::test_race", "tests/test_a.py::test_sound"
FILES = {
    "ci-itest.toml": "shards = 1\nworkers = 1\nretries = 0\n",
    "tests/test_a.py": """
        from pathlib import Path

        def test_race():
            count = Path("count")
            number = int(count.read_text()) + 1 if count.exists() else 0
            count.write_text(str(number))
            assert number % 4 != 3, "lost again"

        def test_sound():
            pass
    """,
}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.file("ci-itest.toml", FILES["ci-itest.toml"])
        double.pull_request(created_at=at(0))
        trailers = f"Attempt-To-Fix: {RACE}\nAttempt-To-Fix: {SOUND}\nAttempt-To-Fix: tests/gone.py::test_gone"
        double.run(900, conclusion="", created_at=at(0.1), message=f"Wait for the cart\n\n{trailers}")
        yield double


def test_each_case_is_run_many_times_and_the_comment_says_how_often_it_failed(github: GitHub, tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", FILES)
    event = pull_request_event()

    code, output, _ = in_workflow(github, root, "plan", "--decide", "--out", "plan.json", event=event)
    assert code == 0, output
    assert len(github.requests) <= 3
    arguments = ("run-shard", "--plan", "plan.json", "--shard", "1", "--bundle", "bundles/1")
    code, output, _ = in_workflow(github, root, *arguments, event=event)
    assert code == 0, output
    code, output, _ = in_workflow(github, root, "merge", "--plan", "plan.json", "--bundles", "bundles", event=event)

    assert code == 0, output
    ((_, body),) = github.bodies()
    text = body.replace("\\", "")
    assert f"Attempt-To-Fix {RACE}: not fixed, it failed 3 of 11 times (AssertionError: lost again" in text
    assert (
        f"Attempt-To-Fix {SOUND}: passed 20 times; if it fails by itself, then in less than 13.9% of its runs" in text
    )
    assert "Attempt-To-Fix tests/gone.py::test_gone: no shard has run a case of that name" in text
