"""A bypass on its way into the history, and out of it again, by the commands that the jobs call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.github import GitHub, at, running, stamp
from tests.helpers.suites import ci_itest, write_files
from tests.helpers.workflow import HEAD, MERGED, in_workflow, pull_request_event

LABEL = "skip-integration"
TESTS = {"tests/test_a.py": "def test_a(): pass\n"}


@pytest.fixture
def github() -> Iterator[GitHub]:
    """A labelled pull request that counts for a bypass."""
    with running() as double:
        double.state["permissions"]["alice"] = "write"
        double.pull_request(files=["docs/a.md"], created_at=at(0))
        double.run(900, conclusion="", created_at=at(0.1))
        double.label(LABEL, when=at(5))
        yield double


def settings(store: str) -> str:
    return f'shards = 1\n[bypass]\nlabel = "{LABEL}"\n[history]\nstore = "{store}"\n[report]\ntitle = "Shop"\n'


def bypassed(github: GitHub, root: Path, folder: Path) -> str:
    """Output of the report job of a pull request's run that went without the suite; it has no checkout."""
    event = pull_request_event(label=LABEL, labels=(LABEL,))
    code, output, outputs = in_workflow(github, root, "plan", "--decide", event=event)
    assert (code, outputs["run"]) == (0, "false"), output
    folder.mkdir()
    before = len(github.requests)
    decision = outputs["decision"]
    code, output, outputs = in_workflow(github, folder, "merge", "--decision", decision, event=event)
    assert (code, outputs["conclusion"]) == (0, "bypassed"), output
    assert len(github.requests) - before <= 12
    return output


def shown(github: GitHub, root: Path, *arguments: str, store: Path) -> str:
    arguments = ("history", "bypasses", "--set", f"history.store={store}", *arguments)
    code, output, _ = in_workflow(github, root, *arguments)
    assert code == 0, output
    return output


def test_a_bypass_is_recorded_where_the_base_commit_says(github: GitHub, tmp_path: Path) -> None:
    store = tmp_path / "history.sqlite"
    github.file("ci-itest.toml", settings(str(store)))
    root = write_files(tmp_path / "repo", {**TESTS, "ci-itest.toml": settings("/tmp/elsewhere.sqlite")})

    output = bypassed(github, root, tmp_path / "job")

    assert "Recorded the bypass in the history." in output
    assert "Shop" in (tmp_path / "job" / ".ci-itest" / "report" / "report.html").read_text()
    listed = shown(github, root, store=store)
    assert f"#5 {HEAD[:7]} alice bypass.label" in listed
    assert (
        f"alice set the label {LABEL}, and the one changed file matches docs/**, **/*.md. Then: no run yet." in listed
    )


def test_with_the_cache_the_default_branchs_run_records_it(github: GitHub, tmp_path: Path) -> None:
    github.file("ci-itest.toml", settings("cache"))
    root = write_files(tmp_path / "repo", {**TESTS, "ci-itest.toml": settings("cache")})

    output = bypassed(github, root, tmp_path / "job")
    assert "is recorded by the default branch's run" in output

    github.state["runs"].clear()
    github.run(900, created_at=at(6), jobs={"plan": "success", "shard": "skipped", "report": "success"})
    github.merge(when=at(9))
    pushed = in_workflow(github, root, "plan", "--decide", "--out", "plan.json", run_id=950, sha=MERGED)
    ran = in_workflow(
        github,
        root,
        "run-shard",
        "--plan",
        "plan.json",
        "--shard",
        "1",
        "--bundle",
        "bundles/1",
        run_id=950,
        sha=MERGED,
    )
    assert (pushed[0], ran[0]) == (0, 0), ran
    before = len(github.requests)
    code, output, _ = in_workflow(
        github, root, "merge", "--plan", "plan.json", "--bundles", "bundles", run_id=950, sha=MERGED
    )

    assert code == 0, output
    assert f"Pull request #5 was merged without the suite: alice set the label {LABEL}." in output
    assert len(github.requests) - before <= 12
    code, listed, _ = in_workflow(github, root, "history", "bypasses")
    assert "Then: main passed (run 950)." in listed
    assert "1 bypass; main broke next after 0." in listed
    assert "0 bypasses" not in in_workflow(github, root, "history", "bypasses", "--broke-main")[1]


def test_a_history_without_bypasses_says_so(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", {**TESTS, "ci-itest.toml": '[history]\nstore = "h.sqlite"\n'})

    code, output = ci_itest("history", "bypasses", root=root)

    assert (code, output.strip()) == (0, "0 bypasses; main broke next after 0.")


def by_triage(github: GitHub) -> None:
    github.state["permissions"]["alice"] = "triage"


def before_the_push(github: GitHub) -> None:
    github.state["pulls"]["5"]["timeline"][-1]["created_at"] = stamp(at(-5))


def on_migrations(github: GitHub) -> None:
    github.state["pulls"]["5"]["files"].append({"filename": "migrations/0002.sql"})


def with_github_away(github: GitHub) -> None:
    github.fail("/pulls/", status=503, times=99)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (by_triage, "alice, who set it, has no write permission (read)"),
        (before_the_push, "it was set before the last push; set it again"),
        (on_migrations, "migrations/0002.sql never goes without the tests"),
        (with_github_away, "GitHub did not tell what the decision needs"),
    ],
)
def test_a_label_that_does_not_count_runs_the_tests_and_the_report_says_why(
    change: Callable[[GitHub], object], why: str, github: GitHub, tmp_path: Path
) -> None:
    text = settings("h.sqlite").replace("[history]", 'never = ["migrations/**"]\n[history]')
    github.file("ci-itest.toml", text)
    root = write_files(tmp_path / "repo", {**TESTS, "ci-itest.toml": text})
    event = pull_request_event(labels=(LABEL,))
    change(github)

    code, output, outputs = in_workflow(github, root, "plan", "--decide", "--out", "plan.json", event=event)

    assert (code, outputs["run"]) == (0, "true"), output
    assert why in output
    shard = ("run-shard", "--plan", "plan.json", "--shard", "1", "--bundle", "bundles/1")
    assert in_workflow(github, root, *shard, event=event)[0] == 0
    merge = ("merge", "--plan", "plan.json", "--bundles", "bundles", "--decision", outputs["decision"])
    code, output, _ = in_workflow(github, root, *merge, event=event)
    assert code == 0, output
    summary = (root / ".ci-itest" / "report" / "summary.md").read_text().replace("\\", "")
    assert why in summary
