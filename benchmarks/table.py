"""The one form in which a benchmark shows its figures: a table for people, a last line for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        figure: What was measured, with its unit.
        value: As measured here.
        target: What it should be.
        met: Whether it is; None when it could not be measured here.
        peers: The same figure of others, from the same run where they run.
    """

    figure: str
    value: str
    target: str
    met: bool | None
    peers: str = ""


def show(bench: str, rows: Sequence[Row]) -> None:
    """Print the table, then `RESULT` and the rows as JSON on the last line."""
    head = Row("figure", "value", "target", None, "peers")
    marks = {True: "yes", False: "NO", None: "-"}
    lines = [(row.figure, row.value, row.target, marks[row.met], row.peers) for row in rows]
    lines.insert(0, (head.figure, head.value, head.target, "met", head.peers))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for number, line in enumerate(lines):
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print("RESULT " + json.dumps({"bench": bench, "rows": [asdict(row) for row in rows]}))
