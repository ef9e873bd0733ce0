"""Suite and history to `Plan`: list the files, expect their seconds, divide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci_itest.errors import NothingToRunError, PlanError
from ci_itest.model.history import CaseTimings
from ci_itest.model.plan import Plan, SuitePlan, Unit
from ci_itest.model.settings import ReportSettings, SuiteSettings
from ci_itest.planning.durations import file_units
from ci_itest.planning.partition import fewest_shards, partition
from ci_itest.runners.base import Runner
from ci_itest.wire import with_digest

MOST_SHARDS = 256
"""GitHub runs at most 256 jobs of one matrix."""

Timings = Callable[[str], Iterable[CaseTimings]]


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan is made for.

    Attributes:
        root: Folder of the settings; files are listed below it.
        root_in_repository: The same folder seen from the repository's top, "" for the top itself.
        cores: Processor cores of a shard's machine, for `workers = "auto"`.
    """

    suites: Mapping[str, SuiteSettings]
    root: Path
    run_id: str
    commit: str
    created_at: str
    tool_version: str
    cores: int
    root_in_repository: str = ""
    report: ReportSettings = field(default_factory=ReportSettings)


def make_plan(request: PlanRequest, *, runner_named: Callable[[str], Runner], timings: Timings) -> Plan:
    """The division of every suite, with its digest.

    Args:
        timings: What history knows of a suite; empty when there is no history.

    Raises:
        NothingToRunError: No suite has a test file.
        PlanError: All suites together have more than 256 shards.
        SettingsError: A folder in `tests` does not exist.
    """
    suites = tuple(
        _suite_plan(name, settings, request, runner_named(settings.runner), tuple(timings(name)))
        for name, settings in request.suites.items()
    )
    if not any(suite.files for suite in suites):
        folders = ", ".join(folder for settings in request.suites.values() for folder in settings.tests)
        raise NothingToRunError(
            f"No test file was found in {folders}.", hint="Point `tests` at the folders of your integration tests."
        )
    return with_digest(
        Plan(
            run_id=request.run_id,
            commit=request.commit,
            created_at=request.created_at,
            tool_version=request.tool_version,
            suites=_within_limit(suites),
            root=request.root_in_repository,
            report=request.report,
        )
    )


def _suite_plan(
    name: str, settings: SuiteSettings, request: PlanRequest, runner: Runner, timings: tuple[CaseTimings, ...]
) -> SuitePlan:
    files = runner.list_files(settings, root=request.root, suite=name)
    known = {timing.case.file for timing in timings}
    counts = {file: runner.count_cases(request.root / file) for file in files if file not in known}
    units = file_units(files, timings=timings, case_counts=counts)
    shards = partition(units, shard_count=_shard_count(settings, units, cores=request.cores))
    return SuitePlan(name, settings.runner, shards, notes=_notes(units, settings, shard_count=len(shards)))


def _shard_count(settings: SuiteSettings, units: tuple[Unit, ...], *, cores: int) -> int:
    if settings.shards != "auto":
        return settings.shards
    workers = cores if settings.workers == "auto" else settings.workers
    return fewest_shards(units, target_seconds=settings.target, workers=workers, most=settings.max_shards)


def _notes(units: tuple[Unit, ...], settings: SuiteSettings, *, shard_count: int) -> tuple[str, ...]:
    notes = []
    unknown = [unit for unit in units if not unit.is_known]
    if units and len(unknown) == len(units):
        notes.append("No history yet: divided by the number of tests each file shows. The next plan knows durations.")
    elif unknown:
        total = sum(unit.expected_seconds for unit in units)
        share = sum(unit.expected_seconds for unit in unknown) / total if total else 0.0
        notes.append(f"{len(unknown)} of {len(units)} files have no history yet, {share:.0%} of the expected time.")
    if settings.shards != "auto" and settings.shards > shard_count:
        notes.append(f"{settings.shards} shards are asked for; {shard_count} are used, one for each test file.")
    return tuple(notes)


def _within_limit(suites: tuple[SuitePlan, ...]) -> tuple[SuitePlan, ...]:
    total = sum(suite.shard_count for suite in suites)
    if total > MOST_SHARDS:
        raise PlanError(
            f"The suites have {total} shards together; a matrix holds at most {MOST_SHARDS}.",
            hint="Lower `shards` or `max_shards`.",
        )
    return suites
