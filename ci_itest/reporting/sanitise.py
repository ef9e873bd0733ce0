"""The one place that foreign text (names, messages, output, file paths) passes on its way to a reader.

Everything a test, an artifact or a fork can choose is foreign. Nothing here trusts a length, a character or a
line break; what cannot be seen is made visible, what is too long keeps its head and its tail.
"""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote

NAME_LIMIT = 200
BLOCK_LIMIT = 3_000
COMMAND_LIMIT = 1_000
NEWLINE_SIGN = "⏎"

# CSI, OSC (ended by BEL or ST), and the two-character escapes; what an unfinished one leaves is made visible below.
_ANSI = re.compile(
    r"\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|\x9b[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\^_]"
)

# Unicode categories Cc, Cf, Cs, Zl, Zp, the fillers that show as nothing, and the non-characters; tab and newline are
# handled apart. Written out because asking unicodedata for all of Unicode at import takes 0.2 s.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_NEWLINES = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_PLAIN = bytes([*b"\t\n", *range(0x20, 0x7F)])
_BACKTICKS = re.compile("`+")
_MARKDOWN_PUNCTUATION = re.compile(r"([\\`*_\[\]<>|~$])")
_STARTS_A_BLOCK = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=]))(.)")
# What GitHub turns into a link or a mention outside code, however its punctuation is escaped.
_LINKS_ITSELF = re.compile(r"[@#]|://|www\.|\bGH-\d|&\w*;|&#|:\w+:", re.IGNORECASE)
_DASHES = re.compile("--+")
_NOT_IN_MARKER = re.compile(r"[^A-Za-z0-9_./ -]+")


def strip_ansi(text: str) -> str:
    """The text without terminal colours, cursor moves and titles."""
    return _ANSI.sub("", text) if "\x1b" in text or "\x9b" in text else text


def visible(text: str) -> str:
    """What shows as nothing, turns the line round or moves the cursor, as `\\uXXXX`; tab and newline stay."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def cut(text: str, limit: int) -> str:
    """At most `limit` characters: two thirds from the head, the rest from the tail, … between."""
    if len(text) <= limit:
        return text
    head = max(limit * 2 // 3 - 1, 0)
    tail = max(limit - head - 1, 0)
    return f"{text[:head]}…{text[len(text) - tail :]}"


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    """The text on one line: no colours, newlines as ⏎, tabs as blanks, unseen characters shown, cut to the limit."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text.strip()
    # A first cut before the regular expressions: a name of 50 MB must not cost 50 MB of work.
    text = cut(text, limit * 8).strip()
    text = _NEWLINES.sub(NEWLINE_SIGN, strip_ansi(text)).replace("\t", " ")
    return cut(visible(text), limit)


def block(text: str, limit: int = BLOCK_LIMIT) -> str:
    """The text on its own lines: no colours, newlines as \\n, unseen characters shown, the middle cut out."""
    if len(text) > limit * 4:
        text = _without_middle(text, limit * 4)
    if not _is_plain(text):
        text = visible(_NEWLINES.sub("\n", strip_ansi(text)))
    return _without_middle(text, limit).strip("\n")


def _is_plain(text: str) -> bool:
    """Whether it is ASCII with no sign but what shows, tabs and newlines: most text, and told without a search."""
    return text.isascii() and not text.encode().translate(None, _PLAIN)


def _without_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 3
    tail = limit - head
    return f"{text[:head]}\n… {len(text) - limit:,} characters left out …\n{text[len(text) - tail :]}"


def code_span(text: str, limit: int = NAME_LIMIT) -> str:
    """Inline Markdown code that holds exactly this text, one backtick more around it than any inside."""
    text = one_line(text, limit) or " "
    fence = "`" * (_longest_run(text) + 1)
    # CommonMark takes one blank off each side when both are there.
    padding = " " if text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip()) else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def code_cell(text: str, limit: int = NAME_LIMIT) -> str:
    """A code span inside a Markdown table, where a bar would end the cell even in code."""
    return code_span(text, limit).replace("|", "\\|")


def html_code(text: str, limit: int = NAME_LIMIT) -> str:
    """`<code>` for the places in Markdown where only HTML works (`<summary>`)."""
    return f"<code>{_all_entities(one_line(text, limit))}</code>"


def _all_entities(text: str) -> str:
    # Inside an HTML line Markdown still reads its own signs, so every ASCII one of them is an entity.
    return "".join(char if char.isalnum() or char == " " or ord(char) > 127 else f"&#{ord(char)};" for char in text)


def fenced(text: str, limit: int = BLOCK_LIMIT, language: str = "text") -> str:
    """A fenced Markdown block, its fence longer than any run of backticks inside."""
    text = block(text, limit)
    fence = "`" * max(_longest_run(text) + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def prose(text: str, limit: int = 1_000) -> str:
    """A sentence in Markdown, shown letter by letter; in code where GitHub would still make a link of it."""
    text = one_line(text, limit)
    if _LINKS_ITSELF.search(text):
        return code_span(text, limit)
    text = text.replace("&", "&amp;")
    return _STARTS_A_BLOCK.sub(r"\1\\\2", _MARKDOWN_PUNCTUATION.sub(r"\\\1", text))


def prose_cell(text: str, limit: int = 1_000) -> str:
    """`prose` inside a Markdown table."""
    shown = prose(text, limit)
    return shown.replace("|", "\\|") if shown.startswith("`") else shown


def marker_word(text: str) -> str:
    """A word that cannot end the HTML comment it stands in."""
    return _DASHES.sub("-", _NOT_IN_MARKER.sub("-", text))[:100]


def url_path(path: str) -> str:
    """A repository path inside a URL; "" for one that climbs out, is absolute, or is too long to be one."""
    parts = path.split("/")
    if not path or len(path) > 500 or any(part in ("", ".", "..") for part in parts) or "\\" in path:
        return ""
    return quote(path.encode("utf-8", "surrogatepass"), safe="/")


def shell_word(text: str) -> str:
    """One word of a POSIX shell command that can be read and pasted without danger.

    Unseen characters (a newline, an escape sequence, a right-to-left override) become escapes in `$'…'`, which bash,
    zsh and ksh read, so that the clipboard never carries one into a terminal.
    """
    if not _UNSEEN.search(text) and "\n" not in text and "\t" not in text:
        return shlex.quote(text)
    return "$'" + "".join(_shell_character(char) for char in text) + "'"


def _shell_character(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char in "\n\t" or _UNSEEN.match(char):
        return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    return char


def _longest_run(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
