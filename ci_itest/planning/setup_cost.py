"""What is set up once and paid again wherever it is divided: by file, by service, by session.

A module's fixtures are charged to whichever case asks first, so the setup phase of one case of a file stands out. What
it exceeds the others by is the file's; it is taken off the case, so that moving the case does not seem to move it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from ci_itest.model.cases import CaseId
from ci_itest.model.history import CaseTimings, ShardAccuracy

LEAST_SETUP_SECONDS = 0.05
"""A file costs at least its import and collection in every shard that touches it, which no case's time shows."""

LEAST_EXCESS_SECONDS = 0.02
"""A setup that stands out by less is noise."""

UNKNOWN_SERVICE_SECONDS = 5.0
"""A service's start-up before any was measured."""

SERVICE_PHASE = "service:"
"""Phases of a recorded shard with this in front are the start-ups of single services."""

_RUNS_USED = 3
_NOT_BOOT = ("tests", "services")


@dataclass(frozen=True, slots=True)
class LearnedSetup:
    """What files set up once.

    Attributes:
        seconds: Of each file where any was found.
        excess: What each case paid for its file, by case and start of the run.
    """

    seconds: Mapping[str, float]
    excess: Mapping[CaseId, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Overheads:
    """What a shard takes beside its files.

    Attributes:
        boot_seconds: Of run-shard before and after the tests, services apart.
        session_seconds: Of the tests' phase beside the cases.
        service_seconds: Until each service was ready.
    """

    boot_seconds: float
    session_seconds: float
    service_seconds: Mapping[str, float]


def learn_setup(timings: Sequence[CaseTimings]) -> LearnedSetup:
    """Setup of each file from the excess of its first case.

    Args:
        timings: By file.
    """
    seconds: dict[str, float] = {}
    excess: dict[CaseId, dict[str, float]] = {}
    newest = sorted({run.started_at for timing in timings for run in timing.runs}, reverse=True)[:_RUNS_USED]
    for file, group in groupby(timings, key=lambda timing: timing.case.file):
        cases = list(group)
        samples = [_one_run(cases, run, excess) for run in newest] if len(cases) > 1 else []
        found = [sample for sample in samples if sample is not None]
        if found and (usual := median(found)) > 0:
            seconds[file] = usual
    return LearnedSetup(seconds, excess)


def _one_run(cases: Sequence[CaseTimings], run: str, excess: dict[CaseId, dict[str, float]]) -> float | None:
    """What the file's setup took in one run; None when fewer than two of its cases ran."""
    setups = [(timing.setup_seconds, case.case) for case in cases for timing in case.runs if timing.started_at == run]
    if len(setups) < 2:
        return None
    usual = median(seconds for seconds, _ in setups)
    highest = max(seconds for seconds, _ in setups) - usual
    if highest < LEAST_EXCESS_SECONDS:
        return 0.0
    # Each worker and each shard that the file was on has paid once.
    payers = [(seconds - usual, case) for seconds, case in setups if seconds - usual >= highest / 2]
    if len(payers) > max(1, len(setups) // 4):
        return 0.0
    for seconds, case in payers:
        excess.setdefault(case, {})[run] = seconds
    return median(seconds for seconds, _ in payers)


def learn_overheads(accuracy: Iterable[ShardAccuracy], *, services: Collection[str], workers: int) -> Overheads:
    """Boot, session and start-ups, each the median over the shards of the newest run; 0 where none is recorded.

    A service without a measured start-up is taken to need what its run's services took together, or 5 s.
    """
    shards = [shard for shard in accuracy if shard.phases]
    boots, sessions = [], []
    measured: dict[str, list[float]] = {name: [] for name in services}
    for shard in shards:
        phases = {phase.name: phase.seconds for phase in shard.phases}
        known = sum(seconds for name, seconds in phases.items() if not name.startswith(SERVICE_PHASE))
        outside = sum(phases.get(name, 0.0) for name in _NOT_BOOT)
        boots.append(max(shard.wall_seconds, known) - outside)
        sessions.append(max(0.0, phases.get("tests", 0.0) - shard.work_seconds / max(1, workers)))
        for name in services:
            seconds = phases.get(f"{SERVICE_PHASE}{name}", phases.get("services"))
            if seconds is not None:
                measured[name].append(seconds)
    return Overheads(
        boot_seconds=median(boots) if boots else 0.0,
        session_seconds=median(sessions) if sessions else 0.0,
        service_seconds={name: median(found) if found else UNKNOWN_SERVICE_SECONDS for name, found in measured.items()},
    )
