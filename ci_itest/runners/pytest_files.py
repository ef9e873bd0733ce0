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
from ci_itest.runners.files import NO_SUCH_PLACE

DEFAULT_FILES = ("test_*.py", "*_test.py")
DEFAULT_IGNORED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")

_CASE = re.compile(rb"^[ \t]*(?:async[ \t]+)?def[ \t]+test", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Patterns:
    """`python_files` and `norecursedirs` in force."""

    files: tuple[str, ...] = DEFAULT_FILES
    ignored: tuple[str, ...] = DEFAULT_IGNORED


def patterns_of(root: Path, places: Sequence[str] = (), arguments: Sequence[str] = ()) -> Patterns:
    """The patterns that pytest would use for these places: of the nearest configuration file at or above them all.

    A file that cannot be read is pytest's to complain of; here the defaults stand.

    Args:
        root: Folder pytest is started in.
        places: Folders and files it is given.
        arguments: Its other arguments; `-c` and `-o` have a say.
    """
    named = _value_of(("-c", "--config-file"), arguments)
    options = _options(root / named) if named else _nearest_options(_common_folder(root, places))
    overrides = dict(_overrides(arguments))
    return _patterns({**(options or {}), **overrides})


def suite_files(places: Sequence[str], *, root: Path, arguments: Sequence[str] = ()) -> tuple[str, ...]:
    """Test files in folders and files named from the root, sorted, with forward slashes.

    A linked file or folder has the name it is reached by, as in pytest's own ids, and is left out where it leads out
    of the root.

    Raises:
        SettingsError: A place does not exist, or lies outside the root.
    """
    patterns = patterns_of(root, places, arguments)
    top = root.resolve()
    found: set[str] = set()
    for place in places:
        path = Path(os.path.normpath(root / place))
        if not path.exists():
            raise SettingsError(f"`tests` names {place}, which does not exist in {root}.", hint=NO_SUCH_PLACE)
        if not path.resolve().is_relative_to(top):
            raise SettingsError(f"`tests` names {place}, which lies outside {root}.")
        files = [path] if path.is_file() else _below(path, patterns, top=top)
        found.update(_name(file, root=root) for file in files)
    return tuple(sorted(found))


def shown_cases(file: Path) -> int:
    """How many test functions the text shows; parametrised ones count once. 0 for a file that cannot be read."""
    try:
        return len(_CASE.findall(file.read_bytes()))
    except OSError:
        return 0


def _below(folder: Path, patterns: Patterns, *, top: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not _is_ignored(here / name, patterns, top=top))
        for name in files:
            file = here / name
            # Folders that lead out of the root are not walked, so only a link of its own can take a file there.
            if _is_test_file(file, patterns) and not (file.is_symlink() and not file.resolve().is_relative_to(top)):
                yield file


def _is_test_file(path: Path, patterns: Patterns) -> bool:
    # pytest reads these two for other things, even where the patterns fit them.
    if path.suffix != ".py" or path.name in ("conftest.py", "__init__.py"):
        return False
    return any(_matches(path, pattern) for pattern in patterns.files)


def _name(file: Path, *, root: Path) -> str:
    """The file from the root; what is given through another name of the root (a link) is resolved."""
    if file.is_relative_to(root):
        return file.relative_to(root).as_posix()
    return file.resolve().relative_to(root.resolve()).as_posix()


def _common_folder(root: Path, places: Sequence[str]) -> Path:
    folders = [path if path.is_dir() else path.parent for path in (root / place for place in places) if path.exists()]
    return Path(os.path.commonpath([os.path.normpath(folder) for folder in folders])) if folders else root


def _nearest_options(folder: Path) -> dict[str, Any] | None:
    """In one folder the order is that of pytest's own reference."""
    names = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
    for parent in (folder, *folder.parents):
        for name in names:
            if (parent / name).is_file() and (options := _options(parent / name)) is not None:
                return options
    return None


def _options(path: Path) -> dict[str, Any] | None:
    """pytest's options in a configuration file; None for a file that is not about pytest."""
    if path.name == "pyproject.toml":
        return _pyproject(path)
    if path.suffix == ".toml":
        table = _toml(path).get("pytest", {})
        return table if isinstance(table, dict) else {}
    if path.suffix == ".cfg":
        return _ini(path, "tool:pytest")
    options = _ini(path, "pytest")
    return {} if options is None and path.name in ("pytest.ini", ".pytest.ini") else options


def _overrides(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, argument in enumerate(arguments):
        text = ""
        if argument in ("-o", "--override-ini"):
            text = arguments[index + 1] if index + 1 < len(arguments) else ""
        elif argument.startswith(("-o", "--override-ini=")):
            text = argument.removeprefix("--override-ini=").removeprefix("-o")
        name, equals, value = text.partition("=")
        if equals:
            yield name, value


def _value_of(names: tuple[str, str], arguments: Sequence[str]) -> str:
    short, long = names
    for index, argument in enumerate(arguments):
        if argument in names and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{long}="):
            return argument.partition("=")[2]
        if argument.startswith(short) and not argument.startswith("--") and len(argument) > len(short):
            return argument.removeprefix(short)
    return ""


def _is_ignored(folder: Path, patterns: Patterns, *, top: Path) -> bool:
    if folder.name == "__pycache__" or folder.name.startswith(".") or _leads_astray(folder, top=top):
        return True
    if (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta" / "history").is_file():
        return True
    return any(_matches(folder, pattern) for pattern in patterns.ignored)


def _leads_astray(folder: Path, *, top: Path) -> bool:
    """Whether it is a link that leads out of the root, or back to a folder that it lies in."""
    if not folder.is_symlink():
        return False
    target = folder.resolve()
    return not target.is_relative_to(top) or folder.parent.resolve().is_relative_to(target)


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
    tool = _toml(path).get("tool", {})
    table = tool.get("pytest", {}) if isinstance(tool, dict) else {}
    options = table.get("ini_options", table) if isinstance(table, dict) else None
    # An empty table of the old kind is a choice of this file; none at all lets pytest look on.
    return options if isinstance(options, dict) and (options or "ini_options" in table) else None


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
