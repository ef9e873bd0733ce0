"""Where a value came from, and the file it may have come from: `Origin`, `SettingsFile`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci_itest.errors import FileError, SettingsError

FILE_NAME = "ci-itest.toml"
PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: "default", "ci-itest.toml:12", "CI_ITEST_SHARDS" or "command line".

    Attributes:
        is_outside: Whether who started the tool set it, not the repository.
    """

    words: str
    is_outside: bool = False

    def __str__(self) -> str:
        return self.words


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file as it stands on disk.

    Attributes:
        name: What errors call it.
        tree: Its settings (of pyproject.toml: the table tool.ci-itest).
        text: The whole text, for line numbers.
        prefix: Table the settings stand in, ("tool", "ci-itest") in pyproject.toml.
    """

    name: str
    tree: Mapping[str, Any]
    text: str = field(repr=False)
    prefix: tuple[str, ...] = ()

    def place(self, path: tuple[str, ...]) -> str:
        """`ci-itest.toml:12` for the line that sets a key, without the line where it cannot be told."""
        line = _line_of(self.text, self.prefix + path)
        return f"{self.name}:{line}" if line else self.name


NO_FILE = SettingsFile("built-in defaults", {}, "")


def find_settings_file(root: Path, *, named: Path | None = None) -> SettingsFile:
    """The settings file of a repository: the one named, else ci-itest.toml, else pyproject.toml's table, else none.

    Raises:
        SettingsError: The file named is not there, a file is no TOML, or both files hold settings.
        FileError: It cannot be read.
    """
    if named is not None:
        if not named.is_file():
            raise SettingsError(
                f"There is no settings file {named}.", hint=f"Write one, or leave --config away to use {FILE_NAME}."
            )
        return _pyproject(named) or NO_FILE if named.name == PYPROJECT else _own_file(named)
    own, pyproject = root / FILE_NAME, root / PYPROJECT
    in_pyproject = _pyproject(pyproject) if pyproject.is_file() else None
    if own.is_file():
        if in_pyproject is not None:
            raise SettingsError(
                f"Both {FILE_NAME} and [tool.ci-itest] in {PYPROJECT} hold settings.",
                hint="Keep one of them, so that nobody reads the wrong one.",
            )
        return _own_file(own)
    return in_pyproject or NO_FILE


def _own_file(path: Path) -> SettingsFile:
    tree, text = _toml(path)
    return SettingsFile(path.name, tree, text)


def _pyproject(path: Path) -> SettingsFile | None:
    tree, text = _toml(path)
    table = tree.get("tool", {}).get("ci-itest")
    return None if table is None else SettingsFile(path.name, table, text, prefix=("tool", "ci-itest"))


def _toml(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name} is not UTF-8 text: byte {error.start} cannot be read.") from error
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line = int(where[1]) if where else len(text.splitlines())  # else it says "at end of document"
        place = f"{path.name}:{line}"
        words = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise SettingsError(f"{place}: not valid TOML: {words}.") from error


def _line_of(text: str, path: tuple[str, ...]) -> int:
    """The line that sets `path`, or that opens the deepest table of it; 0 when none does.

    tomllib keeps no positions; this finds keys and table headers as people write them, which is enough to point
    a reader at the right line.
    """
    table: tuple[str, ...] = ()
    best, best_depth = 0, 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if header := re.match(r"\[\[?\s*([^\]]+?)\s*\]\]?", stripped):
            table = _dotted(header[1])
            found = table
        elif assignment := re.match(
            r"((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=", stripped
        ):
            found = table + _dotted(assignment[1])
        else:
            continue
        if path[: len(found)] == found and len(found) > best_depth:
            best, best_depth = number, len(found)
    return best


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", text))
