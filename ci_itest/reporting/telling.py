"""The lines of a service's log that report an error: what a comment shows without a click."""

from __future__ import annotations

import re

MAX_LINES = 8
_FIRST_LINES = 3
_MAX_LINE = 300

# Levels as servers write them (PostgreSQL `ERROR:`, log4j `ERROR [main]`, logfmt and JSON `level=error`), a crash's
# last words, an access log's 5xx, and the line that names an exception.
_REPORTS = re.compile(
    r"\b(?:ERROR|FATAL|PANIC|CRITICAL|SEVERE)\b"
    r"""|\blevel"?[=:]\s*"?(?:error|fatal|panic|critical)\b"""
    r"""|HTTP/\d(?:\.\d)?" 5\d\d\b"""
    r"|\bpanic: |\b(?:[Oo]ut of memory|OutOfMemory|No space left on device|Segmentation fault|OOM command not allowed)"
    r"|^(?:\S+Z )?(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception)\b(?=:|$)"
)
# PostgreSQL says below an error what it was about.
_BELONGS = re.compile(r"\b(?:DETAIL|HINT|STATEMENT|CONTEXT):  ")


def telling_lines(text: str) -> str:
    """The lines that report an error, "" for none; of more than MAX_LINES the first and the last, with the gap said."""
    found: list[str] = []
    is_error = False
    for line in text.splitlines():
        is_error = bool(_REPORTS.search(line[:_MAX_LINE])) or (is_error and bool(_BELONGS.search(line[:_MAX_LINE])))
        if is_error:
            found.append(line[:_MAX_LINE])
    gone = len(found) - MAX_LINES
    if gone > 0:
        last = MAX_LINES - _FIRST_LINES
        found = [*found[:_FIRST_LINES], f"… {gone} lines like these …", *found[-last:]]
    return "\n".join(found)
