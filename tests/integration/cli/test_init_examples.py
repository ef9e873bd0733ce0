"""`ci-itest init` finds in each example what the example's own settings say."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ci_itest.config.reader import read_config
from tests.helpers.suites import ci_itest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
LEFT_OUT = ("node_modules", ".venv", ".ci-itest", "ci-itest.toml", "ci-itest.embedded.toml", "__pycache__")


def essence(root: Path) -> dict[str, Any]:
    """What decides whether the suites of a folder run."""
    return {
        name: (
            suite.runner,
            suite.markers,
            {service: one.image for service, one in suite.services.items()},
            suite.environment["DATABASE_URL"],
            [step.run for step in suite.prepare],
        )
        for name, suite in read_config(root, environment={}).settings.suites.items()
    }


@pytest.mark.parametrize("example", ["go", "node", "php", "playwright", "shop"])
def test_what_is_written_for_an_example_is_what_the_example_has(example: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(EXAMPLES / example, tmp_path / example, ignore=shutil.ignore_patterns(*LEFT_OUT)))

    code, output = ci_itest("init", "--yes", root=root)

    assert code == 0, output
    assert essence(root) == essence(EXAMPLES / example)
