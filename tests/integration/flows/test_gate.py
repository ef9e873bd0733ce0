"""Forty combinations of missing, cancelled, truncated, skipped and bypassed: none is green that must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.cli.commands.merge import command
from tests.helpers.gate import ENDINGS, Ending, write_run


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_a_run_is_green_only_when_it_is(ending: Ending, tmp_path: Path) -> None:
    write_run(tmp_path)
    ending.damage(tmp_path)

    assert report_job(tmp_path, ending) in ending.exit_codes


def report_job(folder: Path, ending: Ending) -> int:
    """Exit code of the report job in this folder."""
    from ci_itest.errors import CiItestError

    places = [f"--{name}" for name in ("plan", "bundles", "out", "root")]
    paths = [folder / "plan.json", folder / "bundles", folder / "report", folder]
    arguments = [text for place, path in zip(places, paths, strict=True) for text in (place, str(path))]
    arguments += ["--set", f"history.store={folder}/history.sqlite", *ending.arguments]
    try:
        return int(command.main(args=arguments, standalone_mode=False) or 0)
    except CiItestError as error:
        return error.exit_code


def test_there_are_forty_of_them() -> None:
    assert len(ENDINGS) >= 40
    assert len({ending.name for ending in ENDINGS}) == len(ENDINGS)
