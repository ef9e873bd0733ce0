"""How GitHub's runner reads a step's output and files, as an oracle.

Written from the rules of actions/runner: TryParseV2 and TryParse of ActionCommand.cs, the lines of ProcessInvoker.cs
(a stream reader's: ended by \\n, \\r or both), the name and value pairs of FileCommandManager.cs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COMMANDS = frozenset(
    {"stop-commands", "set-env", "set-output", "save-state", "add-path", "add-mask", "add-matcher", "remove-matcher"}
    | {"debug", "warning", "error", "notice", "group", "endgroup", "echo", "internal-set-repo-path"}
)

# Char.IsWhiteSpace of .NET: fewer characters than Python's isspace(), which also takes U+001C to U+001F.
_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# Characters that ICU ignores when it compares text; the runner's comparisons name no culture, so they may.
_IGNORED = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff"
)
_IGNORED_CHARACTERS = "".join(c for c in map(chr, range(0x10000)) if re.match(f"[{_IGNORED}]", c))


@dataclass(frozen=True)
class Command:
    """A command as the runner would carry it out."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def commands(output: str, *, ignoring: bool = False) -> list[Command]:
    """Every command in a step's output; `ignoring` compares as ICU does, looking past invisible characters."""
    lines = re.split(r"\r\n|\r|\n", output)
    found = (_with_colons(line, ignoring=ignoring) or _with_bracket(line, ignoring=ignoring) for line in lines)
    return [command for command in found if command is not None]


def _pattern(wanted: str, *, ignoring: bool) -> re.Pattern[str]:
    return re.compile((f"[{_IGNORED}]*" if ignoring else "").join(map(re.escape, wanted)))


def _starts_with(line: str, wanted: str, *, ignoring: bool) -> bool:
    line = line.lstrip(_IGNORED_CHARACTERS) if ignoring else line
    return _pattern(wanted, ignoring=ignoring).match(line) is not None


def _with_colons(line: str, *, ignoring: bool) -> Command | None:
    line = line.lstrip(_WHITE_SPACE)
    if not _starts_with(line, "::", ignoring=ignoring):
        return None
    end = _pattern("::", ignoring=ignoring).search(line, 2)
    if end is None:
        return None
    name, _, properties = line[2 : end.start()].partition(" ")
    if name.lower() not in COMMANDS:
        return None
    escapes = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    return Command(
        name=name,
        data=_unescape(line[end.start() + 2 :], {"%0D": "\r", "%0A": "\n", "%25": "%"}),
        properties=_properties(properties.strip(_WHITE_SPACE), separator=",", escapes=escapes),
    )


def _with_bracket(line: str, *, ignoring: bool) -> Command | None:
    start = _pattern("##[", ignoring=ignoring).search(line)
    if start is None:
        return None
    end = line.find("]", start.start())
    if end < 0:
        return None
    name, _, properties = line[start.start() + 3 : end].partition(" ")
    if name.lower() not in COMMANDS:
        return None
    escapes = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%"}
    return Command(
        name=name,
        data=_unescape(line[end + 1 :], escapes),
        properties=_properties(properties, separator=";", escapes=escapes),
    )


def _properties(text: str, *, separator: str, escapes: dict[str, str]) -> dict[str, str]:
    pairs = (part.lstrip("=").partition("=") for part in text.split(separator))
    return {name: _unescape(value.lstrip("="), escapes) for name, _, value in pairs if name and value.lstrip("=")}


def _unescape(text: str, escapes: dict[str, str]) -> str:
    for escaped, plain in escapes.items():
        text = text.replace(escaped, plain)
    return text


def pairs(text: str) -> list[tuple[str, str]]:
    """What the runner reads from an output file, in order.

    Raises:
        ValueError: The runner would fail the step.
    """
    found = []
    rest = text.split("\n")
    while rest:
        line = rest.pop(0)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        elif heredoc >= 0:
            name, delimiter = line.split("<<", 1)
            if not name or not delimiter or delimiter not in rest:
                raise ValueError(line)
            end = rest.index(delimiter)
            value, rest = "\n".join(rest[:end]), rest[end + 1 :]
        else:
            raise ValueError(line)
        found.append((name, value))
    return found
