"""README, action.yml and the settings say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_itest.config.declaration import overridable, variable_name
from ci_itest.errors import ExitCode

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
README = ROOT / "README.md"
OWN_VARIABLES = {"CI_ITEST_CONFIG"}


def table(entries: Mapping[str, Mapping[str, Any]], *, has_default: bool) -> str:
    head = ["| name | what | default |", "| --- | --- | --- |"] if has_default else ["| name | what |", "| --- | --- |"]
    rows = []
    for name, entry in entries.items():
        default = f" {_default(entry)} |" if has_default else ""
        rows.append(f"| `{name}` | {entry['description']} |{default}")
    return "\n".join([*head, *rows])


def _default(entry: Mapping[str, Any]) -> str:
    if entry.get("required"):
        return "required"
    return f"`{entry['default']}`" if entry.get("default") else ""


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_the_readme_lists_what_the_action_has(part: str, update_golden: bool) -> None:
    wanted = table(ACTION[part], has_default=part == "inputs")
    between = re.compile(rf"(<!-- {part} -->\n).*?(<!-- /{part} -->)", re.DOTALL)
    if update_golden:
        text = README.read_text()
        README.write_text(between.sub(lambda found: f"{found[1]}{wanted}\n{found[2]}", text))

    found = between.search(README.read_text())

    assert found is not None
    assert found[0] == f"<!-- {part} -->\n{wanted}\n<!-- /{part} -->"


def test_every_variable_the_action_sets_is_a_setting() -> None:
    known = {variable_name(path) for path, _ in overridable()} | OWN_VARIABLES
    used = {name for step in ACTION["runs"]["steps"] for name in step.get("env", {}) if name.startswith("CI_ITEST_")}

    assert used <= known


def test_every_input_is_used_by_the_action() -> None:
    text = (ROOT / "action.yml").read_text()

    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in text] == []


def test_no_expression_stands_inside_a_script() -> None:
    assert [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")] == []


def test_nested_actions_are_pinned_by_commit() -> None:
    uses = [step["uses"] for step in ACTION["runs"]["steps"] if "uses" in step]

    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", use)] == []


def test_the_readme_lists_every_exit_code() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text(), re.MULTILINE)}

    assert listed == {int(code) for code in ExitCode}
