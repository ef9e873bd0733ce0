"""`plan` and `decide` as a workflow calls them on a pull request, against the double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.github import GitHub, at, running, stamp
from tests.helpers.suites import write_files
from tests.helpers.workflow import in_workflow, pull_request_event

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
    return in_workflow(github, root, *arguments, event=pull_request_event(label=label, labels=labels))


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


def reported(github: GitHub, repository: Path, plan: Path, folder: Path) -> tuple[str, list[tuple[str, str]]]:
    """Output and calls of the report job, which has the plan and no checkout; no shard has left anything."""
    folder.mkdir()
    before = len(github.requests)
    arguments = ("merge", "--plan", str(plan), "--bundles", "bundles", "--out", "report")
    code, output, _ = in_workflow(github, folder, *arguments, event=pull_request_event())
    assert code == 5, output
    return output, github.requests[before:]


def test_the_report_templates_of_a_pull_request_are_those_of_its_base(
    github: GitHub, repository: Path, tmp_path: Path
) -> None:
    settings = BASE + '[report]\ntemplates = "own"\nfail_on = "new-failures"\n'
    github.file("ci-itest.toml", settings)
    github.file("own/comment.md.j2", "as it was")
    (repository / "ci-itest.toml").write_text(settings.replace("new-failures", "failures"))
    write_files(repository, {"own/comment.md.j2": "all is well", "own/summary.md.j2": "all is well"})

    code, output, _ = asked(github, repository, "plan", "--decide", "--out", "plan.json")

    assert code == 0, output
    assert len(github.requests) <= 3
    plan = json.loads((repository / "plan.json").read_text())
    assert plan["report"]["fail_on"] == "new-failures"
    output, calls = reported(github, repository, repository / "plan.json", tmp_path / "job")
    assert "all is well" not in (tmp_path / "job" / "report" / "summary.md").read_text()
    assert "as it was" in (tmp_path / "job" / "report" / "comment.md").read_text(), output
    assert len(calls) <= 12


@pytest.mark.parametrize(
    ("table", "base", "own"),
    [
        ("flaky", 'quarantine = "off"', 'quarantine = "auto"'),
        ("history", 'store = "main.sqlite"', 'store = "/tmp/mine.sqlite"'),
        ("bypass", 'label = "skip-integration"', 'label = "bug"'),
        ("report", 'fail_on = "failures"', 'fail_on = "new-failures"'),
    ],
)
def test_the_report_job_is_told_the_bases_tables(
    table: str, base: str, own: str, github: GitHub, repository: Path
) -> None:
    github.file("ci-itest.toml", f"[{table}]\n{base}\n")
    (repository / "ci-itest.toml").write_text(f"[{table}]\n{own}\n")

    code, output, _ = asked(github, repository, "plan", "--decide", "--out", "plan.json")

    assert code == 0, output
    key, _, value = base.partition(" = ")
    assert json.loads((repository / "plan.json").read_text())[table][key] == value.strip('"')


def test_a_push_brings_templates_and_owners_along(github: GitHub, repository: Path) -> None:
    write_files(
        repository,
        {
            "ci-itest.toml": BASE + '[report]\ntemplates = "own"\n',
            "own/comment.md.j2": "ours",
            ".github/CODEOWNERS": "* @acme/all",
        },
    )

    code, output, _ = in_workflow(github, repository, "plan", "--decide", "--out", "plan.json")

    assert code == 0, output
    plan = json.loads((repository / "plan.json").read_text())
    assert (plan["templates"], plan["codeowners"]) == ({"comment.md.j2": "ours"}, "* @acme/all")
    # Its own checkout is what counts; GitHub is only asked what the commit's message says it fixes.
    assert github.requests == [("GET", "/repos/acme/shop/actions/runs/900")]


def test_a_plan_that_a_shard_left_in_the_plans_place_is_refused(
    github: GitHub, repository: Path, tmp_path: Path
) -> None:
    _, _, outputs = asked(github, repository, "plan", "--decide", "--out", "plan.json")
    plan = json.loads((repository / "plan.json").read_text())
    plan["report"]["fail_on"] = "new-failures"
    job = write_files(tmp_path / "job", {"plan.json": json.dumps(plan)})

    arguments = ("merge", "--plan", "plan.json", "--bundles", "bundles", "--decision", outputs["decision"])
    code, output, _ = in_workflow(github, job, *arguments, event=pull_request_event())

    assert code == 5
    assert "plan.json is not the one that the plan job made." in output


def test_the_plan_that_the_plan_job_made_is_taken(github: GitHub, repository: Path) -> None:
    _, _, outputs = asked(github, repository, "plan", "--decide", "--out", "plan.json")

    arguments = ("merge", "--plan", "plan.json", "--bundles", "bundles", "--decision", outputs["decision"])
    code, output, _ = in_workflow(github, repository, *arguments, event=pull_request_event())

    assert code == 5
    assert "Shard 1/1 left no bundle" in output
