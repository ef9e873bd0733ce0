"""Integration coverage as people see it: what no test reaches first, then what was used and how often."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.model.coverage import KINDS, IntegrationCoverage
from ci_itest.reporting.wording import plural

MAX_ROWS = 200
"""Rows of a kind that a page shows."""

_TITLES = {
    "routes": "Routes",
    "tables": "Tables",
    "queues": "Queues",
    "caches": "Caches",
    "outside hosts": "Outside hosts, all of them stubs",
}


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One route, table, queue, cache or host.

    Attributes:
        words: How often it was used, in words; "" where it was not.
    """

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class CoverageKindView:
    """All of one kind.

    Attributes:
        summary: `28 of 30`; how many there are where nothing says what there should be.
        missed: The first MAX_ROWS names of `missed_count` that no test reaches.
        used: The first MAX_ROWS of `used_count`, by name.
    """

    title: str
    summary: str
    missed: tuple[str, ...]
    missed_count: int
    used: tuple[CoverageRow, ...]
    used_count: int


@dataclass(frozen=True, slots=True)
class CoverageView:
    """What the tests of all shards reached of the app.

    Attributes:
        percent: Of all that the app declares, in words; "" where it declares nothing.
        kinds: Those of which there is anything.
        missed_count: How much is declared and not reached, of all kinds.
    """

    percent: str
    kinds: tuple[CoverageKindView, ...]
    missed_count: int


def coverage_view(coverage: IntegrationCoverage | None) -> CoverageView | None:
    """None where no test noted anything."""
    if coverage is None or coverage.is_empty:
        return None
    kinds = tuple(_kind(kind, coverage) for kind in KINDS if coverage.result(kind))
    percent = coverage.percent
    return CoverageView(
        percent=f"{percent:.0f} %" if percent is not None else "",
        kinds=kinds,
        missed_count=sum(kind.missed_count for kind in kinds),
    )


def _kind(kind: str, coverage: IntegrationCoverage) -> CoverageKindView:
    missed, found = coverage.missed(kind), coverage.result(kind)
    used = [name for name in sorted(found) if found[name]]
    declared = len(set(coverage.declared.get(kind, ())))
    return CoverageKindView(
        title=_TITLES[kind],
        summary=f"{declared - len(missed)} of {declared}" if declared else str(len(used)),
        missed=tuple(missed[:MAX_ROWS]),
        missed_count=len(missed),
        used=tuple(CoverageRow(name, _words(kind, name, coverage, found[name])) for name in used[:MAX_ROWS]),
        used_count=len(used),
    )


def _words(kind: str, name: str, coverage: IntegrationCoverage, times: int) -> str:
    if kind == "routes":
        return plural(times, "request")
    if kind == "tables":
        parts = [
            "read" if coverage.reads(name) else "",
            f"written to by {plural(coverage.writes(name), 'test')}" if coverage.writes(name) else "",
        ]
        return " and ".join(part for part in parts if part)
    return plural(times, "command") if kind == "caches" else f"in {plural(times, 'test')}"
