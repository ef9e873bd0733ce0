"""Runs of cases that simply passed, taken out of a document before the parser sees it.

Nineteen of twenty cases are one empty element with the same few attributes. One regular expression reads a run of them
in a fifth of the time that the parser's events take. What the parser gets in place of a run is one empty element with
the run's number, so that the parser alone says where it stands and whether the document is well-formed. All that is
not exactly of this form stays in: another attribute, an entity, a letter beyond ASCII.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "ascii", "iso8859-1"})
"""In which the bytes of ASCII mean ASCII, wherever they stand."""

_BLANKS = " \t\r\n"
_SPACE = f"[{_BLANKS}]*"
# Printable ASCII without quote, ampersand and less-than; three of them are shorter than the longest name that is kept.
_VALUE = r"([ !#-%'-;=-~]{0,6000}+)"
_VALUES = {
    "classname": _VALUE,
    "name": _VALUE,
    "file": _VALUE,
    "line": r"(\d{1,9})",
    "time": r"(\d{1,7}(?:\.\d{1,12})?)",
}
ATTRIBUTES = tuple(_VALUES)
_SHAPES = ({"classname", "name", "time"}, set(_VALUES))
_FIRST = re.compile(r'<testcase((?: [a-z]+="[^"<]*")+)')
_ATTRIBUTE = re.compile(r' ([a-z]+)="')
_SECTIONS = re.compile(r"(<!--.*?-->|<!\[CDATA\[.*?\]\]>)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PlainRun:
    """Cases that follow each other: their attributes as written, column by column, in the order of `ATTRIBUTES`.

    `file` and `line` are empty where the cases have none.
    """

    columns: tuple[Sequence[str], ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def attributes(self) -> Iterator[dict[str, str]]:
        """Case by case, as a parser hands them over."""
        for values in zip_longest(*self.columns):
            yield {name: value for name, value in zip(ATTRIBUTES, values, strict=True) if value is not None}


class PlainRuns:
    """The runs of one document, which comes in chunks.

    Attributes:
        tag: Of the elements that stand in for them; no document can know it.
    """

    def __init__(self, encoding: str) -> None:
        self.tag = f"run-{os.urandom(8).hex()}"
        self._is_over = encoding not in _ENCODINGS
        self._is_inside = False
        self._order: tuple[str, ...] = ()
        self._runs: dict[str, PlainRun] = {}
        self._count = 0

    def take(self, number: str) -> PlainRun:
        """The run that an element of `tag` stands for, once."""
        return self._runs.pop(number)

    def thinned(self, chunk: bytes) -> bytes:
        """The chunk with its runs taken out."""
        if self._is_over:
            return chunk
        # Every byte is one letter: what is not ASCII matches nothing and comes out as it was.
        text = chunk.decode("latin-1")
        if not self._order and not self._learn_order(text):
            return chunk
        parts = self._outside_sections(text) if "!" in text else self._without_runs(text)
        # A processing instruction may hold anything, also what looks like the start of a section; and the next chunk
        # may make one of a less-than at the end.
        self._is_over = _has_instruction(text) or text.endswith("<")
        return chunk if self._is_over else "".join(parts).encode("latin-1")

    def _learn_order(self, text: str) -> bool:
        """Whether the first case, and so most likely every one, has attributes that are known here."""
        first = _FIRST.search(text)
        order = tuple(_ATTRIBUTE.findall(first[1])) if first else ()
        if set(order) in _SHAPES and len(set(order)) == len(order):
            self._order = order
        # Where nothing is learnt from the start of a document, nobody has looked for sections in it.
        self._is_over = not self._order
        return bool(self._order)

    def _outside_sections(self, text: str) -> Iterator[str]:
        for place, part in enumerate(_SECTIONS.split(text)):
            # Odd ones are comments and CDATA; what else starts so is the document type, or a section without its end.
            is_section = place % 2 == 1
            self._is_over = self._is_over or (not is_section and "<!" in part)
            if is_section or self._is_over:
                yield part
            else:
                yield from self._without_runs(part)

    def _without_runs(self, text: str) -> Iterator[str]:
        pattern = _pattern(self._order)
        parts = pattern.split(text)
        width = pattern.groups + 1
        between = parts[::width]
        # A case at the top of a document is the document: another one after it is not well-formed.
        self._is_inside = self._is_inside or "<testsuite" in between[0]
        if len(between) == 1 or not self._is_inside:
            self._is_over = self._is_over or len(between) > 1
            yield text
            return
        place_of = {name: place for place, name in enumerate(self._order, start=1)}
        columns = [parts[place_of[name] :: width] if name in place_of else [] for name in ATTRIBUTES]
        # Blanks inside a run are left out: between cases of a suite they mean nothing.
        starts = [0, *(place for place in range(1, len(between) - 1) if between[place].strip(_BLANKS))]
        for start, end in zip(starts, [*starts[1:], len(between) - 1], strict=True):
            yield between[start]
            yield self._stand_in(PlainRun(tuple(column[start:end] for column in columns)))
        yield between[-1]

    def _stand_in(self, run: PlainRun) -> str:
        self._count += 1
        number = str(self._count)
        self._runs[number] = run
        return f'<{self.tag} n="{number}"/>'


def _has_instruction(text: str) -> bool:
    """Whether there may be a processing instruction beside the declaration at the start."""
    start = text.find("?>") + 2 if text.startswith("<?xml ") else 0
    # A single letter is looked for eight times faster than two.
    return text.find("?", start) >= 0 and text.find("<?", start) >= 0


@lru_cache(maxsize=16)
def _pattern(order: tuple[str, ...]) -> re.Pattern[str]:
    attributes = " ".join(f'{name}="{_VALUES[name]}"' for name in order)
    return re.compile(f"<testcase {attributes}{_SPACE}(?:/>|>{_SPACE}</testcase>)", re.ASCII)
