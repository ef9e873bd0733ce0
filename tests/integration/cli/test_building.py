"""Where the command works, and what it does about a damaged history."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci_itest.cli.building import history, place_of, read_settings


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "backend").mkdir(parents=True)
    (root / "backend" / "ci-itest.toml").write_text('tests = ["tests"]\n[history]\nstore = "history.sqlite"\n')
    git(root, "init", "-q", "-b", "trunk")
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "First")
    return root


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def test_a_checkout_tells_branch_commit_and_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_laptop(monkeypatch)

    place = place_of(checkout / "backend")

    assert (place.repository, place.branch, place.root_in_repository) == ("repository", "trunk", "backend")
    assert place.commit == git(checkout, "rev-parse", "HEAD")


def test_a_detached_head_has_a_commit_and_no_branch(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_laptop(monkeypatch)
    git(checkout, "checkout", "-q", "--detach")

    place = place_of(checkout)

    assert (place.branch, place.commit) == ("", git(checkout, "rev-parse", "HEAD"))


def test_a_folder_without_git_has_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_laptop(monkeypatch)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    place = place_of(tmp_path)

    assert (place.branch, place.commit, place.repository) == ("", "", tmp_path.name)


def test_a_damaged_history_of_the_cache_is_put_aside_and_started_anew(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = read_settings(checkout / "backend", None, ("history.store=cache",))
    place = place_of(checkout / "backend")
    with history(config, place) as store:
        assert store is not None
    [file] = (tmp_path / "cache").rglob("*.sqlite")
    file.write_bytes(b"no database at all, and long enough to be taken for one" * 40)

    with history(config, place) as store:
        assert store is not None

    assert "put aside" in capsys.readouterr().err
    assert [aside.read_bytes()[:11] for aside in (tmp_path / "cache").rglob("*.damaged")] == [b"no database"]


def test_a_damaged_history_that_the_settings_name_is_left_alone(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_laptop(monkeypatch)
    file = checkout / "backend" / "history.sqlite"
    file.write_bytes(b"precious" * 200)
    config = read_settings(checkout / "backend", None, ())

    with history(config, place_of(checkout / "backend")) as store:
        assert store is None

    assert file.read_bytes() == b"precious" * 200
    assert "plans without history" in capsys.readouterr().err
