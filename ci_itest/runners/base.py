"""What a test runner must be able to do for a shard: the `Runner` protocol and the values it trades in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Protocol

from ci_itest.model.cases import Attempt, CaseId
from ci_itest.model.plan import Unit
from ci_itest.model.run import ListedFile
from ci_itest.model.settings import SuiteSettings

ATTACHMENTS = "attachments"
"""Folder in the results with what failed tests left: screenshots, traces, videos."""

BLOB = "blob"
"""Folder in the results with the runner's own report of the shard, to be merged with those of the others."""

RUNNERS_FILES = (ATTACHMENTS, BLOB)
"""Folders in the results that the runner itself fills with files of any kind."""


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """One shard's tests, to be launched.

    Attributes:
        root: Folder that file names start at.
        index: The shard, counted from 1.
        count: How many shards the suite has.
        files: This shard's files.
        planned: Files of all shards.
        results: Folder the runner leaves its results in.
        environment: The whole environment the tests start from.
        workers: Processes to use; 0 for none beside the runner's own.
        only: The only cases to run ("file::name"); empty for all of the files.
        queues: What each worker is to run, in order, as an earlier run recorded it; empty for the runner's own choice.
        pieces: This shard's pieces of the files that are divided between shards.
        long_cases: Cases to start first, the longest first, where several workers share the work.
        seed: A number for plugins that shuffle or draw, where the settings give them none; "" for none.
        probes: File descriptor the tests' process inherits, on which it is told which cases to run; -1 to run all.
        skips: Cases in quarantine that are not to run ("file::name"), and why.
        scratch: Folder outside the bundle for what must pass the masking first (JUnit files); it is gone afterwards.
    """

    suite: str
    settings: SuiteSettings
    root: Path
    index: int
    count: int
    files: tuple[str, ...]
    planned: tuple[str, ...]
    results: Path
    environment: Mapping[str, str] = field(repr=False)
    workers: int = 1
    only: tuple[str, ...] = ()
    queues: tuple[tuple[str, tuple[str, ...]], ...] = ()
    pieces: tuple[Unit, ...] = ()
    long_cases: tuple[str, ...] = ()
    seed: str = ""
    probes: int = -1
    skips: tuple[tuple[str, str], ...] = ()
    scratch: Path = Path()

    @property
    def is_again(self) -> bool:
        """Whether only some of the cases are to run."""
        return bool(self.only)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a shard's tests.

    How the results come back is one of three: the runner writes the journal into the results folder by itself; its
    reporter tells the lines of the journal on a pipe (`pipe`); it leaves JUnit files (`reports`).

    Attributes:
        environment: Variables on top of the request's.
        note: What a reader should know ("pytest-xdist is not installed"), "" for nothing.
        versions: Name and version of the tests' own tools that decide how they run.
        pipe: Variable that gets the number of the pipe, "" for none.
        reports: Absolute patterns of the JUnit files that this launch leaves, in the scratch folder or in the
            repository; older ones that match are not read.
        stdin: File that the command reads, None for an empty one.
        ended_by: Signal upon which it still writes down what it knows.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    note: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    pipe: str = ""
    reports: tuple[str, ...] = ()
    stdin: Path | None = None
    ended_by: Signals = Signals.SIGTERM


@dataclass(frozen=True, slots=True)
class ReportedCase:
    """A test as a JUnit file names it.

    Attributes:
        suites: Names of the suites around it, the outermost first.
        file: As written, "" where there is none.
        ordinal: 1, or 2 and more for a further test of the same name in the same suite.
        report: Path of the JUnit file.
    """

    suites: tuple[str, ...]
    classname: str
    name: str
    file: str = ""
    ordinal: int = 1
    report: str = ""


@dataclass(frozen=True, slots=True)
class RunnerResult:
    """What a runner left, as far as it got.

    Attributes:
        collected: Cases that were to run, in order.
        attempts: In the order they ended.
        running: Cases that started and did not end.
        queues: Cases of each worker in the order they started, the worker's name first.
        deaths: Worker processes that died, in words.
    """

    listed: tuple[ListedFile, ...] = ()
    collected: tuple[CaseId, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    running: tuple[CaseId, ...] = ()
    queues: tuple[tuple[str, tuple[str, ...]], ...] = ()
    deaths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a shard's tests are.

    Attributes:
        collected: Cases there are, 0 while unknown.
        ended: Attempts that ended.
        failed: Cases whose newest attempt failed.
    """

    collected: int = 0
    ended: int = 0
    failed: int = 0


class Runner(Protocol):
    """One test runner. Adapters do not know each other.

    What a shard is given are *files*: paths from the root, which for some runners are folders (a package of Go) or
    whatever the runner takes for one.
    """

    @property
    def name(self) -> str:
        """As the settings name it."""

    @property
    def keeps_journal(self) -> bool:
        """Whether it finds the shard's files and writes the journal by itself."""

    @property
    def retries_itself(self) -> bool:
        """Whether `retries` is the runner's own affair; else what failed is launched again."""

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        """The suite's test files from the root, sorted, without importing any; SettingsError for a folder that is
        not there."""

    def count_cases(self, file: Path) -> int:
        """How many cases the text of a file shows, 0 when it cannot be told."""

    def groups(self, file: Path) -> Mapping[str, str]:
        """Group of each function, and of the file under "", whose cases must share a shard; by the text alone."""

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        """The environment in which prepare, app and tests find the programs of the tests' own installation."""

    def launch(self, request: ShardRequest) -> Launch:
        """How to run exactly this shard's cases; RunnerError when the runner is not installed."""

    def read(self, results: Path, *, suite: str) -> RunnerResult:
        """What is in a results folder, whatever state its shard left it in."""

    def count(self, results: Path) -> Counts:
        """How far the tests are, quickly."""

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        """File and name of a case of a JUnit file, the same in every shard, retry and machine; "" for a file that
        is none of the suite's."""

    def was_cut_short(self, name: str, *, message: str, details: str) -> bool:
        """Whether a case of a JUnit file failed because its process died, by the words of its report.

        Of a process that died it is not known what it would have run.
        """

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        """What is wrong when the runner ends so, "" when its cases say it all.

        Args:
            has_failures: Whether a case of this launch failed.
        """
