"""The whole example of docs/services.md, taken from the page and run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from tests.helpers.containers import held_by
from tests.helpers.suites import ci_itest, write_files

PAGE = Path(__file__).resolve().parents[3] / "docs" / "services.md"
_FILE = re.compile(r"^`(?P<name>[\w./-]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.docker
def test_the_whole_example_of_the_page_runs(tmp_path: Path, docker_engine: None, registry_mirror: str) -> None:
    files = {found["name"]: found["text"] for found in _FILE.finditer(PAGE.read_text())}
    assert set(files) == {"ci-itest.toml", "compose.yml", "server.py", "tests/test_all.py"}
    root, run = write_files(tmp_path, files), f"page-{os.getpid()}"

    plan_code, planned = ci_itest("plan", "--run-id", run, root=root)
    code, output = ci_itest("run-shard", "--shard", "1", "--set", f"images.mirror={registry_mirror}", root=root)

    assert plan_code == 0, planned
    assert code == 0, output
    logs = root / ".ci-itest" / "ci-itest-main-1-a1" / "logs"
    assert "queues are set up" in (logs / "services" / "setup.log").read_text()
    assert "prepared for redis://127.0.0.1:" in (logs / "prepare-1.log").read_text()
    engine = Engine.connect(os.environ)
    assert held_by(engine, run) == []
    engine.close()
