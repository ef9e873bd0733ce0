"""The application as a process that serves makes it: in a process of its own, since it is about what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci_itest.service.app import create_app
from ci_itest.service.settings import ServiceSettings, to_environment

PROGRAM = """
import json, sys
from ci_itest.service.worker import worker
app = worker()
modules = sorted(name for name in sys.modules if name.startswith("ci_itest.service.pages"))
print(json.dumps({"modules": modules, "description": app.openapi()}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a worker process has imported once it is made, and how it describes itself."""
    folder = tmp_path_factory.mktemp("worker")
    settings = ServiceSettings(database=str(Path(folder) / "service.sqlite"))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **to_environment(settings)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, object] = json.loads(ended.stdout)
    return found


def test_what_only_pages_need_is_not_imported_at_the_start(made: dict[str, object]) -> None:
    assert made["modules"] == []


def test_a_worker_describes_itself_as_any_application_does(made: dict[str, object]) -> None:
    assert made["description"] == create_app(ServiceSettings()).openapi()
