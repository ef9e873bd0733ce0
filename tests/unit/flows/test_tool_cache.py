"""The key of what a set-up downloads follows the files that decide it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.config.reader import read_config
from ci_itest.errors import SettingsError
from ci_itest.flows.tool_cache import tool_cache
from ci_itest.model.settings import CacheSettings
from tests.helpers.suites import write_files

BROWSERS = CacheSettings(paths=("~/.cache/ms-playwright", "~/.npm"), key=("**/package-lock.json",))


def test_the_key_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    write_files(tmp_path, {"package-lock.json": "1", "web/package-lock.json": "1", "README.md": "1"})
    first = tool_cache(BROWSERS, tmp_path)
    write_files(tmp_path, {"README.md": "2"})
    same = tool_cache(BROWSERS, tmp_path)
    write_files(tmp_path, {"web/package-lock.json": "2"})

    assert first["cache-paths"] == "~/.cache/ms-playwright\n~/.npm"
    assert same == first
    assert tool_cache(BROWSERS, tmp_path)["cache-key"] != first["cache-key"]


def test_other_folders_have_another_key(tmp_path: Path) -> None:
    write_files(tmp_path, {"package-lock.json": "1"})

    others = CacheSettings(paths=("~/.npm",), key=BROWSERS.key)

    assert tool_cache(others, tmp_path)["cache-key"] != tool_cache(BROWSERS, tmp_path)["cache-key"]


def test_without_folders_nothing_is_kept(tmp_path: Path) -> None:
    assert tool_cache(CacheSettings(), tmp_path) == {"cache-paths": "", "cache-key": ""}


def test_a_pattern_that_means_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        tool_cache(BROWSERS, tmp_path)

    assert caught.value.message == "`**/package-lock.json`, in `key` of [cache], means no file."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('paths = ["~/.npm"]', "[cache] has no `key`"),
        ('paths = ["!~/.npm"]\nkey = ["a"]', "'!~/.npm' is no folder"),
        ('paths = ["a\\nb"]\nkey = ["a"]', "is no folder"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    write_files(tmp_path, {"ci-itest.toml": f"[cache]\n{text}\n"})

    with pytest.raises(SettingsError) as caught:
        read_config(tmp_path, file=None, environment={}, overrides={})

    assert "ci-itest.toml:" in caught.value.message
    assert words in caught.value.message
