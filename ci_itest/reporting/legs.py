"""One test in several files (a build matrix): a row for each that did not pass everywhere, a column for each leg."""

from __future__ import annotations

from dataclasses import dataclass

from ci_itest.model.cases import Verdict
from ci_itest.model.settings import MAIN_SUITE
from ci_itest.model.table import CaseTable

MAX_LEGS = 12
MAX_ROWS = 100

_SIGNS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✕",
    Verdict.RECOVERED: "↻",
    Verdict.SKIPPED: "–",
    Verdict.QUARANTINED: "◌",
    Verdict.MISSING: "!",
}
_ORDER = (Verdict.FAILED, Verdict.MISSING, Verdict.RECOVERED)


@dataclass(frozen=True, slots=True)
class LegCell:
    """A test in one leg.

    Attributes:
        sign: One character.
        word: "failed"; "not in it" where the leg has no such test.
    """

    sign: str
    word: str


@dataclass(frozen=True, slots=True)
class LegRow:
    """A test in all legs, in the order of the columns."""

    name: str
    cells: tuple[LegCell, ...]


@dataclass(frozen=True, slots=True)
class LegsView:
    """Tests that failed or recovered in some leg, those of most legs first.

    Attributes:
        legs: The columns, the first MAX_LEGS of `leg_count`.
        rows: The first MAX_ROWS of `row_count`.
    """

    legs: tuple[str, ...]
    leg_count: int
    rows: tuple[LegRow, ...]
    row_count: int


_ABSENT = LegCell("", "not in it")


def legs_view(cases: CaseTable) -> LegsView | None:
    """The matrix; None where no test stands in several files, or all passed at once."""
    suites = list(dict.fromkeys(group.suite for group in cases.groups if group.suite != MAIN_SUITE))
    if len(suites) < 2:
        return None
    bad: dict[tuple[str, str], dict[str, Verdict]] = {}
    for result in cases.results.values():
        if result.verdict in _ORDER and result.case.suite != MAIN_SUITE:
            bad.setdefault((result.case.file, result.case.name), {})
    if not bad:
        return None
    for place in range(len(cases)):
        case = cases.case(place)
        legs = bad.get((case.file, case.name))
        if legs is not None and case.suite != MAIN_SUITE:
            legs[case.suite] = cases.verdict(place)
    ordered = sorted(bad.items(), key=lambda item: [-list(item[1].values()).count(verdict) for verdict in _ORDER])
    shown = _worst_legs(suites, bad)
    return LegsView(
        legs=tuple(shown),
        leg_count=len(suites),
        rows=tuple(
            LegRow(f"{file}::{name}" if file else name, tuple(_cell(legs.get(leg)) for leg in shown))
            for (file, name), legs in ordered[:MAX_ROWS]
        ),
        row_count=len(ordered),
    )


def _worst_legs(suites: list[str], bad: dict[tuple[str, str], dict[str, Verdict]]) -> list[str]:
    """The legs to show, in their own order; of too many those in which most failed."""
    if len(suites) <= MAX_LEGS:
        return suites
    failed = dict.fromkeys(suites, 0)
    for legs in bad.values():
        for leg, verdict in legs.items():
            failed[leg] += verdict in _ORDER
    kept = set(sorted(suites, key=lambda leg: -failed[leg])[:MAX_LEGS])
    return [leg for leg in suites if leg in kept]


def _cell(verdict: Verdict | None) -> LegCell:
    return LegCell(_SIGNS[verdict], verdict.value) if verdict is not None else _ABSENT
