"""JUnit files of any CI to one `Run`, with no plan: what is broken, doubled or refused among them is a finding."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from pathlib import Path

from ci_itest.garbage import uncollected
from ci_itest.junit.kinds import COMPANIONS
from ci_itest.junit.reader import read_report
from ci_itest.junit.texts import TEXT_LIMIT
from ci_itest.junit.values import ElementCounts, FileState, ReportAttempt, ReportCase, ReportFile, ReportSuite
from ci_itest.model.cases import Attempt, CaseId, CaseResult
from ci_itest.model.run import Finding, FindingKind, Run, RunFacts
from ci_itest.model.settings import MAIN_SUITE
from ci_itest.model.table import CaseGroup, CaseTable
from ci_itest.reporting.comparison import Base
from ci_itest.wire import read_document

TEXT_BUDGET = 6_000_000
"""Characters of failure texts kept in full; from then on each is cut short, so that memory stays bounded."""

_SHORT_TEXT = 1_500
_MAX_REMARKS = 50
_REPORT_ENDINGS = (".xml", ".junit", ".golden")


GroupKey = tuple[str, str | tuple[str, ...]]
"""Class and file of a case; of one without a class its file and the names of its suites."""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """One file that was merged, without its cases.

    Attributes:
        label: Its path as far as it differs from the others'.
        rows: Its tests in the table, retries taken together.
        is_counted: False for a file that is the same as another.
        has_remarks: Whether anything of it had to be mended or noted.
    """

    path: Path
    label: str
    state: FileState
    problem: str
    counts: ElementCounts
    rows: range
    is_counted: bool = True
    has_remarks: bool = False


@dataclass(slots=True)
class MergedReports:
    """All files of a run, merged.

    Attributes:
        run: What is known of the run; its cases stand in `cases`.
        reports: In the order in which they were merged.
    """

    run: Run
    cases: CaseTable
    reports: list[ReadReport] = field(default_factory=list)

    @property
    def labels(self) -> dict[tuple[str, int], str]:
        """What files are called, by suite and number."""
        suites = list(dict.fromkeys(group.suite for group in self.cases.groups)) or [MAIN_SUITE]
        return {
            (suite, number): report.label for number, report in enumerate(self.reports, start=1) for suite in suites
        }


def find_reports(paths: Iterable[Path], *, without: Path | None = None) -> tuple[list[Path], list[Path]]:
    """The files that paths name, and those of them that were found in a folder.

    Args:
        paths: Files, and folders that are searched for `*.xml`; a file named twice counts once.
        without: A folder whose files are left out (the report's own).
    """
    found: dict[Path, Path] = {}
    searched: dict[Path, Path] = {}
    ours = without.resolve() if without else None
    for path in paths:
        if not path.is_dir():
            found.setdefault(path.resolve(), path)
            continue
        for file in sorted(_reports_below(path)):
            real = file.resolve()
            if ours is None or ours not in real.parents:
                searched.setdefault(real, file)
    for real, file in searched.items():
        found.setdefault(real, file)
    return list(found.values()), [file for real, file in searched.items() if found[real] is file]


def _reports_below(folder: Path) -> Iterable[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in names if name.lower().endswith(_REPORT_ENDINGS))


def merge_reports(
    paths: Sequence[Path],
    facts: RunFacts,
    *,
    searched: Iterable[Path] = (),
    read: Callable[..., ReportFile] = read_report,
) -> MergedReports:
    """One run out of JUnit files.

    A file that is cut off, refused, or the same as another to the byte is a finding: the run is not complete. The
    same case in two files is two cases, each with its file's name, since both results count.

    Args:
        searched: Files that were found in a folder; what stands beside reports there by custom is passed over.
    """
    with uncollected():
        return _Merge(paths, facts, frozenset(searched), read).merged()


def read_base(paths: Sequence[Path]) -> Base:
    """The run to compare with: a run.json of ours, or JUnit files.

    Raises:
        DocumentError: A run.json that cannot be read.
        FileError: It is not there.
    """
    if len(paths) == 1 and paths[0].suffix == ".json":
        run = read_document(paths[0], Run)
        return Base(CaseTable.of(run.cases), run.commit, run.started_at, is_complete=not run.findings)
    found, searched = find_reports(paths)
    merged = merge_reports(found, RunFacts("", "", ""), searched=searched)
    return Base(merged.cases, "", merged.run.started_at, is_complete=bool(merged.cases) and not merged.run.findings)


class _Merge:
    """A merge under way."""

    def __init__(
        self, paths: Sequence[Path], facts: RunFacts, searched: frozenset[Path], read: Callable[..., ReportFile]
    ) -> None:
        self._paths = paths
        self._facts = facts
        self._searched = searched
        self._read = read
        self._labels = labels_of(paths)
        self._table = CaseTable()
        self._group_of: dict[GroupKey, int] = {}
        self._reports: list[ReadReport] = []
        self._findings: list[Finding] = []
        self._notes: list[str] = []
        self._note_count = 0
        self._digests: dict[str, str] = {}
        self._text_left = TEXT_BUDGET
        self._started_at = ""

    def merged(self) -> MergedReports:
        for path, label in zip(self._paths, self._labels, strict=True):
            limit = TEXT_LIMIT if self._text_left > 0 else _SHORT_TEXT
            self._take(self._read(path, text_limit=limit), label)
        self._separate_legs()
        if self._note_count > len(self._notes):
            self._notes.append(f"{self._note_count - len(self._notes):,} more remarks on the files are left out.")
        facts = self._facts
        run = Run(
            run_id=facts.run_id,
            commit=facts.commit,
            started_at=self._started_at or facts.started_at,
            run_attempt=facts.run_attempt,
            branch=facts.branch,
            is_trusted=facts.is_trusted,
            findings=tuple(self._findings),
            notes=tuple(self._notes),
        )
        return MergedReports(run, self._table, self._reports)

    def _take(self, file: ReportFile, label: str) -> None:
        if file.path in self._searched and not file.cases and _is_companion(file):
            self._note(f"{label} was passed over: {file.problem}.")
            return
        earlier = self._digests.setdefault(file.digest, label) if file.digest and file.cases else label
        if earlier != label:
            words = (
                f"{label} is the same file as {earlier}: what it should say is missing, or it was handed over twice."
            )
            self._findings.append(Finding(FindingKind.DOUBLED_FILE, words, items=(label,)))
            self._add_report(file, label, range(0), is_counted=False)
            return
        if file.problem:
            words = f"The report {label} is not whole: {file.problem}."
            self._findings.append(Finding(FindingKind.UNREADABLE_REPORT, words))
        for remark in file.remarks:
            self._note(f"{label}: {remark}")
        first = len(self._table)
        self._add_cases(file, number=len(self._reports) + 1)
        self._add_report(file, label, range(first, len(self._table)))
        if file.started_at and (not self._started_at or file.started_at < self._started_at):
            self._started_at = file.started_at

    def _add_report(self, file: ReportFile, label: str, rows: range, *, is_counted: bool = True) -> None:
        self._reports.append(
            ReadReport(
                file.path,
                label,
                file.state,
                file.problem,
                file.counts,
                rows,
                is_counted=is_counted,
                has_remarks=bool(file.remarks),
            )
        )

    def _note(self, text: str) -> None:
        self._note_count += 1
        if self._note_count <= _MAX_REMARKS:
            self._notes.append(text)

    def _add_cases(self, file: ReportFile, *, number: int) -> None:
        table, first, cases = self._table, len(self._table), file.cases
        groups = self._groups(file)
        names = [name or "(no name)" for name in cases.columns.names]
        tells_apart = _Namesakes(file)
        if len(set(names)) < len(names):
            for place, case in enumerate(cases):
                groups[place], names[place] = tells_apart.apart(case, groups[place], names[place], table)
        table.extend(groups, names, number, cases.columns.seconds)
        for place, case in cases.known.items():
            if case.attempts or case.note:
                result = _case_result(table.case(first + place), case, number)
                self._text_left -= sum(len(one.details) + len(one.output) for one in case.attempts)
                table.judge(first + place, result)

    def _groups(self, file: ReportFile) -> list[int]:
        """The group of each case of a file."""
        group_of, columns, suites = self._group_of, file.cases.columns, file.suites
        # Nearly every case has a class, and that class has been seen: one look-up, without a call. What has no class is
        # known by other keys, so that it is not found here.
        with suppress(KeyError):
            return list(map(group_of.__getitem__, zip(columns.classnames, columns.files, strict=True)))
        found: list[int] = []
        for place, key in enumerate(map(self._key, columns.suites, columns.classnames, columns.files, repeat(suites))):
            group = group_of.get(key)
            if group is None:
                group = group_of[key] = self._table.group(_group(file.cases[place], suites))
            found.append(group)
        return found

    @staticmethod
    def _key(suite: int, classname: str, file: str, suites: Sequence[ReportSuite]) -> GroupKey:
        if classname:
            return (classname, file)
        return (file, suites[suite].path if suite >= 0 else ())

    def _separate_legs(self) -> None:
        """Cases that stand in several files: every file that shares one gets a suite of its own."""
        rows = [report.rows for report in self._reports]
        shared = _shared_files(self._table, rows)
        for number in sorted(shared):
            self._table.move_to_suite(self._reports[number].label, rows[number])
        if shared:
            self._notes.insert(
                0, f"{len(shared):,} files hold tests of the same names; each file's results count by themselves."
            )
            self._note_count += 1


class _Namesakes:
    """Tells cases of one file apart that are called the same: by their suites, else by a number."""

    def __init__(self, file: ReportFile) -> None:
        self._suites = file.suites
        self._taken: set[tuple[int, str]] = set()

    def apart(self, case: ReportCase, group: int, name: str, table: CaseTable) -> tuple[int, str]:
        if case.ordinal > 1:
            name = f"{name} (#{case.ordinal})"
        if (group, name) in self._taken and case.suite >= 0:
            group = table.group(_group_by_suite(case, self._suites))
        number, plain = 1, name
        while (group, name) in self._taken:
            number += 1
            name = f"{plain} (#{number})"
        self._taken.add((group, name))
        return group, name


def _group(case: ReportCase, suites: Sequence[ReportSuite]) -> CaseGroup:
    """File and class of a case, written as its own tool would: pytest's class without its module, Java's whole."""
    suite = suites[case.suite] if case.suite >= 0 else ReportSuite(())
    prefix = case.classname
    if not prefix:
        prefix = " > ".join(part for part in suite.path[-3:] if part)
    elif prefix == case.name:
        prefix = ""
    file = case.file.replace("\\", "/").removeprefix("./")
    module = file.removesuffix(".py").replace("/", ".")
    if file.endswith(".py") and (prefix == module or prefix.startswith(f"{module}.")):
        prefix = prefix[len(module) + 1 :].replace(".", "::")
    return CaseGroup(MAIN_SUITE, file, prefix)


def _group_by_suite(case: ReportCase, suites: Sequence[ReportSuite]) -> CaseGroup:
    suite = suites[case.suite]
    plain = _group(case, suites)
    parts = [suite.hostname, *suite.path[-3:], case.classname]
    return CaseGroup(plain.suite, plain.file, " > ".join(dict.fromkeys(part for part in parts if part)))


def _case_result(case: CaseId, report: ReportCase, number: int) -> CaseResult:
    attempts = tuple(_attempt(case, attempt, place, report) for place, attempt in enumerate(report.attempts, start=1))
    return CaseResult(case, attempts, report.verdict, shard=number, note=report.note)


def _attempt(case: CaseId, attempt: ReportAttempt, place: int, report: ReportCase) -> Attempt:
    return Attempt(
        case,
        attempt.outcome,
        number=place,
        call_seconds=attempt.seconds,
        message=attempt.message,
        details=attempt.details,
        output=attempt.output,
        line=report.line,
        properties=report.properties,
    )


def _shared_files(table: CaseTable, rows: Sequence[range]) -> set[int]:
    """Places of the files that hold a case which another file holds too."""
    if len(rows) < 2:
        return set()
    # Numbers instead of a set of a million ids: a third of the memory.
    if len(set(map(hash, zip(table.group_of, table.names, strict=True)))) == len(table):
        return set()
    marks = sorted(map(hash, zip(table.group_of, table.names, strict=True)))
    doubled = {one for one, other in pairwise(marks) if one == other}
    files: dict[tuple[int, str], set[int]] = defaultdict(set)
    for number, places in enumerate(rows):
        for place in places:
            key = (table.group_of[place], table.names[place])
            if hash(key) in doubled:
                files[key].add(number)
    return {number for numbers in files.values() if len(numbers) > 1 for number in numbers}


def _is_companion(file: ReportFile) -> bool:
    return file.state is FileState.REFUSED and file.root in COMPANIONS


def labels_of(paths: Sequence[Path]) -> list[str]:
    """What to call each file: its path without the folders that all of them share."""
    if len(paths) == 1:
        return [paths[0].name]
    try:
        shared = os.path.commonpath([path.parent.resolve() for path in paths])
    except ValueError:
        return [path.as_posix() for path in paths]
    return [os.path.relpath(path.resolve(), shared).replace(os.sep, "/") for path in paths]
