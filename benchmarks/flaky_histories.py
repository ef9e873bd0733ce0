"""Made-up histories of CI runs in which the truth of every failure is known, for measuring flaky-test detectors.

The same scenario gives the same history on every machine (PCG64 and nothing else is random). The parameters and where
they come from:

- 3.6 % of the cases are flaky. Their rates are the 811 that FlakeFlagger's 10,000 reruns of 22,245 tests found
  (`flake_rates.csv`).
- Kinds: 55 % fail by chance, 20 % by order, 7 % by runner, 5 % by time of day, 6 % under load, 7 % in bursts. A fifth
  begins to flake inside the history, a tenth is repaired.
- 47 % of the runs are pushes to main, the others to pull requests, nightly repeats of main on half of the days; a run
  is repeated on the same commit with probability 0.3. Ten runs a working day.
- 8 % of main's commits break 1 or more cases of one module for 3 commits on average. 30 % of a pull request's commits
  break cases: mostly about 6 of one module, one in eight a whole module or a third of the suite; 80 % are repaired by
  the next commit. 0.2 % of the cases always fail, 1 % are skipped at random in each run.
- 3 % of the runs have an outage: of a shard (45 %), of a service that 3 to 12 modules use (35 %), of 1 to 20 % of all
  cases (20 %); of those 80 to 100 % fail, and a retry helps in 30 % of the outages. 6 % of the runs have a blip: 1 to 5
  cases fail once.
- 1 % of the cases become 1.5 to 3 times slower at some run, 1 % drift to twice their time.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATES_FILE = Path(__file__).with_name("flake_rates.csv")
"""How often each of 811 flaky tests failed in 10,000 reruns (FlakeFlagger: Alshammari et al., ICSE 2021)."""

Flags = NDArray[np.bool_]
Small = NDArray[np.uint8]
Numbers = NDArray[np.float64]
Indexes = NDArray[np.int64]

RUNNERS = ("ubuntu-22", "ubuntu-24", "arm64")
_RUNNER_SHARES = (0.55, 0.30, 0.15)
_KINDS = ("chance", "order", "runner", "hour", "load", "bursts")
_KIND_SHARES = (0.55, 0.20, 0.07, 0.05, 0.06, 0.07)
_SHARDS = 8


class Truth(IntEnum):
    """Why a case failed."""

    NONE = 0
    FLAKY = 1
    REGRESSION = 2
    OUTAGE = 3
    BLIP = 4
    ALWAYS_BROKEN = 5


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to make up; the defaults are the base scenario."""

    seed: int
    case_count: int = 5000
    run_count: int = 200
    retries: int = 0
    flaky_share: float = 0.036
    outages: float = 0.03
    blips: float = 0.06
    main_regressions: float = 0.08
    pull_regressions: float = 0.30


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """One run of the suite.

    Attributes:
        attempt: 2 for a repeat on the same commit.
        broken: Cases that the pull request's commit breaks.
    """

    branch: str
    commit: str
    main_position: int
    attempt: int
    at: datetime
    runner: str
    broken: Indexes


@dataclass(frozen=True, slots=True)
class Simulated:
    """A history; matrices have a row for each run and a column for each case.

    Attributes:
        tries: Executions of a case; 0 when it was skipped.
        failed_tries: How many of them failed.
        truth: `Truth` of each failure.
        seconds: Of the first execution.
        is_flaky: The cases that can fail by themselves.
        slow_at: The run from which a case is slower, -1 for never; drifts are -2.
    """

    runs: tuple[SimulatedRun, ...]
    tries: Small
    failed_tries: Small
    truth: Small
    seconds: NDArray[np.float32]
    module: Indexes
    shard: Indexes
    is_flaky: Flags
    slow_at: Indexes
    names: tuple[str, ...] = field(repr=False, default=())

    @property
    def flaked(self) -> Flags:
        """The flaky cases that failed by themselves at least once."""
        found: Flags = self.is_flaky & (self.truth == Truth.FLAKY).any(axis=0)
        return found


def simulate(scenario: Scenario) -> Simulated:
    """The history of a scenario."""
    generator = np.random.Generator(np.random.PCG64(scenario.seed))
    return _Simulation(scenario, generator).history()


def empirical_rates(path: Path = RATES_FILE) -> Numbers:
    """Failure rates of known flaky tests."""
    with path.open() as file:
        pairs = [(int(row["NumFailingRuns"]), int(row["NumPassingRuns"])) for row in csv.DictReader(file)]
    return np.array([failed / (failed + passed) for failed, passed in pairs if failed and passed])


@dataclass(slots=True)
class _Pull:
    number: int
    commits: int = 0
    broken: Indexes | None = None


class _Simulation:
    """One history being made: the suite first, then the runs, then what happens in each."""

    def __init__(self, scenario: Scenario, generator: np.random.Generator) -> None:
        self.scenario = scenario
        self.random = generator
        self.count = scenario.case_count
        self.modules = max(1, self.count // 50)
        self.module = np.arange(self.count) % self.modules
        self.shard = self.module % _SHARDS
        self.main_position = 0
        self.main_breaks: list[tuple[int, int, Indexes]] = []
        self._make_suite()

    def _make_suite(self) -> None:
        scenario, random, count = self.scenario, self.random, self.count
        self.base_seconds = np.exp(random.normal(-1.2, 1.1, count)).clip(0.002, 120)
        order = random.permutation(count)
        flaky_count, broken_count = round(count * scenario.flaky_share), round(count * 0.002)
        self.flaky = order[:flaky_count]
        self.broken = order[flaky_count : flaky_count + broken_count]
        rest, tenth = order[flaky_count + broken_count :], count // 100
        self.slow, self.drift = rest[:tenth], rest[tenth : 2 * tenth]
        self.rate = random.choice(empirical_rates(), flaky_count)
        self.kind = random.choice(_KINDS, flaky_count, p=_KIND_SHARES)
        self.begins = np.zeros(flaky_count, int)
        self.ends = np.full(flaky_count, scenario.run_count)
        for place, chance in enumerate(random.random(flaky_count)):
            if chance < 0.2:
                self.begins[place] = random.integers(scenario.run_count // 10, int(scenario.run_count * 0.7))
            elif chance < 0.3:
                self.ends[place] = random.integers(scenario.run_count // 3, int(scenario.run_count * 0.8))
        self.in_burst = random.random(flaky_count) < 0.3
        self.slow_from = random.integers(scenario.run_count // 4, int(scenario.run_count * 0.8), len(self.slow))
        self.slow_times = random.uniform(1.5, 3, len(self.slow))

    # The runs.

    def _schedule(self) -> list[SimulatedRun]:
        random, runs = self.random, list[SimulatedRun]()
        now, last_day = datetime(2026, 3, 2, 7, tzinfo=UTC), None
        pulls: list[_Pull] = []
        self._new_main()
        while len(runs) < self.scenario.run_count:
            now = self._later(now)
            chance = random.random()
            if last_day is not None and now.date() != last_day and random.random() < 0.5:
                run = self._main_run(now.replace(hour=2, minute=0))
            elif chance < 0.47:
                self._new_main()
                run = self._main_run(now)
            else:
                run = self._pull_run(now, pulls)
            last_day = now.date()
            runs.append(run)
            if len(runs) < self.scenario.run_count and random.random() < 0.3:
                now += timedelta(minutes=25)
                runs.append(_repeated(run, at=now))
        return runs

    def _later(self, now: datetime) -> datetime:
        now += timedelta(minutes=float(self.random.exponential(90)))
        if now.hour >= 22 or now.hour < 7:
            days = 1 if now.hour >= 22 else 0
            now = (now + timedelta(days=days)).replace(hour=7, minute=int(self.random.integers(60)))
        while now.weekday() >= 5:
            now += timedelta(days=1)
        return now

    def _new_main(self) -> None:
        self.main_position += 1
        if self.random.random() < self.scenario.main_regressions:
            broken = self._some_of_a_module(int(self.random.geometric(1 / 3)))
            until = self.main_position + int(self.random.geometric(1 / 3))
            self.main_breaks.append((self.main_position, until, broken))

    def _main_run(self, now: datetime) -> SimulatedRun:
        commit = self._commit("main", self.main_position)
        return SimulatedRun("main", commit, self.main_position, 1, now, self._runner(), np.empty(0, int))

    def _pull_run(self, now: datetime, pulls: list[_Pull]) -> SimulatedRun:
        random = self.random
        if pulls and random.random() < 0.55:
            pull = pulls[int(random.integers(len(pulls)))]
        else:
            pull = _Pull(number=(len({p.number for p in pulls}) and pulls[-1].number + 1) or 1)
            pulls.append(pull)
            if len(pulls) > 8:
                pulls.pop(0)
        pull.commits += 1
        if pull.broken is not None and random.random() < 0.8:
            pull.broken = None
        if pull.broken is None and random.random() < self.scenario.pull_regressions:
            pull.broken = self._pull_breakage()
        broken = pull.broken if pull.broken is not None else np.empty(0, int)
        commit = self._commit("pull", pull.number, pull.commits)
        return SimulatedRun(f"pull/{pull.number}", commit, self.main_position, 1, now, self._runner(), broken)

    def _pull_breakage(self) -> Indexes:
        random = self.random
        if random.random() >= 0.13:
            return self._some_of_a_module(int(random.geometric(1 / 6)))
        if random.random() < 0.7:
            return np.flatnonzero(self.module == random.integers(self.modules))
        third: Indexes = random.choice(self.count, self.count // 3, replace=False)
        return third

    def _some_of_a_module(self, count: int) -> Indexes:
        module = np.flatnonzero(self.module == self.random.integers(self.modules))
        some: Indexes = self.random.choice(module, min(count, len(module)), replace=False)
        return some

    def _runner(self) -> str:
        return str(self.random.choice(RUNNERS, p=_RUNNER_SHARES))

    def _commit(self, *parts: object) -> str:
        return hashlib.sha256(f"{self.scenario.seed} {parts}".encode()).hexdigest()[:40]

    # What happens in them.

    def history(self) -> Simulated:
        runs = self._schedule()
        shape = (len(runs), self.count)
        tries, failed, truth = (np.zeros(shape, np.uint8) for _ in range(3))
        seconds = np.zeros(shape, np.float32)
        for place, run in enumerate(runs):
            tries[place], failed[place], truth[place], seconds[place] = self._outcome(place, run)
        is_flaky = np.zeros(self.count, bool)
        is_flaky[self.flaky] = True
        slow_at = np.full(self.count, -1)
        slow_at[self.slow], slow_at[self.drift] = self.slow_from, -2
        names = tuple(f"test_{number:05d}" for number in range(self.count))
        return Simulated(tuple(runs), tries, failed, truth, seconds, self.module, self.shard, is_flaky, slow_at, names)

    def _outcome(self, place: int, run: SimulatedRun) -> tuple[Small, Small, Small, Numbers]:
        random, count = self.random, self.count
        load = float(np.exp(random.normal(0, 0.9)))
        chance = np.zeros(count)
        chance[self.flaky] = self._flaky_chances(place, run, load)
        flaky = random.random(count) < chance
        regressed = self._regressed(run)
        broken = np.zeros(count, bool)
        broken[self.broken] = True
        outage, retry_helps = self._outage()
        blip = np.zeros(count, bool)
        if random.random() < self.scenario.blips:
            blip[random.choice(count, int(random.integers(1, 6)), replace=False)] = True
        bad = flaky | regressed | broken | outage | blip
        truth = np.zeros(count, np.uint8)
        truth[flaky] = Truth.FLAKY
        truth[blip & ~flaky] = Truth.BLIP
        truth[outage], truth[regressed], truth[broken] = Truth.OUTAGE, Truth.REGRESSION, Truth.ALWAYS_BROKEN
        skipped = (random.random(count) < 0.01) & ~bad
        lasting = regressed | broken
        if not retry_helps:
            lasting |= outage
        tries, failed = self._retried(bad, lasting=lasting, flaky=flaky, chance=chance)
        tries[skipped] = 0
        return tries, failed, truth, self._seconds(place, load, bad)

    def _flaky_chances(self, place: int, run: SimulatedRun, load: float) -> Numbers:
        """How likely each flaky case fails by itself in this run."""
        random, rate, kind = self.random, self.rate, self.kind
        is_shuffled = random.random() < 0.35
        chance = rate.copy()
        chance[kind == "order"] = np.minimum(0.98, rate[kind == "order"] / 0.35) if is_shuffled else 0.0
        for number, (name, share) in enumerate(zip(RUNNERS, _RUNNER_SHARES, strict=True)):
            of_runner = (kind == "runner") & (self.flaky % 3 == number)
            chance[of_runner] = np.minimum(0.98, rate[of_runner] / share) if run.runner == name else 0.0
        hour, own_hour = run.at.hour, 6 + self.flaky % 17
        is_hour = (hour == own_hour) | (hour == (own_hour + 1) % 24) | (hour == 2)
        chance[kind == "hour"] = np.where(is_hour, np.minimum(0.98, rate * 8), 0.0)[kind == "hour"]
        chance[kind == "load"] = np.minimum(0.98, rate * load**1.5 * 0.37)[kind == "load"]
        self.in_burst ^= (random.random(len(rate)) < 0.08) & (kind == "bursts")
        burst = np.where(self.in_burst, np.minimum(0.98, rate / 0.4), rate * 0.05)
        chance[kind == "bursts"] = burst[kind == "bursts"]
        chance[(place < self.begins) | (place >= self.ends)] = 0.0
        return chance

    def _regressed(self, run: SimulatedRun) -> Flags:
        regressed = np.zeros(self.count, bool)
        for first, until, cases in self.main_breaks:
            if first <= run.main_position < until:
                regressed[cases] = True
        regressed[run.broken] = True
        return regressed

    def _outage(self) -> tuple[Flags, bool]:
        """The cases that an outage fails, and whether a retry helps them."""
        random = self.random
        if random.random() >= self.scenario.outages:
            return np.zeros(self.count, bool), False
        scope = random.random()
        if scope < 0.45:
            hit = self.shard == random.integers(_SHARDS)
        elif scope < 0.80:
            users = random.choice(self.modules, min(self.modules, int(random.integers(3, 13))), replace=False)
            hit = np.isin(self.module, users)
        else:
            hit = random.random(self.count) < random.uniform(0.01, 0.20)
        return hit & (random.random(self.count) < random.uniform(0.8, 1.0)), bool(random.random() < 0.3)

    def _retried(self, bad: Flags, *, lasting: Flags, flaky: Flags, chance: Numbers) -> tuple[Small, Small]:
        """Executions and failures of each case: what failed is tried again, what lasts fails again."""
        tries, failed = np.ones(self.count, np.uint8), bad.astype(np.uint8)
        redrawn, repeats = np.zeros(self.count, bool), np.zeros(self.count, bool)
        redrawn[self.flaky] = np.isin(self.kind, ("chance", "load", "bursts"))
        repeats[self.flaky] = np.isin(self.kind, ("hour", "runner"))
        still = bad.copy()
        for _ in range(self.scenario.retries):
            draw = self.random.random(self.count)
            again = still & lasting
            again |= still & flaky & redrawn & (draw < np.maximum(chance, 0.25))  # failures cluster
            again |= still & flaky & repeats & (draw < 0.9)
            tries[still] += 1
            failed[again] += 1
            still = again
        return tries, failed

    def _seconds(self, place: int, load: float, bad: Flags) -> Numbers:
        random = self.random
        seconds = self.base_seconds * np.exp(random.normal(0, 0.18, self.count)) * (1 + 0.15 * max(0.0, load - 1))
        slower = self.slow[self.slow_from <= place]
        seconds[slower] *= self.slow_times[self.slow_from <= place]
        seconds[self.drift] *= 1 + place / self.scenario.run_count
        stuck = bad & (random.random(self.count) < 0.3)
        taken: Numbers = np.where(stuck, seconds * 4 + 1, seconds)
        return taken


def _repeated(run: SimulatedRun, *, at: datetime) -> SimulatedRun:
    return SimulatedRun(run.branch, run.commit, run.main_position, run.attempt + 1, at, run.runner, run.broken)


_MESSAGES: dict[Truth, str] = {
    Truth.OUTAGE: "OperationalError: could not connect to server: Connection refused (db:5432)",
    Truth.BLIP: "ConnectionResetError: [Errno 104] Connection reset by peer",
    Truth.REGRESSION: "TypeError: handler() missing 1 required positional argument: 'context'",
}


def message(truth: int, case: int) -> str:
    """What a failed case says; three in ten flaky cases share the text of a blip, three that of a timeout."""
    known = _MESSAGES.get(Truth(truth))
    if known:
        return known
    if case % 10 < 3:
        return _MESSAGES[Truth.BLIP]
    if case % 10 < 6:
        return "TimeoutError: condition not met within 30.0s"
    return f"AssertionError: expected state READY, got PENDING in step {case}"


def junit_xml(history: Simulated, place: int) -> str:
    """One run as a JUnit report with Surefire's marks for retries."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<testsuites>"]
    run = history.runs[place]
    for module in range(int(history.module.max()) + 1):
        members: list[Any] = np.flatnonzero(history.module == module).tolist()
        lines.append(f'<testsuite name="module{module:03d}" tests="{len(members)}" timestamp="{run.at.isoformat()}">')
        lines += [_testcase(history, place, case, module) for case in members]
        lines.append("</testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _testcase(history: Simulated, place: int, case: int, module: int) -> str:
    tries, failed = int(history.tries[place, case]), int(history.failed_tries[place, case])
    seconds = float(history.seconds[place, case])
    head = f'<testcase classname="module{module:03d}" name="{history.names[case]}" time="{seconds:.3f}"'
    if tries == 0:
        return f'{head}><skipped message="not on this runner"/></testcase>'
    if failed == 0:
        return f"{head}/>"
    text = message(int(history.truth[place, case]), case).replace("'", "&apos;")
    about = f'message="{text}" type="{text.partition(":")[0]}"'
    if failed < tries:
        return f"{head}>{f'<flakyFailure {about}/>' * failed}</testcase>"
    return f"{head}><failure {about}/>{f'<rerunFailure {about}/>' * (failed - 1)}</testcase>"
