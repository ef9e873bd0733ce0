"""How a run's suites are divided: `Unit`, `Shard`, `SuitePlan`, `Plan`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ci_itest.model.quarantine import QuarantineEntry
from ci_itest.model.settings import BypassSettings, FlakySettings, HistorySettings, ReportSettings


@dataclass(frozen=True, slots=True)
class Unit:
    """What a shard is given of one file: all of it, or the cases whose names lie between two names.

    The pieces of a file lie side by side without a gap, in the order of their names' code points. So each case,
    those that no plan has ever seen included, is in exactly one of them.

    Attributes:
        file: Path from the repository's root, forward slashes.
        expected_seconds: Work of all its cases, one after another.
        case_count: How many cases history or the text of the file shows; 0 when unknown.
        is_known: Whether `expected_seconds` comes from history, or is a guess.
        first: Name of the first case (`TestCart::test_adds[eu]`), "" for the beginning of the file.
        until: Name of the first case that is no longer its own, "" for the end of the file.
    """

    file: str
    expected_seconds: float
    case_count: int = 0
    is_known: bool = True
    first: str = ""
    until: str = ""

    @property
    def is_whole_file(self) -> bool:
        return not self.first and not self.until

    def holds(self, name: str) -> bool:
        """Whether a case of the file, by its name inside the file, belongs to it."""
        return self.first <= name and (not self.until or name < self.until)


@dataclass(frozen=True, slots=True)
class Shard:
    """One CI job's part of a suite.

    Attributes:
        index: Counted from 1.
        units: Longest first.
        wall_seconds: From the job's start to its end as expected, workers and services counted; 0 when unknown.
        services: The services its units need; None for all of the suite.
        long_cases: Cases (file::name) that one worker is busy with for a while, the longest first: they start first.
    """

    index: int
    units: tuple[Unit, ...]
    wall_seconds: float = 0.0
    services: tuple[str, ...] | None = None
    long_cases: tuple[str, ...] = ()

    @property
    def expected_seconds(self) -> float:
        """Work of the shard, one case after another (workers divide it)."""
        return sum(unit.expected_seconds for unit in self.units)

    @property
    def files(self) -> tuple[str, ...]:
        """Its files, longest unit first; a file of which it has several pieces once."""
        return tuple(dict.fromkeys(unit.file for unit in self.units))


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """One suite's division.

    Attributes:
        suite: Its name in the settings.
        runner: Name of the adapter that runs it.
        shards: Index 1 first; none is empty unless the suite has one shard.
        notes: What a reader must know of the division (no history, many unknown cases), one line each.
    """

    suite: str
    runner: str
    shards: tuple[Shard, ...]
    notes: tuple[str, ...] = ()

    @property
    def shard_count(self) -> int:
        return len(self.shards)

    @property
    def files(self) -> frozenset[str]:
        return frozenset(file for shard in self.shards for file in shard.files)

    @property
    def divided_files(self) -> frozenset[str]:
        """Files of which several shards have a piece."""
        homes: dict[str, set[int]] = {}
        for shard in self.shards:
            for file in shard.files:
                homes.setdefault(file, set()).add(shard.index)
        return frozenset(file for file, shards in homes.items() if len(shards) > 1)

    def shard(self, index: int) -> Shard:
        """The shard with that index (counted from 1); IndexError when there is none."""
        if not 1 <= index <= len(self.shards):
            raise IndexError(index)
        return self.shards[index - 1]


@dataclass(frozen=True, slots=True)
class Plan:
    """The division of every suite of one run, frozen for its run id.

    Attributes:
        run_id: The CI's id of the run, or one made up on a laptop; every attempt of the run shares it.
        commit: The commit whose files were listed; "" outside a git checkout.
        created_at: UTC, ISO 8601.
        tool_version: Version that made it.
        digest: SHA-256 over the division; shards and merge compare it.
        root: Folder of the settings inside the repository, "" for its top; files are relative to it.
        report: How the run is to be shown; the report job checks nothing out, so it has no settings of its own.
        quarantine: Cases whose failures do not count in this run; no part of the digest.
        templates: Text of the user's own templates by name; empty in a pull request's run, whose report reads the
            base commit's.
        bypass: Settings that judge the run, as are `flaky`, `history` and `report`.
        to_fix: Cases that the commit says it fixes ("file::name"), to be run many times; no part of the digest.
        codeowners: Text of CODEOWNERS; "" where there is none, and in a pull request's run.
    """

    run_id: str
    commit: str
    created_at: str
    tool_version: str
    suites: tuple[SuitePlan, ...]
    digest: str = ""
    root: str = ""
    report: ReportSettings = field(default_factory=ReportSettings)
    quarantine: tuple[QuarantineEntry, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)
    bypass: BypassSettings = field(default_factory=BypassSettings)
    flaky: FlakySettings = field(default_factory=FlakySettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    codeowners: str = ""
    to_fix: tuple[str, ...] = ()

    def suite(self, name: str) -> SuitePlan | None:
        return next((suite for suite in self.suites if suite.suite == name), None)
