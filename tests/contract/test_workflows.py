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

PROJECT = Path(__file__).resolve().parents[2]
ACTIONS = (PROJECT / "action.yml",)
WORKFLOWS = tuple(sorted((PROJECT / ".github" / "workflows").glob("*.yml")))
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
    code, output = program("zizmor", "--offline", "--no-config", "--min-severity", "medium", str(file))

    assert code == 0, output


@pytest.mark.parametrize("file", ACTIONS, ids=shown)
def test_an_action_follows_githubs_schema(file: Path) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", "vendor.github-actions", str(file))

    assert code == 0, output


@pytest.mark.parametrize("file", WORKFLOWS, ids=shown)
def test_a_workflow_follows_githubs_schema(file: Path) -> None:
    code, output = program("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(file))

    assert code == 0, output


@pytest.mark.parametrize("file", ACTIONS + WORKFLOWS, ids=shown)
def test_no_expression_stands_inside_a_script(file: Path) -> None:
    scripts = [step["run"] for step in steps_of(file) if "run" in step]

    assert scripts
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


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def steps_of(file: Path) -> Iterator[dict[str, Any]]:
    content = read(file)
    if "runs" in content:
        yield from content["runs"]["steps"]
    for job in content.get("jobs", {}).values():
        yield from job.get("steps", [])
