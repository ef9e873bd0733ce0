"""A run held against an earlier one of the base branch, case by case: what this change broke, mended, added, slowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ci_itest.model.cases import CaseId, Verdict
from ci_itest.model.table import CaseTable
from ci_itest.reporting.wording import moment, plural

SLOWER_TIMES = 2.0
SLOWER_SECONDS = 5.0
_NAMED = 20

_BAD = frozenset({Verdict.FAILED})
_GOOD = frozenset({Verdict.PASSED, Verdict.RECOVERED})


class Change(StrEnum):
    """What became of a case since the base; most urgent first."""

    NEW_FAILURE = "new failure"
    STILL_FAILING = "still failing"
    NEWLY_FLAKY = "newly flaky"
    FLAKY = "flaky there too"
    FIXED = "fixed"
    NEWLY_SKIPPED = "newly skipped"
    SLOWER = "slower"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Base:
    """The run that is compared with.

    Attributes:
        commit: Of the base branch, "" where nobody knows.
        started_at: UTC, ISO 8601; "" where nobody knows.
        is_complete: Whether every planned shard and every file of it was whole.
    """

    cases: CaseTable
    commit: str = ""
    started_at: str = ""
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed.

    Attributes:
        base_words: The base by its commit and time.
        changes: Cases by change, in the order of the run (those removed in the base's); no entry is empty.
        of_case: Each case's change, those that changed alone.
    """

    base_words: str
    changes: Mapping[Change, tuple[CaseId, ...]]
    of_case: Mapping[CaseId, Change]

    def count(self, change: Change) -> int:
        return len(self.changes.get(change, ()))


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One kind of change in words.

    Attributes:
        words: `3 fixed`.
        names: The first cases of `count`.
    """

    name: str
    words: str
    count: int
    names: tuple[str, ...]


def compare(cases: CaseTable, base: Base, *, is_complete: bool) -> Comparison:
    """Each case against the base.

    A case is only called removed where this run is complete, and added where the base was: a lost shard removes and
    adds nothing.
    """
    before = {base.cases.case(place): place for place in range(len(base.cases))}
    changes: dict[Change, list[CaseId]] = {}
    of_case: dict[CaseId, Change] = {}
    for place in range(len(cases)):
        case = cases.case(place)
        at_base = before.pop(case, None)
        change = _change(cases, place, base, at_base)
        if change is not None:
            changes.setdefault(change, []).append(case)
            of_case[case] = change
    if is_complete and before:
        changes[Change.REMOVED] = list(before)
    return Comparison(
        base_words=_base_words(base),
        changes={change: tuple(changes[change]) for change in Change if change in changes},
        of_case=of_case,
    )


def _change(cases: CaseTable, place: int, base: Base, at_base: int | None) -> Change | None:
    now = cases.verdict(place)
    if at_base is None:
        if now in _BAD:
            return Change.NEW_FAILURE
        return Change.ADDED if base.is_complete else None
    then = base.cases.verdict(at_base)
    if now in _BAD:
        return Change.STILL_FAILING if then in _BAD else Change.NEW_FAILURE
    if now is Verdict.RECOVERED:
        return Change.FLAKY if then is Verdict.RECOVERED else Change.NEWLY_FLAKY
    if now in _GOOD and then in _BAD:
        return Change.FIXED
    if now is Verdict.SKIPPED and then is not Verdict.SKIPPED:
        return Change.NEWLY_SKIPPED
    seconds, before = cases.seconds[place], base.cases.seconds[at_base]
    if now in _GOOD and then in _GOOD and seconds > before * SLOWER_TIMES and seconds - before > SLOWER_SECONDS:
        return Change.SLOWER
    return None


def _base_words(base: Base) -> str:
    when = moment(base.started_at)
    words = (f"commit {base.commit[:10]}" if base.commit else "the base run") + (f" of {when}" if when else "")
    return words if base.is_complete else f"{words} (which was itself incomplete)"


def change_views(comparison: Comparison) -> tuple[ChangeView, ...]:
    """The changes in words, most urgent first."""
    return tuple(
        ChangeView(
            name=change.value,
            words=_words(change, len(found)),
            count=len(found),
            names=tuple(case.node_id for case in found[:_NAMED]),
        )
        for change, found in comparison.changes.items()
    )


def _words(change: Change, count: int) -> str:
    if change is Change.NEW_FAILURE:
        return plural(count, "new failure")
    return f"{count:,} {change.value}"


def verdict_on_failures(comparison: Comparison) -> str:
    """A sentence on whose failures these are."""
    new, still = comparison.count(Change.NEW_FAILURE), comparison.count(Change.STILL_FAILING)
    base = comparison.base_words
    if new and still:
        return f"{plural(new, 'failure')} {'is' if new == 1 else 'are'} new since {base}; {still:,} failed there too."
    if new == 1:
        return f"The failure is new since {base}."
    if new:
        return f"All {new:,} failures are new since {base}."
    if still == 1:
        return f"The failure is in {base} too: this change did not cause it."
    return f"All {still:,} failures are in {base} too: this change did not cause them."
