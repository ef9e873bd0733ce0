"""Small git repositories with a suite in them, and workflow runs of theirs on the GitHub double."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.github import GitHub
from tests.helpers.suites import ci_itest, write_files

POLLUTED = {
    "shop.py": "BASKET = []\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "ci-itest.toml": "shards = 1\nworkers = 2\nretries = 0\n[history]\nstore = 'history.sqlite'\n",
    ".gitignore": "history.sqlite\n__pycache__\n",
    "tests/test_shop.py": """
        import pytest, shop

        @pytest.mark.parametrize("n", range(10))
        def test_other(n): pass

        def test_fills():
            shop.BASKET.append("tea")

        def test_more(): pass

        def test_is_empty():
            assert shop.BASKET == [], "the basket is not empty"
    """,
}
"""A suite in which one case spoils another when both run on one worker, in this order."""

FILLS = "tests/test_shop.py::test_fills"
IS_EMPTY = "tests/test_shop.py::test_is_empty"


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(root: Path, files: Mapping[str, str] = POLLUTED, *, origin: str = "") -> Path:
    """A checkout with one commit, whose remote is said to be at `origin`."""
    write_files(root, files)
    git(root, "init", "-q", "-b", "main")
    commit(root)
    if origin:
        git(root, "remote", "add", "origin", origin)
    return root


def commit(root: Path) -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "A change", "--allow-empty")
    return git(root, "rev-parse", "HEAD")


def ran_in_ci(root: Path, *, run_id: str = "77", **variables: str) -> Path:
    """The bundle of shard 1 of a run of the newest commit, as CI leaves it; the working tree stays as it was."""
    elsewhere = root.parent / f"runner-{run_id}"
    git(root, "clone", "-q", str(root), str(elsewhere))
    assert ci_itest("plan", "--run-id", run_id, root=elsewhere)[0] == 0
    folder = f".ci-itest/bundles/ci-itest-main-1-a{variables.get('ATTEMPT', '1')}"
    code, output = ci_itest("run-shard", "--shard", "1", "--bundle", folder, root=elsewhere, **variables)
    assert code in (0, 1), output
    bundle = shutil.copytree(elsewhere / folder, root.parent / f"bundle-{run_id}")
    shutil.rmtree(elsewhere)
    return Path(bundle)


def zipped(bundle: Path) -> Path:
    """As GitHub serves an artifact."""
    path = bundle.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(bundle.rglob("*")):
            archive.write(file, file.relative_to(bundle).as_posix())
    return path


def uploaded(github: GitHub, bundle: Path, *, run_id: int = 77, attempt: int = 1) -> None:
    github.artifact(run_id, f"ci-itest-main-1-a{attempt}", file=zipped(bundle))
