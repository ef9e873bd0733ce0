"""`plan` and `decide` as a workflow calls them on a pull request, against the double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.github import GitHub, at, running, stamp
from tests.helpers.github_shapes import sha_of
from tests.helpers.suites import ci_itest, write_files

HEAD = "2" * 40
BASE = 'tests = ["tests"]\nshards = 1\n[bypass]\nlabel = "skip-integration"\npaths = ["docs/**"]\n'
OPEN_HANDED = BASE.replace("docs/**", "**")


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as double:
        double.state["permissions"]["alice"] = "write"
        double.file("ci-itest.toml", BASE)
        double.pull_request(files=["docs/a.md"], created_at=at(0))
        double.run(900, conclusion="", created_at=at(0.1))
        yield double


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repo", {"tests/test_a.py": "def test_a(): pass\n", "ci-itest.toml": BASE})


def asked(
    github: GitHub, root: Path, *arguments: str, label: str = "", labels: tuple[str, ...] = ()
) -> tuple[int, str, dict[str, str]]:
    """Exit code, output, and the step's outputs."""
    event = {
        "action": "labeled" if label else "synchronize",
        "repository": {"id": 1296269, "default_branch": "main"},
        "pull_request": {
            "number": 5,
            "user": {"login": "alice"},
            "labels": [{"name": name} for name in labels],
            "head": {"sha": HEAD, "ref": "faster-cart", "repo": {"id": 1296269}},
            "base": {"sha": sha_of("base"), "ref": "main"},
        },
        **({"label": {"name": label}} if label else {}),
    }
    files = root.parent / "runner"
    files.mkdir(exist_ok=True)
    (files / "event.json").write_text(json.dumps(event))
    (files / "output").write_text("")
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(files / "event.json"),
        "GITHUB_OUTPUT": str(files / "output"),
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REPOSITORY_ID": "1296269",
        "GITHUB_RUN_ID": "900",
        "GITHUB_SHA": "1" * 40,
        "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/pull/5/merge",
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": github.token,
        "XDG_CACHE_HOME": str(files / "cache"),
    }
    code, output = ci_itest(*arguments, root=root, **environment)
    return code, output, outputs_in((files / "output").read_text())


def outputs_in(text: str) -> dict[str, str]:
    lines = text.splitlines()
    return {lines[i].partition("<<")[0]: lines[i + 1] for i in range(0, len(lines), 3)}


def test_a_plan_without_the_label_asks_no_more_than_three_times(github: GitHub, repository: Path) -> None:
    code, output, outputs = asked(github, repository, "plan", "--decide")

    assert code == 0, output
    assert outputs["run"] == "true"
    assert len(github.requests) <= 3


def test_the_ninth_labels_event_asks_no_more_than_three_times(github: GitHub, repository: Path) -> None:
    github.run(800, created_at=at(0.1))
    for number in range(8):
        shards_left_out = {"plan": "success", "shard": "skipped", "report": "success"}
        ended = stamp(at(1.1 + number))
        github.run(801 + number, created_at=at(1 + number), updated_at=ended, jobs=shards_left_out)

    _, output, outputs = asked(github, repository, "plan", "--decide", label="bug", labels=("bug",))

    assert outputs["run"] == "false", output
    assert json.loads(outputs["decision"])["kind"] == "repeat"
    assert len(github.requests) <= 3


def test_a_label_that_counts_is_explained_rule_by_rule(github: GitHub, repository: Path) -> None:
    github.label("skip-integration", when=at(5))

    code, output, _ = asked(github, repository, "decide", "--explain")

    assert code == 0
    assert "bypass: alice set the label skip-integration" in output
    assert output.count("  yes ") == 6
    assert len(github.requests) <= 40


def test_a_pull_request_that_widens_its_own_bypass_is_still_tested(github: GitHub, repository: Path) -> None:
    (repository / "ci-itest.toml").write_text(OPEN_HANDED)
    github.pull_request(files=["src/cart.py"])
    github.label("skip-integration", when=at(5))

    _, output, outputs = asked(github, repository, "plan", "--decide")

    assert outputs["run"] == "true", output
    assert "src/cart.py match none of the paths (docs/**)" in outputs["reason"]


def test_whoever_changes_the_settings_in_use_does_not_go_without(github: GitHub, repository: Path) -> None:
    (repository / "nightly.toml").write_text(OPEN_HANDED)
    github.file("nightly.toml", OPEN_HANDED)
    github.pull_request(files=["nightly.toml"])
    github.label("skip-integration", when=at(5))

    _, output, outputs = asked(github, repository, "plan", "--decide", "--config", str(repository / "nightly.toml"))

    assert outputs["run"] == "true", output
    assert "nightly.toml never goes without the tests" in outputs["reason"]


def test_with_github_away_the_suite_runs_and_says_why(github: GitHub, repository: Path) -> None:
    github.label("skip-integration", when=at(5))
    github.fail("", status=403, message="Blocked", times=99)

    code, output, outputs = asked(github, repository, "plan", "--decide")

    assert code == 0, output
    assert outputs["run"] == "true"
    assert "403 Blocked" in outputs["reason"]


def test_the_report_templates_of_a_pull_request_are_those_of_its_base(github: GitHub, repository: Path) -> None:
    settings = BASE + '[report]\ntemplates = "own"\nfail_on = "new-failures"\n'
    github.file("ci-itest.toml", settings)
    github.file("own/comment.md.j2", "as it was")
    (repository / "ci-itest.toml").write_text(settings.replace("new-failures", "failures"))
    write_files(repository, {"own/comment.md.j2": "all is well", "own/summary.md.j2": "all is well"})

    code, output, _ = asked(github, repository, "plan", "--decide", "--out", "plan.json")

    assert code == 0, output
    plan = json.loads((repository / "plan.json").read_text())
    assert plan["templates"] == {"comment.md.j2": "as it was"}
    assert plan["report"]["fail_on"] == "new-failures"
