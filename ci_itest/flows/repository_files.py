"""The files of a repository that say how it is tested: their names, and their texts when they are asked for."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ci_itest.runners.files import IGNORED

_IGNORED = IGNORED | {"venv"}
_MOST_FILES = 5000
_MOST_BYTES = 200_000


class RepositoryFiles:
    """The repository's files: names from the root, and their texts when they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = tuple(sorted(_names(root)))
        self._texts: dict[str, str] = {}

    def text(self, name: str) -> str:
        """The file's text, "" for one that is not there or too large."""
        if name not in self._texts:
            path = self.root / name
            try:
                small = path.stat().st_size <= _MOST_BYTES
                self._texts[name] = path.read_text(encoding="utf-8", errors="replace") if small else ""
            except OSError:
                self._texts[name] = ""
        return self._texts[name]

    def has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def matching(self, pattern: str) -> Iterator[str]:
        form = re.compile(pattern)
        return (name for name in self.names if form.search(name))

    @cached_property
    def package(self) -> Mapping[str, Any]:
        """package.json, {} without one."""
        try:
            found = json.loads(self.text("package.json") or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def pyproject(self) -> Mapping[str, Any]:
        try:
            return tomllib.loads(self.text("pyproject.toml"))
        except tomllib.TOMLDecodeError:
            return {}

    @property
    def manifests(self) -> Iterator[str]:
        """Files that name what the code depends on."""
        return self.matching(
            r"(^|/)(requirements[^/]*\.(txt|in)|pyproject\.toml|Pipfile|setup\.cfg|package\.json|go\.mod|composer\.json|[^/]+\.csproj)$"
        )


def _names(root: Path) -> Iterator[str]:
    count = 0
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _IGNORED and (name == ".github" or name[0] != "."))
        for name in sorted(files):
            yield (Path(parent) / name).relative_to(root).as_posix()
            count += 1
            if count == _MOST_FILES:
                return
