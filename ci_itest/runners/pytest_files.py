"""The test files pytest would collect, found by its own patterns without starting it."""

from __future__ import annotations

import configparser
import fnmatch
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_itest.errors import SettingsError

DEFAULT_FILES = ("test_*.py", "*_test.py")
DEFAULT_IGNORED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")

_CASE = re.compile(rb"^[ \t]*(?:async[ \t]+)?def[ \t]+test", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Patterns:
    """`python_files` and `norecursedirs` in force."""

    files: tuple[str, ...] = DEFAULT_FILES
    ignored: tuple[str, ...] = DEFAULT_IGNORED


def patterns_of(root: Path) -> Patterns:
    """The patterns of the first configuration file that pytest would use in that folder.

    Order as in pytest's own reference: pytest.ini, .pytest.ini, pyproject.toml, tox.ini, setup.cfg. A file that
    cannot be read is pytest's to complain of; here the defaults stand.
    """
    for name, section in (("pytest.ini", "pytest"), (".pytest.ini", "pytest")):
        if (root / name).is_file():
            return _patterns(_ini(root / name, section) or {})
    if (options := _pyproject(root / "pyproject.toml")) is not None:
        return _patterns(options)
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        if (options := _ini(root / name, section)) is not None:
            return _patterns(options)
    return Patterns()


def test_files(places: Sequence[str], *, root: Path) -> tuple[str, ...]:
    """Test files in folders and files named from the root, sorted, with forward slashes.

    Raises:
        SettingsError: A place does not exist, or lies outside the root.
    """
    patterns = patterns_of(root)
    top = root.resolve()
    found: set[str] = set()
    for place in places:
        path = root / place
        if not path.exists():
            raise SettingsError(f"`tests` names {place}, which does not exist in {root}.", hint="Correct the path.")
        if not path.resolve().is_relative_to(top):
            raise SettingsError(f"`tests` names {place}, which lies outside {root}.")
        files = [path] if path.is_file() else _below(path, patterns)
        found.update(file.resolve().relative_to(top).as_posix() for file in files if file.resolve().is_relative_to(top))
    return tuple(sorted(found))


def shown_cases(file: Path) -> int:
    """How many test functions the text shows; parametrised ones count once. 0 for a file that cannot be read."""
    try:
        return len(_CASE.findall(file.read_bytes()))
    except OSError:
        return 0


def _below(folder: Path, patterns: Patterns) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not _is_ignored(here / name, patterns))
        for name in files:
            if name.endswith(".py") and any(_matches(here / name, pattern) for pattern in patterns.files):
                yield here / name


def _is_ignored(folder: Path, patterns: Patterns) -> bool:
    if folder.name == "__pycache__" or (folder / "pyvenv.cfg").is_file():
        return True
    return any(_matches(folder, pattern) for pattern in patterns.ignored)


def _matches(path: Path, pattern: str) -> bool:
    """As pytest matches: a pattern with a slash is held against the path, any other against the name."""
    return fnmatch.fnmatch(str(path) if "/" in pattern else path.name, f"*/{pattern}" if "/" in pattern else pattern)


def _patterns(options: dict[str, Any]) -> Patterns:
    return Patterns(
        files=_words(options.get("python_files"), DEFAULT_FILES),
        ignored=_words(options.get("norecursedirs"), DEFAULT_IGNORED),
    )


def _words(value: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(shlex.split(value)) or default
    return tuple(str(item) for item in value) if isinstance(value, list) and value else default


def _ini(path: Path, section: str) -> dict[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return None
    return dict(parser[section]) if parser.has_section(section) else None


def _pyproject(path: Path) -> dict[str, Any] | None:
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("pytest", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
        return None
    options = tool.get("ini_options", tool) if isinstance(tool, dict) else None
    return options or None
