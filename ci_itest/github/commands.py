"""What the runner reads from a step: workflow commands on stdout, the output file, the step summary.

Also the neutraliser, which keeps a test's own output from being read as such a command. How the runner reads them
is in actions/runner: ActionCommand.cs, ActionCommandManager.cs, ProcessInvoker.cs, FileCommandManager.cs.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from ci_itest.errors import FileError, GitHubError

Level = Literal["error", "warning", "notice"]

SUMMARY_LIMIT_BYTES = 1024 * 1024
"""A step summary above this is not shown at all."""

_SUMMARY_CUT = "\n\n*Cut here: GitHub shows at most 1 MiB of a step's summary.*\n"
_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# Invisible, and no blank, so the runner does not trim it. A visible character would change what a person reads.
_WORD_JOINER = "\u2060"
_LINE_ENDS = re.compile(r"([\r\n]+)")


def annotation(level: Level, message: str, *, file: str = "", line: int = 0, end_line: int = 0, title: str = "") -> str:
    """The command that puts a message on the run's page, at a file's line where one is named.

    The runner keeps ten of each level a step, and 4,096 characters of a message.

    Args:
        file: Path from the repository's root, "" for none.
        line: Counted from 1, 0 for none.
    """
    places = {"file": file, "line": str(line or ""), "endLine": str(end_line or ""), "title": title}
    properties = ",".join(f"{name}={_property(value)}" for name, value in places.items() if value)
    return f"::{level} {properties}::{_data(message)}" if properties else f"::{level}::{_data(message)}"


def group(title: str) -> str:
    """The command that opens a fold in the log; groups do not nest."""
    return f"::group::{_data(title)}"


def end_group() -> str:
    """The command that closes the fold."""
    return "::endgroup::"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def neutralise(line: str) -> str:
    """The line in a form that the runner takes for no command; it reads the same.

    The runner sees a command in `::name::` after leading blanks and in `##[name]` anywhere, and ends a line at a bare
    carriage return too. A word joiner goes between the two colons and before the bracket. Other lines, pytest's
    `tests/test_a.py::test_b` among them, stay as they are.
    """
    if "::" not in line and "##[" not in line:
        return line
    return "".join(_neutralise_piece(piece) for piece in _LINE_ENDS.split(line))


def _neutralise_piece(text: str) -> str:
    text = text.replace("##[", f"##{_WORD_JOINER}[")
    start = next((index for index, character in enumerate(text) if not _is_blank(character)), len(text))
    if text.startswith("::", start):
        return f"{text[:start]}:{_WORD_JOINER}{text[start + 1 :]}"
    return text


def _is_blank(character: str) -> bool:
    """Whether the runner may look past it: white space, and what a culture-sensitive comparison ignores."""
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Mn", "Me")


def _new_delimiter() -> str:
    return f"ghadelimiter_{uuid.uuid4()}"


def set_outputs(path: Path, outputs: Mapping[str, str], *, new_delimiter: Callable[[], str] = _new_delimiter) -> None:
    """Append a step's outputs to the file that `GITHUB_OUTPUT` names.

    Raises:
        GitHubError: A name is none, or a value holds the delimiter (which is random).
        FileError: The file cannot be written.
    """
    _append(path, "".join(_output(name, value, delimiter=new_delimiter()) for name, value in outputs.items()))


def _output(name: str, value: str, *, delimiter: str) -> str:
    if not _OUTPUT_NAME.fullmatch(name):
        raise GitHubError(f"{name!r} is no name for an output.")
    if delimiter in value:
        raise GitHubError(f"The value of the output {name} holds the delimiter {delimiter}.")
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def append_summary(path: Path, markdown: str) -> bool:
    """Append to the step summary (`GITHUB_STEP_SUMMARY`), whole or cut at a line's end; whether it went in whole.

    Raises:
        FileError: The file cannot be written.
    """
    room = SUMMARY_LIMIT_BYTES - _size_bytes(path)
    content = markdown if markdown.endswith("\n") else f"{markdown}\n"
    if len(content.encode(errors="replace")) <= room:
        _append(path, content)
        return True
    _append(path, _cut(content, room))
    return False


def _cut(content: str, room: int) -> str:
    kept = content.encode(errors="replace")[: max(room - len(_SUMMARY_CUT), 0)].decode(errors="ignore")
    cut = kept[: kept.rfind("\n") + 1] + _SUMMARY_CUT
    return cut if len(cut.encode()) <= room else ""


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror}.") from error


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise FileError(f"Cannot write {path}: {error.strerror}.") from error
