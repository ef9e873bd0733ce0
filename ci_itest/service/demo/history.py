"""A month of runs of the demonstration's suite, recorded, judged and learned from as real ones are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from ci_itest.flaky.quarantine import with_quarantine
from ci_itest.flows.judge import judge, with_judgement
from ci_itest.flows.quarantine import Keeper, new_entry
from ci_itest.history.sql import SqlHistory
from ci_itest.model.bypass import BypassRecord
from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, verdict_of
from ci_itest.model.run import PhaseTime, Run, ServiceTime, ShardResult, ShardState
from ci_itest.model.settings import FlakySettings
from ci_itest.service.demo.schedule import Scheduled, schedule
from ci_itest.service.demo.suite import (
    CODEOWNERS,
    MAIN,
    PORTS,
    READY_SECONDS,
    REPOSITORY,
    SHARD_COUNT,
    DemoCase,
    demo_suite,
)

RUNS = 240
_FIRST_RUN_ID = 18_204_511_002
_WORKERS = 2
_LEARNED_TOGETHER = 4
"""Learning after every single run would take a third of the time again, and changes no page."""


def make(path: str, *, until: datetime) -> str:
    """The demonstration's history in a new file; the name of its repository."""
    with SqlHistory.open(path) as history:
        fill(history, until=until)
    return REPOSITORY


def fill(history: SqlHistory, *, until: datetime, runs: int = RUNS, seed: int = 11) -> None:
    """Record the demonstration's runs in an empty history, the last shortly before a time; the same for a seed."""
    random = Random(seed)  # noqa: S311 -- nothing secret is drawn
    suite = demo_suite(random)
    shards = _divided(suite)
    planned_runs = list(schedule(random, suite, count=runs, until=until))
    waiting = _to_quarantine(suite, until=until)
    for number, scheduled in enumerate(planned_runs):
        at = scheduled.started_at.isoformat()
        for entry in [entry for entry in waiting if entry[1] <= scheduled.started_at]:
            waiting.remove(entry)
            _quarantine(history, *entry)
        run = _run(random, scheduled, suite, shards)
        run = with_judgement(run, judge(run, store=history, repository=REPOSITORY, is_main=_is_main))
        run = with_quarantine(run, history.quarantined(repository=REPOSITORY), at=at)
        history.record(run, repository=REPOSITORY, recorded_at=at)
        if number % _LEARNED_TOGETHER == 0:
            history.learn(repository=REPOSITORY, is_main=_is_main)
    history.learn(repository=REPOSITORY, is_main=_is_main)
    history.set_codeowners(CODEOWNERS, repository=REPOSITORY)
    _bypass(history, random, planned_runs)


def _is_main(branch: str) -> bool:
    return branch == MAIN


def _divided(suite: Sequence[DemoCase]) -> dict[str, int]:
    """Files to shards: the longest first, each to the emptiest."""
    files: dict[str, float] = {}
    for one in suite:
        files[one.case.file] = files.get(one.case.file, 0.0) + one.seconds
    loads, shards = [0.0] * SHARD_COUNT, {}
    for file, seconds in sorted(files.items(), key=lambda pair: -pair[1]):
        emptiest = loads.index(min(loads))
        shards[file] = emptiest + 1
        loads[emptiest] += seconds
    return shards


def _run(random: Random, scheduled: Scheduled, suite: Sequence[DemoCase], shards: dict[str, int]) -> Run:
    pace = random.lognormvariate(0, 0.08)
    cases = tuple(
        _result(random, one, scheduled, shard=shards[one.case.file], is_broken=place in scheduled.broken, pace=pace)
        for place, one in enumerate(suite)
    )
    return Run(
        run_id=str(_FIRST_RUN_ID + 7919 * scheduled.number),
        run_attempt=scheduled.attempt,
        commit=scheduled.commit,
        branch=scheduled.branch,
        started_at=scheduled.started_at.isoformat(),
        shards=tuple(_shard(random, index, cases, suite, shards, scheduled) for index in range(1, SHARD_COUNT + 1)),
        cases=cases,
        planned_shards=tuple(("main", index, SHARD_COUNT) for index in range(1, SHARD_COUNT + 1)),
    )


def _result(
    random: Random, one: DemoCase, scheduled: Scheduled, *, shard: int, is_broken: bool, pace: float
) -> CaseResult:
    seconds = one.seconds * pace * random.lognormvariate(0, 0.07)
    if scheduled.place >= one.slower_from:
        seconds *= one.slower_by
    message, recovers = _trouble(random, one, scheduled, shard=shard, is_broken=is_broken)
    if not message:
        return _ended(one.case, [_attempt(one.case, 1, seconds)], shard)
    first = _attempt(one.case, 1, seconds, message)
    again = "" if random.random() < recovers else message
    return _ended(one.case, [first, _attempt(one.case, 2, seconds, again)], shard)


def _trouble(random: Random, one: DemoCase, scheduled: Scheduled, *, shard: int, is_broken: bool) -> tuple[str, float]:
    """Why the case fails in this run, "" when it does not; and how likely its second attempt passes."""
    if is_broken:
        return f"TypeError: {one.case.name.rpartition('_')[2]}() got an unexpected keyword argument 'currency'", 0.0
    if scheduled.outage == shard and random.random() < 0.9:
        address = f"{one.service}:{PORTS[one.service]}"
        return f"ConnectionError: could not connect to {address}: Connection refused", 0.1
    flake = one.flake
    if flake and flake.from_run <= scheduled.place < flake.until_run and random.random() < flake.rate:
        return flake.message, flake.recovers
    if random.random() < 0.0002:
        return "ConnectionResetError: [Errno 104] Connection reset by peer", 1.0
    return "", 0.0


def _attempt(case: CaseId, number: int, seconds: float, message: str = "") -> Attempt:
    return Attempt(
        case=case,
        outcome=Outcome.FAILED if message else Outcome.PASSED,
        number=number,
        setup_seconds=seconds * 0.2,
        call_seconds=seconds * 0.75,
        teardown_seconds=seconds * 0.05,
        message=message,
        details=f"{case.file}:{40 + len(case.name)}: in {case.name}\nE   {message}" if message else "",
    )


def _ended(case: CaseId, attempts: list[Attempt], shard: int) -> CaseResult:
    return CaseResult(case, tuple(attempts), verdict_of(attempts), shard)


def _shard(
    random: Random,
    index: int,
    cases: Sequence[CaseResult],
    suite: Sequence[DemoCase],
    shards: dict[str, int],
    scheduled: Scheduled,
) -> ShardResult:
    mine = [one for one in suite if shards[one.case.file] == index]
    work = sum(result.seconds for result in cases if result.shard == index)
    names = ["postgres", *sorted({one.service for one in mine} - {"postgres"})]
    services = tuple(
        ServiceTime(name, f"{name}:latest", ready_seconds=READY_SECONDS[name] * random.lognormvariate(0, 0.15))
        for name in names
    )
    # Three shards in ten find no image on their machine.
    images = random.uniform(0.3, 0.9) if random.random() < 0.7 else random.uniform(9.0, 21.0)
    phases = (
        PhaseTime("boot", random.uniform(4, 7)),
        PhaseTime("images", images),
        PhaseTime("services", max(service.ready_seconds for service in services)),
        PhaseTime("prepare", random.uniform(0.5, 0.8)),
        PhaseTime("app", random.uniform(1.5, 2.2)),
        PhaseTime("tests", work / _WORKERS * random.uniform(1.02, 1.12)),
        PhaseTime("clean-up", random.uniform(0.6, 1.0)),
    )
    return ShardResult(
        suite="main",
        index=index,
        count=SHARD_COUNT,
        plan_digest="demo",
        run_attempt=scheduled.attempt,
        state=ShardState.FINISHED,
        planned_seconds=sum(_expected(one, scheduled.place) for one in mine),
        seconds=sum(phase.seconds for phase in phases),
        phases=phases,
        services=services,
        workers=_WORKERS,
    )


def _expected(one: DemoCase, place: float) -> float:
    """What a plan expects: a change of pace is known to it some runs later."""
    return one.seconds * (one.slower_by if place >= one.slower_from + 0.03 else 1.0)


def _to_quarantine(suite: Sequence[DemoCase], *, until: datetime) -> list[tuple[DemoCase, datetime, str, str]]:
    """Three of the worst are looked after, since when, by whom, where; the others wait for who looks at the board."""
    flaky = sorted((one for one in suite if one.flake), key=lambda one: -one.flake.rate if one.flake else 0.0)
    who = ((flaky[0], 4, "mara", "231"), (flaky[3], 3, "ci-itest", ""), (flaky[5], 12, "jonas", "198"))
    issues = f"https://github.com/{REPOSITORY}/issues/"
    return [(one, until - timedelta(days=ago), name, issue and issues + issue) for one, ago, name, issue in who]


def _quarantine(history: SqlHistory, one: DemoCase, at: datetime, who: str, issue_url: str) -> None:
    keeper = Keeper(history, REPOSITORY, FlakySettings(), at=at.isoformat(), codeowners=CODEOWNERS)
    reason = "flaky by the model" if who == "ci-itest" else "waits for a fixed time instead of the event"
    entry = new_entry(keeper, one.case, reason=reason, added_by=who, issue_url=issue_url)
    history.quarantine(entry, repository=REPOSITORY)


def _bypass(history: SqlHistory, random: Random, runs: Sequence[Scheduled]) -> None:
    drawn = random.sample([run for run in runs if run.branch == MAIN][5:], 6)
    for number, run in enumerate(sorted(drawn, key=lambda run: run.started_at)):
        is_bot = number % 2 == 0
        record = BypassRecord(
            run_id=str(_FIRST_RUN_ID + 7919 * 1000 + number),
            run_attempt=1,
            pull_request=412 + number * 9,
            commit=run.commit,
            branch="dependabot/npm_and_yarn/vite-7.2" if is_bot else "docs-typos",
            actor="dependabot[bot]" if is_bot else "mara",
            rule="bypass.actors" if is_bot else "bypass.label",
            label="" if is_bot else "skip-integration",
            reason="Only lock files changed." if is_bot else "Every changed file matches docs/**.",
            at=(run.started_at - timedelta(minutes=40)).astimezone(UTC).isoformat(),
            merged_as=run.commit,
        )
        history.record_bypass(record, repository=REPOSITORY)
