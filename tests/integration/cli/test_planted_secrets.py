"""Forty secrets in the environment, shown by tests in every way they can: none is in anything that a run leaves."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.secrets import SUITE_THAT_TELLS, found_in, secrets
from tests.helpers.suites import ci_itest, write_files


def test_none_of_forty_secrets_is_in_anything_a_run_leaves(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", SUITE_THAT_TELLS)
    left = root / "left"
    left.mkdir()

    code, output = ci_itest("run", "--set", "history.store=left/history.sqlite", root=root, **secrets())
    (left / "console.txt").write_text(output)
    (root / ".ci-itest").rename(left / "run")

    assert code == 1, output
    assert len(secrets()) == 40
    assert "test_told_in_every_form" in output
    assert found_in(left, [*secrets().values(), "h1ddenpass"]) == []


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    root = write_files(tmp_path / "repo", SUITE_THAT_TELLS)
    (root / "leak.txt").write_text(f"{secrets()['API_TOKEN_0']}\n")

    assert any("leak.txt: plain" in place for place in found_in(root, secrets().values()))
