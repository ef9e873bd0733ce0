"""Workflows and the action pass the linters that their users run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ci_itest.process import output_of

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def lint(program: str, *arguments: str) -> tuple[int, str]:
    command = [str(Path(sys.executable).parent / program), *arguments]
    return output_of(command, directory=ROOT, environment=os.environ, within_seconds=120)


def test_zizmor_finds_nothing_of_medium_or_above() -> None:
    code, output = lint(
        "zizmor", "--offline", "--min-severity", "medium", "--format", "plain", "action.yml", *map(str, WORKFLOWS)
    )

    assert code == 0, output


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_fits_its_schema(workflow: Path) -> None:
    code, output = lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow))

    assert code == 0, output


def test_the_action_fits_its_schema() -> None:
    code, output = lint("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml")

    assert code == 0, output
