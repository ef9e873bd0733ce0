"""What the end-to-end tests share: the workbench, once for all, and a repository for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.e2e.harness import SMALL, Repository, Workbench, act_program, uv_program, workbench
from tests.helpers.github import GitHub, running


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    if not act_program().exists():
        skip_or_fail("There is no act beside this Python")
    if uv_program() is None:
        skip_or_fail("There is no uv on this machine")
    if shutil.which("git") is None:
        skip_or_fail("There is no git on this machine")
    cache = Path(os.environ.get("CI_ITEST_BENCH_CACHE") or Path.home() / ".cache" / "ci-itest-bench")
    return workbench(tmp_path_factory.mktemp("bench"), cache=cache / "e2e", environment=os.environ)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running() as github:
        yield github


@pytest.fixture
def small(tmp_path: Path, bench: Workbench, github: GitHub) -> Repository:
    """A repository with a suite that takes no time, and a pull request that changes its README."""
    repository = Repository(tmp_path, suite=SMALL, environment=bench.pytest_environment, bench=bench, github=github)
    repository.open_pull_request({"README.md": "A shop.\n"})
    return repository
