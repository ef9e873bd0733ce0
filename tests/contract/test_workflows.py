"""The action and the workflows keep to GitHub's schemas and to the rules of a careful reviewer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.examples import examples

PROJECT = Path(__file__).resolve().parents[2]
ACTIONS = (PROJECT / "action.yml",)
WORKFLOWS = tuple(sorted((PROJECT / ".github" / "workflows").glob("*.yml")))
README = PROJECT / "README.md"
TESTED = PROJECT / "tests" / "e2e" / "workflows" / "ci.yml"
A_RELEASE = "0123456789abcdef0123456789abcdef01234567"
OURS = "ci-itest/ci-itest"

_USES = re.compile(r"^\s*(?:- )?uses:\s*(?P<what>\S+)(?P<rest>.*)$", re.MULTILINE)
_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_VERSION = re.compile(r" # v\d+(?:\.\d+)*")


def program(name: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a program of the development requirements."""
    path = Path(sys.executable).parent / name
    done = subprocess.run([str(path), *arguments], capture_output=True, text=True, cwd=PROJECT, check=False)
    return done.returncode, done.stdout + done.stderr


def shown(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("file", ACTIONS + WORKFLOWS, ids=shown)
def test_zizmor_finds_nothing_of_medium_severity_or_above(file: Path) -> None:
    code, output = program(
        "zizmor", "--offline", "--no-config", "--persona", "auditor", "--min-severity", "medium", str(file)
    )

    assert code == 0, output


@pytest.mark.parametrize("file", ACTIONS, ids=shown)
def test_an_action_follows_githubs_schema(file: Path) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", "vendor.github-actions", str(file))

    assert code == 0, output


@pytest.mark.parametrize("file", WORKFLOWS, ids=shown)
def test_a_workflow_follows_githubs_schema(file: Path) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file))

    assert code == 0, output


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("dependabot.yml", "dependabot"),
        ("ISSUE_TEMPLATE/bug.yml", "github-issue-forms"),
        ("ISSUE_TEMPLATE/idea.yml", "github-issue-forms"),
        ("ISSUE_TEMPLATE/config.yml", "github-issue-config"),
    ],
)
def test_what_github_reads_beside_workflows_follows_its_schemas(file: str, schema: str) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", f"vendor.{schema}", f".github/{file}")

    assert code == 0, output


@pytest.mark.parametrize("file", ACTIONS + WORKFLOWS, ids=shown)
def test_no_expression_stands_inside_a_script(file: Path) -> None:
    steps = list(steps_of(file))
    scripts = [step["run"] for step in steps if "run" in step]

    assert steps
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("file", ACTIONS + WORKFLOWS, ids=shown)
def test_every_outside_action_is_pinned_to_a_commit_and_says_its_version(file: Path) -> None:
    used = [(found["what"], found["rest"]) for found in _USES.finditer(file.read_text())]
    outside = [(what, rest) for what, rest in used if not what.startswith("./")]

    assert outside
    for what, rest in outside:
        assert _PINNED.fullmatch(what), what
        assert _VERSION.fullmatch(rest) or what.startswith(f"{OURS}@"), f"{what}{rest}"


def test_one_action_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for other in ACTIONS + WORKFLOWS:
        for found in _USES.finditer(other.read_text()):
            what, _, ref = found["what"].partition("@")
            versions.setdefault("/".join(what.split("/")[:2]), set()).add(ref)

    assert {name: refs for name, refs in versions.items() if len(refs) > 1} == {}


@pytest.mark.parametrize("file", WORKFLOWS, ids=shown)
def test_a_workflow_grants_nothing_that_a_job_does_not_ask_for(file: Path) -> None:
    workflow = read(file)

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job


@pytest.mark.parametrize("file", ACTIONS + WORKFLOWS, ids=shown)
def test_no_checkout_leaves_the_token_behind(file: Path) -> None:
    for step in steps_of(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_shard_gets_no_token() -> None:
    steps = [step for step in steps_of(ACTIONS[0]) if "run-shard" in step.get("run", "")]

    assert len(steps) == 1
    assert "token" not in str(steps[0]).lower()


@pytest.fixture
def readmes_workflow(tmp_path: Path) -> Path:
    """The README's one workflow as somebody would paste it, with a release for REF."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    workflow = tmp_path / ".github" / "workflows" / "integration.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(blocks[0].replace("@REF", f"@{A_RELEASE}"))
    return workflow


def test_the_readmes_workflow_follows_githubs_schema(readmes_workflow: Path) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(readmes_workflow))

    assert code == 0, output


def test_zizmor_finds_nothing_of_medium_severity_in_the_readmes_workflow(readmes_workflow: Path) -> None:
    code, output = program(
        "zizmor", "--offline", "--no-config", "--persona", "auditor", "--min-severity", "medium", str(readmes_workflow)
    )

    assert code == 0, output


def test_the_readmes_workflow_is_careful_with_tokens_and_pins(readmes_workflow: Path) -> None:
    ours = {found["what"] for file in WORKFLOWS for found in _USES.finditer(file.read_text())}
    used = {found["what"] for found in _USES.finditer(readmes_workflow.read_text())}

    assert read(readmes_workflow)["permissions"] == {}
    assert {what for what in used if not what.startswith(f"{OURS}@")} <= ours
    for step in steps_of(readmes_workflow):
        assert not step.get("uses", "").startswith("actions/checkout@") or not step["with"]["persist-credentials"]


def test_the_workflow_of_the_end_to_end_tests_is_the_readmes(readmes_workflow: Path) -> None:
    readmes, tested = read(readmes_workflow), read(TESTED)

    assert list(readmes["jobs"]) == list(tested["jobs"])
    for name, job in readmes["jobs"].items():
        assert without_steps(job) == without_steps(tested["jobs"][name])
        assert actions_of(job) == actions_of(tested["jobs"][name], without="images-mirror")


def without_steps(job: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key != "steps"}


def actions_of(job: dict[str, Any], *, without: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Name and inputs of the actions a job uses."""
    used = [(step["uses"].partition("@")[0], step.get("with", {})) for step in job["steps"] if "uses" in step]
    return [(name, {key: value for key, value in given.items() if key != without}) for name, given in used]


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def steps_of(file: Path) -> Iterator[dict[str, Any]]:
    content = read(file)
    if "runs" in content:
        yield from content["runs"]["steps"]
    for job in content.get("jobs", {}).values():
        yield from job.get("steps", [])


def test_every_workflow_in_the_documents_would_pass_a_careful_reviewer(tmp_path: Path) -> None:
    files = list(examples(tmp_path))

    schema = program("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *map(str, files))
    careful = ("--offline", "--no-config", "--persona", "auditor", "--min-severity", "medium")
    audit = program("zizmor", *careful, *map(str, files))

    assert len(files) == 11
    assert schema[0] == 0, schema[1]
    assert audit[0] == 0, audit[1]
    for file in files:
        assert read(file)["permissions"] == {}


def test_fork_reports_are_posted_with_no_more_than_the_documents_grant() -> None:
    job = read(PROJECT / ".github" / "workflows" / "fork-report.yml")["jobs"]["post"]

    assert job["permissions"] == {"contents": "read", "actions": "read", "pull-requests": "write"}
    assert [step for step in job["steps"] if "checkout" in step.get("uses", "")] == []
