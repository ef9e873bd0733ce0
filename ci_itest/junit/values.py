"""What one JUnit file says: `ReportFile`, its suites, its cases with all their attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import overload

import msgspec

from ci_itest.model.cases import Outcome, Verdict


class FileState(StrEnum):
    """How reading a file ended."""

    READ = "read"
    REPAIRED = "repaired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ElementCounts:
    """Elements as they stand in the file, before anything is made of them.

    Attributes:
        testcases: `<testcase>` elements.
        failed: Those with at least one `<failure>`.
        errors: Those with at least one `<error>`.
        skipped: Those with a `<skipped>`.
        retries: `<flakyFailure>`, `<flakyError>`, `<rerunFailure>`, `<rerunError>` and `<rerun>` elements.
        suite_problems: `<failure>` and `<error>` elements directly below a suite.
    """

    testcases: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    retries: int = 0
    suite_problems: int = 0


@dataclass(frozen=True, slots=True)
class ReportSuite:
    """One `<testsuite>`.

    Attributes:
        path: Its name behind those of the suites around it.
        hostname: Machine or, for Playwright, project.
    """

    path: tuple[str, ...]
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class ReportAttempt:
    """One execution of a case, as far as the file tells it.

    Attributes:
        message: "" where there is none; the file may know that an attempt failed and not why.
        details: Traceback, head and tail of it where it is long.
        output: What the case printed.
    """

    outcome: Outcome
    seconds: float = 0.0
    message: str = ""
    details: str = ""
    output: str = ""


class ReportCase(msgspec.Struct, gc=False):
    """One test of a file, its retries taken together.

    Neither frozen nor a dataclass: a file may hold a million, and a Struct is made in a fifth of the time. It points to
    no other case, so that the garbage collector need not know of it.

    Attributes:
        suite: Place of its suite in `ReportFile.suites`, -1 for none.
        classname: As written, "" where there is none.
        file: As written, "" where there is none.
        line: 0 when unknown.
        seconds: Of all attempts together.
        attempts: In order; empty for a case that passed at once, which needs no more words.
        ordinal: 1, or 2 and more for a further test of the same name.
        note: What a reader should know of the case ("the report was cut off here"), else "".
    """

    suite: int
    classname: str
    name: str
    file: str
    line: int
    seconds: float
    verdict: Verdict = Verdict.PASSED
    attempts: tuple[ReportAttempt, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    ordinal: int = 1
    note: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it passed at once and nothing more is to be said of it than its name, place and seconds."""
        return (
            not (self.attempts or self.note or self.properties) and self.verdict is Verdict.PASSED and self.ordinal == 1
        )


@dataclass(slots=True)
class CaseColumns:
    """Cases column by column, in order: their strings alone, for nineteen of twenty have nothing else.

    Attributes:
        suites: Places of their suites in `ReportFile.suites`, -1 for none.
        lines: As written, "" for none.
    """

    suites: list[int] = field(default_factory=list)
    classnames: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    def add(self, suite: int, classname: str, name: str, file: str, line: str, seconds: float) -> None:
        self.suites.append(suite)
        self.classnames.append(classname)
        self.names.append(name)
        self.files.append(file)
        self.lines.append(line)
        self.seconds.append(seconds)

    def row(self, place: int) -> tuple[int, str, str, str, int, float]:
        """The first fields of a `ReportCase`."""
        line = self.lines[place]
        return (
            self.suites[place],
            self.classnames[place],
            self.names[place],
            self.files[place],
            int(line) if line else 0,
            self.seconds[place],
        )


class ReportCases(Sequence[ReportCase]):
    """The cases of a file: those that simply passed as columns alone, each made when it is asked for.

    Attributes:
        columns: All cases.
        known: By place, in order, those of which there is more to say.
    """

    def __init__(self, columns: CaseColumns | None = None, known: dict[int, ReportCase] | None = None) -> None:
        self.columns = columns or CaseColumns()
        self.known = known or {}

    def append(self, case: ReportCase) -> None:
        if not case.is_plain:
            self.known[len(self.columns)] = case
        line = str(case.line) if case.line else ""
        self.columns.add(case.suite, case.classname, case.name, case.file, line, case.seconds)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[ReportCase]:
        return map(self._case, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> ReportCase: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ReportCase]: ...
    def __getitem__(self, place: int | slice) -> ReportCase | Sequence[ReportCase]:
        places = range(len(self))[place]
        return self._case(places) if isinstance(places, int) else [self._case(one) for one in places]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # its cases can be changed

    def __repr__(self) -> str:
        return f"ReportCases({list(self)})"

    def _case(self, place: int) -> ReportCase:
        return self.known.get(place) or ReportCase(*self.columns.row(place))


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One file, read.

    Attributes:
        problem: Why the run cannot be called complete because of this file, in words; "" when it is whole.
        remarks: What was mended, left out or noticed, one sentence each; nothing that has to be acted on.
        root: Name of the first root element, "" without one.
        digest: Of the bytes, "" when they could not be read.
    """

    path: Path
    state: FileState
    problem: str = ""
    remarks: tuple[str, ...] = ()
    counts: ElementCounts = ElementCounts()
    suites: tuple[ReportSuite, ...] = ()
    cases: ReportCases = field(default_factory=ReportCases)
    started_at: str = ""
    root: str = ""
    digest: str = ""
