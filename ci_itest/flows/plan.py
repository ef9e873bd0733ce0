"""Suite and history to `Plan`: list the files, expect their seconds, divide them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ci_itest.bypass.globs import matches_any
from ci_itest.errors import NothingToRunError, PlanError
from ci_itest.model.history import WHOLE_FILE, CaseTimings, ShardAccuracy
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from ci_itest.model.settings import ReportSettings, SuiteSettings
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import Division
from ci_itest.planning.drift import drift_of, drift_words, staleness_words
from ci_itest.planning.estimate import ABSURD_SECONDS, Estimates, estimate
from ci_itest.planning.setup_cost import LEAST_SETUP_SECONDS, Overheads, learn_overheads
from ci_itest.planning.shard_count import fewest, fill_minutes, wall_seconds
from ci_itest.planning.sticky import Homes, divide_near, home_of, homes_of
from ci_itest.planning.suite import SuiteFacts, unknown_share, work_of
from ci_itest.planning.work import FileWork, Piece
from ci_itest.runners.base import Runner
from ci_itest.wire import with_digest

MOST_SHARDS = 256
"""GitHub runs at most 256 jobs of one matrix."""

_SHOWN = 3
_TIMEOUT_GRACE = 60.0
_LONG_SHARE = 0.02
_LEAST_LONG_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Known:
    """What history knows of a suite; all empty when there is none.

    Attributes:
        accuracy: Planned against real of the suite's newest run.
        homes: Where that run had the cases.
    """

    timings: tuple[CaseTimings, ...] = ()
    accuracy: tuple[ShardAccuracy, ...] = ()
    homes: Homes = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class SuiteWork:
    """A suite ready to be divided.

    Attributes:
        finest: The same with cases as parts: what cutting files would gain.
    """

    name: str
    settings: SuiteSettings
    files: tuple[FileWork, ...]
    costs: Costs
    estimates: Estimates
    known: Known
    finest: tuple[FileWork, ...] = ()


def make_plan(
    request: PlanRequest, *, runner_named: Callable[[str], Runner], known: Callable[[str], Known] = lambda _: Known()
) -> Plan:
    """The division of every suite, with its digest.

    Args:
        known: What history knows of a suite, by its name.

    Raises:
        NothingToRunError: A suite has no test file.
        PlanError: All suites together have more than 256 shards.
        SettingsError: A folder in `tests` does not exist.
    """
    works = suites_of(request, runner_named=runner_named, known=known)
    suites = tuple(_suite_plan(work, now=request.created_at) for work in works)
    return with_digest(
        Plan(
            run_id=request.run_id,
            commit=request.commit,
            created_at=request.created_at,
            tool_version=request.tool_version,
            suites=_with_names(_within_limit(suites)),
            root=request.root_in_repository,
            report=request.report,
        )
    )


def suites_of(
    request: PlanRequest, *, runner_named: Callable[[str], Runner], known: Callable[[str], Known]
) -> tuple[SuiteWork, ...]:
    """Every suite with what its files and shards are expected to take.

    Raises:
        NothingToRunError: A suite has no test file.
    """
    works = tuple(
        _suite_work(name, settings, request, runner_named(settings.runner), known(name))
        for name, settings in request.suites.items()
    )
    for work in works:
        if not work.files:
            # Also when other suites have some: a suite that lost its files must not pass for a green one.
            of_suite = f" of suite {work.name}" if len(works) > 1 else ""
            raise NothingToRunError(
                f"No test file{of_suite} was found in {', '.join(work.settings.tests)}.",
                hint="Point `tests` at the folders of your integration tests.",
            )
    return works


def _suite_work(name: str, settings: SuiteSettings, request: PlanRequest, runner: Runner, known: Known) -> SuiteWork:
    files = runner.list_files(settings, root=request.root, suite=name)
    limit = settings.case_timeout + _TIMEOUT_GRACE if settings.case_timeout else ABSURD_SECONDS
    estimates = estimate(known.timings, limit_seconds=limit)
    by_case = {case.file for case in estimates.seconds if case.name != WHOLE_FILE}
    shown = {file: runner.count_cases(request.root / file) for file in files if file not in by_case}
    facts = SuiteFacts(files, estimates.seconds, shown, settings.keep_together, _groups(files, request, runner))
    finest = SuiteFacts(files, estimates.seconds, shown, "case")
    workers = request.cores if settings.workers == "auto" else settings.workers
    costs = _costs(settings, files, estimates, known, workers=workers)
    return SuiteWork(name, settings, work_of(facts), costs, estimates, known, work_of(finest))


def _groups(files: Iterable[str], request: PlanRequest, runner: Runner) -> dict[tuple[str, str], str]:
    return {(file, function): group for file in files for function, group in runner.groups(request.root / file).items()}


def _costs(settings: SuiteSettings, files: Iterable[str], estimates: Estimates, known: Known, *, workers: int) -> Costs:
    overheads: Overheads = learn_overheads(known.accuracy, services=settings.services, workers=workers)
    return Costs(
        boot_seconds=settings.boot + overheads.boot_seconds,
        session_seconds=overheads.session_seconds,
        file_setup={file: max(LEAST_SETUP_SECONDS, seconds) for file, seconds in estimates.setup.seconds.items()},
        default_file_setup=LEAST_SETUP_SECONDS,
        service_seconds=overheads.service_seconds,
        needs=_needs(settings, files),
        workers=workers,
    )


def _needs(settings: SuiteSettings, files: Iterable[str]) -> dict[str, frozenset[str]]:
    """Services of each file, with those that these need; {} when no service is for some files only."""
    services = settings.services
    if not any(service.only_for for service in services.values()):
        return {}
    return {
        file: _with_needed(
            {name for name, service in services.items() if not service.only_for or matches_any(file, service.only_for)},
            settings,
        )
        for file in files
    }


def _with_needed(names: set[str], settings: SuiteSettings) -> frozenset[str]:
    while True:
        needed = {other for name in names for other in settings.services[name].needs if other in settings.services}
        if needed <= names:
            return frozenset(names)
        names |= needed


def _suite_plan(work: SuiteWork, *, now: str) -> SuitePlan:
    settings = work.settings
    if settings.shards == "auto":
        count = fewest(work.files, costs=work.costs, target_seconds=settings.target, most=settings.max_shards)
    else:
        count = settings.shards
    division = divide_near(work.files, work.known.homes, shard_count=count, costs=work.costs)
    if settings.shards == "auto" and settings.fill_minutes:
        division = fill_minutes(division, work.costs)
    shards = _shards(division, work.costs, _long_cases(division, work))
    notes = tuple(_notes(work, shard_count=len(shards), now=now))
    return SuitePlan(work.name, settings.runner, shards, notes=notes)


def _long_cases(division: Division, work: SuiteWork) -> list[tuple[str, ...]]:
    """Of each shard the cases that are long beside a worker's share of it, the longest first."""
    found: list[list[tuple[float, str]]] = [[] for _ in division.shards]
    workers = work.costs.workers
    if workers > 1:
        homes = homes_of(division)
        least = [max(_LEAST_LONG_SECONDS, _LONG_SHARE * seconds) for seconds in division.seconds]
        for case, seconds in work.estimates.seconds.items():
            shard = home_of(homes.get(case.file, ()), case.name) - 1
            if shard >= 0 and seconds >= least[shard] and case.name != WHOLE_FILE:
                found[shard].append((-seconds, case.node_id))
    return [tuple(name for _, name in sorted(cases)) for cases in found]


def _shards(division: Division, costs: Costs, long_cases: Sequence[tuple[str, ...]]) -> tuple[Shard, ...]:
    walls = wall_seconds(division, costs)
    return tuple(
        Shard(
            index,
            tuple(sorted((_unit(division, piece) for piece in pieces), key=_longest_first)),
            wall_seconds=round(walls[index - 1], 3),
            services=_services(division, pieces, costs),
            long_cases=long_cases[index - 1],
        )
        for index, pieces in enumerate(division.shards, start=1)
    )


def _longest_first(unit: Unit) -> tuple[float, str, str]:
    return -unit.expected_seconds, unit.file, unit.first


def _unit(division: Division, piece: Piece) -> Unit:
    work = division.files[piece.file]
    is_end = piece.end == len(work.starts)
    return Unit(
        work.file,
        sum(work.expected[piece.begin : piece.end]),
        case_count=sum(work.counts[piece.begin : piece.end]),
        is_known=work.is_known,
        first=work.starts[piece.begin],
        until="" if is_end else work.starts[piece.end],
    )


def _services(division: Division, pieces: Iterable[Piece], costs: Costs) -> tuple[str, ...] | None:
    if not costs.needs:
        return None
    return tuple(sorted({name for piece in pieces for name in costs.needs_of(division.files[piece.file].file)}))


def _notes(work: SuiteWork, *, shard_count: int, now: str) -> Iterable[str]:
    yield from _knowledge(work)
    if rejected := work.estimates.rejected:
        more = f" and {len(rejected) - _SHOWN} more" if len(rejected) > _SHOWN else ""
        yield f"Not believed in the history: {'; '.join(rejected[:_SHOWN])}{more}."
    newest = max((timing.runs[0].started_at for timing in work.known.timings if timing.runs), default="")
    for words in (drift_words(drift_of(work.known.accuracy)), staleness_words(newest, now=now)):
        if words:
            yield words
    asked = work.settings.shards
    if asked != "auto" and asked > shard_count:
        yield f"{asked} shards are asked for; {shard_count} are used, since more would end no sooner."


def _knowledge(work: SuiteWork) -> Iterable[str]:
    """How much of the suite history knows."""
    unknown, total, share = unknown_share(work.files)
    if total and unknown == total:
        yield "No history yet: divided by the number of tests each file shows. The next plan knows durations."
    elif unknown:
        yield f"{unknown} of {total} cases have no history yet, {share:.0%} of the expected time."


def _with_names(suites: tuple[SuitePlan, ...]) -> tuple[SuitePlan, ...]:
    """Where there are several, a note says whose it is."""
    if len(suites) == 1:
        return suites
    return tuple(
        replace(suite, notes=tuple(f"Suite {suite.suite}: {note}" for note in suite.notes)) for suite in suites
    )


def _within_limit(suites: tuple[SuitePlan, ...]) -> tuple[SuitePlan, ...]:
    total = sum(suite.shard_count for suite in suites)
    if total > MOST_SHARDS:
        raise PlanError(
            f"The suites have {total} shards together; a matrix holds at most {MOST_SHARDS}.",
            hint="Lower `shards` or `max_shards`.",
        )
    return suites
