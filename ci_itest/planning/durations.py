"""Expected seconds of files: from the history of their cases, else from what the suite's other cases take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ci_itest.model.history import CaseTimings, RunTiming
from ci_itest.model.plan import Unit

RUNS_USED = 5
"""A case's newest runs that count; more would remember what the code no longer does."""

UNKNOWN_CASE_SECONDS = 1.0
"""A case's time when nothing at all is known of the suite; only ratios matter then."""


def expected_seconds(runs: Sequence[RunTiming]) -> float:
    """The median of a case's newest runs, the newer ones counting more.

    Args:
        runs: Newest first, at least one. The newest weighs 1, each older one 0.8 of the one after it, so that a
            lasting change shows after two or three runs and a single outlier never does.
    """
    weighted = sorted((run.seconds, 0.8**age) for age, run in enumerate(runs[:RUNS_USED]))
    half = sum(weight for _, weight in weighted) / 2
    reached = 0.0
    for seconds, weight in weighted:
        reached += weight
        if reached >= half:
            return seconds
    return weighted[-1][0]


def file_units(
    files: Iterable[str], *, timings: Iterable[CaseTimings], case_counts: Mapping[str, int]
) -> tuple[Unit, ...]:
    """One unit for each file, in the order of their names.

    A file that history knows takes the sum of its cases. A new one takes the number of cases its text shows, times
    the mean case of the suite.

    Args:
        files: The suite's files.
        timings: History of cases; those of files that are gone are left out.
        case_counts: Cases that each file's text shows, 0 where it cannot be told.
    """
    by_file: dict[str, list[float]] = {}
    for timing in timings:
        by_file.setdefault(timing.case.file, []).append(expected_seconds(timing.runs))
    known = [seconds for file in files for seconds in by_file.get(file, ())]
    mean = sum(known) / len(known) if known else UNKNOWN_CASE_SECONDS
    return tuple(_unit(file, by_file.get(file), mean, case_counts.get(file, 0)) for file in sorted(set(files)))


def _unit(file: str, known: list[float] | None, mean: float, shown_cases: int) -> Unit:
    if known is not None:
        return Unit(file, sum(known), case_count=len(known))
    return Unit(file, mean * max(shown_cases, 1), case_count=shown_cases, is_known=False)
