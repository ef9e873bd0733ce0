"""What one JUnit file says: `ReportFile`, its suites, its cases with all their attempts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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
    cases: tuple[ReportCase, ...] = ()
    started_at: str = ""
    root: str = ""
    digest: str = ""
