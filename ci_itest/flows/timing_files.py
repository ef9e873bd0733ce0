"""Durations of other tools into the history, and ours to them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import DocumentError, FileError
from ci_itest.history.store import HistoryStore
from ci_itest.history.timing_files import MAX_SECONDS, Timing, TimingFile, format_of, parse_timings, render_timings
from ci_itest.junit.reader import read_report
from ci_itest.junit.values import ReportCase
from ci_itest.junit.writer import junit_xml
from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict
from ci_itest.model.history import CaseTimings
from ci_itest.model.run import Run, ShardResult, ShardState
from ci_itest.planning.estimate import estimate


@dataclass(frozen=True, slots=True)
class Destination:
    """Where imported durations belong.

    Attributes:
        branch: The branch whose runs are learned from.
        at: When they were imported, UTC ISO 8601.
        commit: The checkout's, "" outside one.
    """

    suite: str
    repository: str
    branch: str
    at: str
    commit: str = ""


def read_timing_file(path: Path, *, format_name: str, files: Collection[str]) -> TimingFile:
    """The durations in a file of another tool.

    Args:
        format_name: "auto" to tell it by its looks.
        files: The suite's files, by which a JUnit case without a file is found.

    Raises:
        DocumentError: It is not what it is said to be; the line is named.
        FileError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror}.") from error
    name = format_of(data) if format_name == "auto" else format_name
    if name != "junit":
        return parse_timings(data, format_name=name, source=str(path))
    return _read_junit(path, frozenset(files))


def _read_junit(path: Path, files: frozenset[str]) -> TimingFile:
    report = read_report(path)
    if report.problem and not report.cases:
        raise DocumentError(f"{path} is no JUnit file: {report.problem}.")
    timings: dict[tuple[str, str], Timing] = {}
    rejected = [f"{path.name} is not whole: {report.problem}"] if report.problem else []
    for case in report.cases:
        file, name = _place_of(case, files)
        if not file:
            rejected.append(f"{case.classname or '?'}::{case.name}: its file is not told")
        elif not 0 <= case.seconds <= MAX_SECONDS:
            rejected.append(f"{file}::{name}: {case.seconds!r} is no duration")
        elif case.verdict is not Verdict.SKIPPED:
            timings.setdefault((file, name), Timing(file, name, case.seconds))
    return TimingFile(tuple(timings.values()), tuple(rejected))


def _place_of(case: ReportCase, files: frozenset[str]) -> tuple[str, str]:
    """File and name of a case: `tests.test_a.TestCart` is tests/test_a.py where that is a file of the suite."""
    parts = case.classname.split(".") if case.classname else []
    for end in range(len(parts), 0, -1):
        file = "/".join(parts[:end]) + ".py"
        if file in files or file == case.file:
            return file, "::".join((*parts[end:], case.name))
    return case.file, case.name


def import_timings(found: TimingFile, store: HistoryStore, to: Destination) -> bool:
    """Record durations as a run of their own; False when the same were imported before.

    Raises:
        HistoryError: The history cannot be written.
    """
    text = "\n".join(f"{timing.file}\0{timing.name}\0{timing.seconds!r}" for timing in found.timings)
    digest = hashlib.sha256(f"{to.suite}\n{text}".encode("utf-8", "surrogateescape")).hexdigest()
    run = Run(
        run_id=f"import-{digest[:16]}",
        commit=to.commit,
        started_at=to.at,
        branch=to.branch,
        shards=(ShardResult(to.suite, 1, 1, "", state=ShardState.FINISHED, started_at=to.at),),
        cases=_case_results(found.timings, to.suite),
    )
    return store.record(run, repository=to.repository, recorded_at=to.at)


def export_timings(timings: Sequence[CaseTimings], *, format_name: str) -> bytes:
    """What each case of a suite is expected to take, as a file of another tool."""
    found = [Timing(case.file, case.name, seconds) for case, seconds in sorted(estimate(timings).seconds.items())]
    if format_name == "junit":
        return junit_xml(_case_results(found, "main"), shard_labels={})
    return render_timings(found, format_name=format_name)


def _case_results(timings: Iterable[Timing], suite: str) -> tuple[CaseResult, ...]:
    cases = {CaseId(suite, timing.file, timing.name): timing.seconds for timing in timings}
    return tuple(
        CaseResult(case, (Attempt(case, Outcome.PASSED, call_seconds=seconds),), Verdict.PASSED, shard=1)
        for case, seconds in sorted(cases.items())
    )
