"""`ci-itest plan --what-if` on a suite whose durations are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.suites import ci_itest, write_files

DURATIONS = {f"tests/test_{name}.py::test_{number}": 30 for name in "abcd" for number in range(4)}
LONG = {f"tests/test_long.py::test_{number}": 60 for number in range(10)}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    files = {f"tests/test_{name}.py": "def test_0(): pass\n" for name in ("a", "b", "c", "d", "long")}
    settings = "workers = 1\ntarget = '12m'\nboot = 0\n[history]\nstore = 'history.sqlite'\n"
    root = write_files(tmp_path / "repo", {**files, "ci-itest.toml": settings})
    (root / "times.json").write_text(json.dumps({**DURATIONS, **LONG}))
    assert ci_itest("history", "import", "times.json", root=root)[0] == 0
    return root


def test_the_table_shows_every_useful_count_and_what_bounds_it(suite: Path) -> None:
    code, output = ci_itest("plan", "--what-if", root=suite)

    assert code == 0, output
    assert any(line.split()[:5] == ["1", "18:00", "min", "19", "min"] for line in output.splitlines()), output
    assert "→ 2 shards meet the target of 12:00 min." in output
    assert "that long a job of tests/test_long.py alone takes" in output
    assert 'Cutting long files (keep_together = "case") would gain' in output


def test_it_makes_no_plan(suite: Path) -> None:
    ci_itest("plan", "--what-if", root=suite)

    assert not (suite / ".ci-itest" / "plan.json").exists()


def test_a_price_makes_a_column(suite: Path) -> None:
    _, output = ci_itest("plan", "--what-if", "--price", "0.5", root=suite)

    assert "shards      wall  billed    price" in output
    assert "9.500" in output


def test_a_set_number_of_shards_is_marked(suite: Path) -> None:
    _, output = ci_itest("plan", "--what-if", "--shards", "2", root=suite)

    assert "→ 2 shards are set." in output
