"""Failures that say the same thing are one cause: grouping by message with the changing parts masked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ci_itest.model.cases import CaseResult

_KEY_CHARACTERS = 400
_CHANGING = re.compile(
    r"\b(?:"
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"  # uuid
    r"|0[xX][0-9a-fA-F]+\b|\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?"  # address
    r"|(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b"  # hash
    r")|\d+(?:[.,]\d+)*"  # number
)
_EXCEPTION = re.compile(r"^[\w.]*(?:Error|Exception|Failure|Failed|Warning)\b:?")
_WORD = re.compile(r"[^\W\d_]{3,}")
_WORDS_THAT_TELL_NOTHING = frozenset({"assert", "and", "not", "none", "true", "false", "where"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Cases that failed with one message.

    Attributes:
        message: Of the first case, as written; "" when it left none.
        cases: In the order they came.
    """

    message: str
    cases: tuple[CaseResult, ...]


def masked(message: str) -> str:
    """The message with uuids, addresses, hexadecimal words and numbers as `#`, so that two runs of one fault agree."""
    return " ".join(_CHANGING.sub("#", message[:_KEY_CHARACTERS]).split())


def failure_message(result: CaseResult) -> str:
    """What the first bad attempt says: its message, else the last line of its details, else the case's note."""
    bad = result.first_bad
    if bad is None:
        return result.note
    return bad.message.strip() or _last_line(bad.details) or result.note


def group_by_cause(failures: Iterable[CaseResult]) -> tuple[Cause, ...]:
    """The failures by cause: most cases first, then in the order they came."""
    groups: dict[tuple[str, ...], list[CaseResult]] = {}
    for result in failures:
        groups.setdefault(_key(result), []).append(result)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return tuple(Cause(message=failure_message(cases[0]), cases=tuple(cases)) for cases in ordered)


def _key(result: CaseResult) -> tuple[str, ...]:
    message = failure_message(result)
    text = masked(message)
    if not text:
        return (result.case.suite, result.case.file, result.case.name)
    if not _tells_something(text):
        # `assert 3 == 4` in two files is two faults; only the very same words in one file are taken for one.
        return (result.case.suite, result.case.file, message[:_KEY_CHARACTERS])
    return (text,)


def _tells_something(text: str) -> bool:
    words = _WORD.findall(_EXCEPTION.sub("", text).lower())
    return sum(word not in _WORDS_THAT_TELL_NOTHING for word in words) >= 2


def _last_line(details: str) -> str:
    return details.rstrip().rpartition("\n")[2].strip()
