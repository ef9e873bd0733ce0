"""Cases that a commit says it fixes (`Attempt-To-Fix: CASE`), run many times by the shard that has them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ci_itest.errors import RunnerError
from ci_itest.model.cases import Attempt, Outcome
from ci_itest.model.fixes import FixAttempt
from ci_itest.model.plan import Plan
from ci_itest.model.run import ShardResult
from ci_itest.model.settings import Seconds
from ci_itest.runners.base import Runner, ShardRequest

TRAILER = "Attempt-To-Fix"

TIMES = 20
"""A case that passes so often fails by itself in less than 14 % of its runs, with 19 chances of 20."""

ENOUGH = 3
MOST_CASES = 5
LONGEST_NAME = 500
MOST_SECONDS = 600.0
"""What a commit's message may cost a shard beside its tests; no other repetition begins after that."""

Tests = Callable[[ShardRequest], object]


def trailer_cases(message: str) -> tuple[str, ...]:
    """What a commit says it tries to fix: the values of its trailers."""
    start = f"{TRAILER.lower()}:"
    lines = (line.strip() for line in message.splitlines())
    return tuple(line[len(start) :].strip() for line in lines if line.lower().startswith(start) and line[len(start) :])


def planned_fixes(message: str) -> tuple[str, ...]:
    """The cases that a run tries, out of its commit's message: each once, and not too many."""
    names = (name for name in trailer_cases(message) if len(name) <= LONGEST_NAME)
    return tuple(dict.fromkeys(names))[:MOST_CASES]


def fixes_of_shard(plan: Plan, *, suite: str, index: int) -> tuple[str, ...]:
    """The named cases that a shard has."""
    own = plan.suite(suite)
    if own is None:
        return ()
    units = own.shard(index).units
    return tuple(
        name
        for name, (file, _, rest) in ((name, name.partition("::")) for name in plan.to_fix)
        if any(unit.file == file and unit.holds(rest) for unit in units)
    )


def try_fixes(
    names: Iterable[str],
    request: ShardRequest,
    runner: Runner,
    *,
    run: Tests,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[FixAttempt, ...]:
    """Run the cases TIMES times without the others, each time in a new process, while there is time.

    A case that has failed ENOUGH times is not tried any more.

    Args:
        request: Of the shard's tests, with everything up.
        run: Runs the tests of a request.
        clock: Seconds, monotonic.
    """
    end = clock() + MOST_SECONDS
    found = {name: FixAttempt(name, 0, 0) for name in names}
    wanted = list(found)
    for _ in range(TIMES):
        left = end - clock()
        if not wanted or left <= 0:
            break
        outcomes = _once(wanted, request, runner, run=run, seconds=left)
        for name in outcomes:
            found[name] = _counted(found[name], outcomes[name])
        wanted = [name for name in wanted if name in outcomes and found[name].failed < ENOUGH]
    return tuple(found.values())


def _counted(fix: FixAttempt, attempts: Sequence[Attempt]) -> FixAttempt:
    bad = next((attempt for attempt in attempts if attempt.outcome.is_bad), None)
    message = fix.message or (bad.message if bad else "")
    return FixAttempt(fix.name, fix.runs + 1, fix.failed + (bad is not None), message)


def _once(
    names: Sequence[str], request: ShardRequest, runner: Runner, *, run: Tests, seconds: float
) -> Mapping[str, Sequence[Attempt]]:
    """What became of each of the cases that ran."""
    settings = replace(request.settings, retries=0, shard_timeout=Seconds(seconds))
    with tempfile.TemporaryDirectory(prefix="ci-itest-fix-") as folder:
        asked = replace(
            request, settings=settings, only=tuple(names), queues=(), workers=0, results=Path(folder), skips=()
        )
        try:
            run(asked)
        except RunnerError:
            return {}  # it has no such case, or cannot run some alone
        found = runner.read(Path(folder), suite=request.suite)
    outcomes: dict[str, list[Attempt]] = {}
    for attempt in found.attempts:
        if attempt.case.node_id in names and attempt.outcome is not Outcome.SKIPPED:
            outcomes.setdefault(attempt.case.node_id, []).append(attempt)
    return outcomes


def merged_fixes(plan: Plan, shards: Iterable[ShardResult]) -> tuple[FixAttempt, ...]:
    """What the shards found about each case that the plan names; a case that none ran has no runs."""
    found = {fix.name: fix for shard in shards for fix in shard.fixes}
    return tuple(found.get(name, FixAttempt(name, 0, 0)) for name in plan.to_fix)


def fix_words(fix: FixAttempt) -> str:
    """A sentence for the report."""
    if not fix.runs:
        return f"{TRAILER} {fix.name}: no shard has run a case of that name; write it as the report does."
    times = "once" if fix.runs == 1 else f"{fix.runs} times"
    if not fix.failed:
        return f"{TRAILER} {fix.name}: passed {times}; {ruled_out(fix.runs)}."
    first_line = fix.message.strip().partition("\n")[0][:200]
    said = f" ({first_line})" if first_line else ""
    return f"{TRAILER} {fix.name}: not fixed, it failed {fix.failed} of {fix.runs} times{said}."


def ruled_out(runs: int) -> str:
    """What so many passes in a row say with 19 chances of 20: (1 - rate) ** runs = 1 / 20."""
    return f"if it fails by itself, then in less than {1 - 0.05 ** (1 / runs):.1%} of its runs"
