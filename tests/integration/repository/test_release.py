"""`.ci/release` in a clone: the commits and the tag it makes, and what it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
NEEDED = (
    ".ci/release",
    ".github/workflows/fork-report.yml",
    ".github/workflows/integration.yml",
    "CHANGELOG.md",
    "ci_itest/__init__.py",
)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of what a release touches."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "user.name", "Somebody")
    git(tmp_path, "config", "user.email", "somebody@example.org")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Before")
    return tmp_path


def release(clone: Path, version: str) -> tuple[int, str]:
    done = subprocess.run([".ci/release", version], cwd=clone, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_release_names_its_version_and_its_own_commit_in_the_reusable_workflows(clone: Path) -> None:
    code, output = release(clone, "7.8.9")

    assert code == 0, output
    assert git(clone, "log", "--format=%s").splitlines() == [
        "Name the action of 7.8.9 in the reusable workflows",
        "Release 7.8.9",
        "Before",
    ]
    assert git(clone, "rev-parse", "v7.8.9^{commit}") == git(clone, "rev-parse", "HEAD")
    assert '__version__ = "7.8.9"' in (clone / "ci_itest" / "__init__.py").read_text()
    assert re.search(r"^## Unreleased\n\n## 7\.8\.9 - \d{4}-\d\d-\d\d$", (clone / "CHANGELOG.md").read_text(), re.M)
    released = git(clone, "rev-parse", "HEAD~1")
    for name in ("integration.yml", "fork-report.yml"):
        used = re.findall(r"ci-itest/ci-itest@(\w+)", (clone / ".github" / "workflows" / name).read_text())
        assert used
        assert set(used) == {released}


@pytest.mark.parametrize("version", ["", "v1.2.3", "1.2", "1.2.3; rm -rf ."])
def test_what_is_no_version_changes_nothing(clone: Path, version: str) -> None:
    code, output = release(clone, version)

    assert (code, git(clone, "status", "--porcelain"), git(clone, "log", "--format=%s")) == (2, "", "Before"), output


def test_a_tree_with_changes_is_not_released(clone: Path) -> None:
    (clone / "CHANGELOG.md").write_text("## Unreleased\n\n- Half a sentence\n")

    code, output = release(clone, "7.8.9")

    assert code == 2
    assert "commit them first" in output


def test_a_version_is_released_once(clone: Path) -> None:
    release(clone, "7.8.9")

    code, output = release(clone, "7.8.9")

    assert code == 2
    assert "there already" in output
