"""`HistoryStore`: what flows and the reporting service ask of a history, whatever keeps it. Imports no SQL library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Protocol, Self

from ci_itest.errors import HistoryError
from ci_itest.flaky.state import State
from ci_itest.model.bypass import AuditedBypass, BypassRecord
from ci_itest.model.cases import CaseId
from ci_itest.model.history import CaseTimings, PastFailure, PastRun, RenamedCase, RunSummary, ShardAccuracy
from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.run import Run

LAST_RUNS = 10
"""Runs that timings look back on: more change the predicted seconds of a case by less than their noise."""


class DamagedHistoryError(HistoryError):
    """The history holds what no version of ci-itest wrote: bit rot, a cut-off file.

    Trying again does not help; putting the file aside and starting anew does.
    """


class HistoryStore(Protocol):
    """Runs as they were recorded. Every method raises HistoryError when the store cannot do it.

    Attributes:
        keeps_all_runs: Whether it also takes runs of pull requests, and decides itself what to learn from them.
    """

    @property
    def keeps_all_runs(self) -> bool: ...

    def record(self, run: Run, *, repository: str, recorded_at: str) -> bool:
        """Keep a run, whole or not at all; False, and nothing changes, when this attempt of it is there already.

        A later attempt of the run adds the shards that are new in it; those it took over from an earlier attempt
        are not counted twice. Where a run names a case twice, the last stands.

        Args:
            repository: `owner/name`, or another name that stays the same from run to run.
            recorded_at: UTC, ISO 8601; also stands for a `run.started_at` that is empty.
        """

    def timings(
        self, suite: str, *, repository: str, branches: Collection[str] | None, last_runs: int = LAST_RUNS
    ) -> tuple[CaseTimings, ...]:
        """What a suite's cases took in its last runs, by file and name; within a case the newest run first.

        Only complete and trusted runs count, all attempts of a run are one run, and of a case only its last attempt
        counts, when that passed or failed: an error or a skip says nothing about how long the case takes.

        Args:
            branches: Learn from these alone; None: from every branch.
            last_runs: How many runs of the suite to look back on, 1 or more.
        """

    def accuracy(self, *, repository: str, branches: Collection[str] | None = None) -> tuple[ShardAccuracy, ...]:
        """Planned against real seconds of each suite's newest complete, trusted run, shard by shard."""

    def runs(self, limit: int = 20, *, repository: str) -> tuple[RunSummary, ...]:
        """The newest recorded runs, the newest first, each attempt by itself."""

    def newest_run(self, *, repository: str, branch: str, without: str = "") -> PastRun | None:
        """The newest trusted run of a branch: a complete one where there is any; None without a run.

        Args:
            without: The CI's id of a run that is left out.
        """

    def learn(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        """Fold every trusted run into the flaky model that it does not know yet; how many those were.

        Runs are folded in the order in which they were recorded, whatever their clocks say.

        Args:
            is_main: Whether a branch is the default branch.
        """

    def rebuild(self, *, repository: str, is_main: Callable[[str], bool]) -> int:
        """Forget the flaky model and learn it anew from the results; how many runs were folded in."""

    def flaky_state(self, *, repository: str) -> State:
        """What the flaky model knows."""

    def case_numbers(self, *, repository: str) -> dict[CaseId, int]:
        """The number of every case with a recorded result, by which the flaky model knows it."""

    def failures(self, cases: Collection[int], *, repository: str) -> dict[int, tuple[PastFailure, ...]]:
        """Recorded failures of some cases, oldest first; a case without any is not in the answer."""

    def quarantined(self, *, repository: str) -> tuple[QuarantineEntry, ...]:
        """The cases in quarantine, in the order in which they were put there; those whose time is up too."""

    def quarantine(self, entry: QuarantineEntry, *, repository: str) -> None:
        """Put a case in quarantine, or change its entry there."""

    def release(self, case: CaseId, *, repository: str, because: str, at: str) -> bool:
        """Take a case out of quarantine; False when it was not there. What was is kept for an audit."""

    def rename(self, renames: Iterable[tuple[CaseId, CaseId]], *, repository: str, at: str) -> int:
        """Let cases go on under another name, results, quarantine and all; how many did.

        Args:
            renames: Old and new name; a case that is not there, or a new name that is, is left as it is.
        """

    def renamed(self, *, repository: str) -> tuple[RenamedCase, ...]:
        """The cases that go on under another name, the newest renaming first."""

    def undo_rename(self, case: CaseId, *, repository: str) -> bool:
        """Part a case from what it was called before its last renaming; False where it had none.

        The flaky model still knows them as one until it is rebuilt.
        """

    def record_bypass(self, bypass: BypassRecord, *, repository: str) -> bool:
        """Keep that a run went without the suite; False when this attempt of it is there already.

        What is there then only learns which commit the pull request became, where `bypass` tells that.
        """

    def bypasses(self, limit: int = 100, *, repository: str, main: Collection[str]) -> tuple[AuditedBypass, ...]:
        """The newest bypasses, the newest first, each with how the default branch's next run ended.

        Args:
            main: Names of the default branch.
        """

    def close(self) -> None:
        """Let go of files and connections; the store cannot be used afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
