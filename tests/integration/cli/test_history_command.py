"""`ci-itest history` on a small suite: durations in and out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.suites import ci_itest, write_files

SETTINGS = "shards = 2\n[history]\nstore = 'history.sqlite'\n"
JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.test_a.TestCart" name="test_adds" time="30.0"/>
<testcase classname="tests.test_b" name="test_b" time="20.0"/>
<testcase classname="elsewhere" name="test_lost" time="1.0"/>
</testsuite></testsuites>"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    files = {f"tests/test_{name}.py": "def test_it(): pass\n" for name in "abc"}
    return write_files(tmp_path / "repo", {**files, "ci-itest.toml": SETTINGS})


def planned(root: Path) -> list[list[str]]:
    code, output = ci_itest("plan", "--run-id", "7", root=root)
    assert code == 0, output
    plan = json.loads((root / ".ci-itest" / "plan.json").read_text())
    return sorted([unit["file"] for unit in shard["units"]] for shard in plan["suites"][0]["shards"])


def test_imported_durations_make_the_first_plan(suite: Path) -> None:
    (suite / "times.json").write_text(
        json.dumps({"tests/test_a.py::test_it": 90, "tests/test_b.py::test_it": 40, "tests/test_c.py::test_it": 40})
    )

    code, output = ci_itest("history", "import", "times.json", root=suite)

    assert code == 0, output
    assert "Imported 3 durations of 3 files; 3 of them are in the suite." in output
    assert planned(suite) == [["tests/test_a.py"], ["tests/test_b.py", "tests/test_c.py"]]


def test_importing_the_same_twice_changes_nothing(suite: Path) -> None:
    (suite / "times.json").write_text('{"tests/test_a.py::test_it": 9}')
    ci_itest("history", "import", "times.json", root=suite)

    code, output = ci_itest("history", "import", "times.json", root=suite)

    assert code == 0
    assert "The history has these durations already." in output


def test_a_junit_case_without_a_file_is_found_by_its_module(suite: Path) -> None:
    (suite / "junit.xml").write_text(JUNIT)

    code, output = ci_itest("history", "import", "junit.xml", root=suite)
    _, exported = ci_itest("history", "export", "--out", "out.json", root=suite)

    assert code == 0, output
    assert "elsewhere::test_lost: its file is not told" in output
    assert json.loads((suite / "out.json").read_text()) == {
        "tests/test_a.py::TestCart::test_adds": 30.0,
        "tests/test_b.py::test_b": 20.0,
    }, exported


def test_a_broken_file_is_named_with_its_line_and_the_plan_goes_on(suite: Path) -> None:
    (suite / "times.json").write_text('{"tests/test_a.py::test_it": 9,\n}')

    code, output = ci_itest("history", "import", "times.json", root=suite)

    assert code == 2
    assert "times.json, line 2" in output
    assert len(planned(suite)) == 2


@pytest.mark.parametrize("format_name", ["knapsack", "circleci", "junit", "pytest-split"])
def test_what_is_exported_can_be_imported(suite: Path, format_name: str) -> None:
    (suite / "times.json").write_text('{"tests/test_a.py::test_it": 9, "tests/test_b.py::test_it": 4}')
    ci_itest("history", "import", "times.json", root=suite)
    code, output = ci_itest("history", "export", "--format", format_name, "--out", "out", root=suite)
    assert code == 0, output
    (suite / "history.sqlite").unlink()

    code, output = ci_itest("history", "import", "out", "--format", format_name, root=suite)

    assert code == 0, output
    assert "Imported 2 durations of 2 files; 2 of them are in the suite." in output
