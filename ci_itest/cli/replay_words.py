"""What `ci-itest replay` tells: the table before, the outcome beside the recording after."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ci_itest.cli.console import say

if TYPE_CHECKING:
    from ci_itest.flaky.bisection import Bisected, Count
    from ci_itest.flows.bisect import Bisection
    from ci_itest.flows.matching import Match
    from ci_itest.flows.recordings import Recording
    from ci_itest.flows.replay import Replayed
    from ci_itest.model.run import ShardResult

SHOWN = 10
SLOWEST = 15


def show_table(rows: Sequence[Match]) -> None:
    marks = {True: "✓", False: "✕", None: "·"}
    lines = [("", "", "there", "here"), *((marks[row.is_same], row.what, row.there, row.here) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        say("  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]]).rstrip())
    say("")


def round_words(outcome: Replayed) -> str:
    from ci_itest.flows.merge import case_results
    from ci_itest.model.cases import Verdict

    verdicts = Counter(case.verdict for case in case_results(outcome.result))
    if outcome.result.stop_reason:
        return outcome.result.message.partition("\n")[0]
    return f"{verdicts[Verdict.FAILED]} of {sum(verdicts.values())} cases failed"


def tell(recording: Recording, outcomes: Sequence[Replayed], *, times: bool) -> None:
    last = outcomes[-1]
    say("")
    if last.result.message:
        say(last.result.message)
    for name, there, mine in last.images:
        say(f"not the same: {name} ran {there[:19]} there and {mine[:19]} here")
    for name, there, mine in last.versions:
        say(f"not the same: {name} {there} there, {mine} here")
    if len(outcomes) > 1:
        failed = sum(outcome.has_failed for outcome in outcomes)
        say(f"{failed} of {len(outcomes)} rounds failed.")
    _tell_cases("failed there and here", last.reproduced)
    _tell_cases("failed there, passed here", last.passed_here)
    _tell_cases("failed only here", last.new)
    _tell_cases("ran there, not here", last.not_run)
    _tell_order(recording, last)
    if not recording.is_red and not last.has_failed:
        say("Nothing failed there, and nothing here.")
    if times:
        _show_times(last)


def _tell_order(recording: Recording, last: Replayed) -> None:
    if not last.is_whole:
        if last.passed_here and not last.reproduced:
            say("It passes alone: leave --only out to play the whole order, or look for what it needs with --bisect.")
        return
    if last.is_same_order:
        say(f"Every worker ran what it ran there, in the same order ({len(recording.played)} cases).")
    elif not last.not_run:
        say("Not every worker ran its cases in the order it did there.")


def _tell_cases(what: str, cases: tuple[str, ...]) -> None:
    for case in cases[:SHOWN]:
        say(f"{what}: {case}")
    if len(cases) > SHOWN:
        say(f"{what}: {len(cases) - SHOWN} more")


def _show_times(outcome: Replayed) -> None:
    say("")
    say("    there      here  case")
    for case in sorted(outcome.times, key=lambda case: case.there, reverse=True)[:SLOWEST]:
        say(f"{case.there:7.2f} s {case.here:7.2f} s  {case.case}")


def tell_bisection(bisection: Bisection, result: ShardResult, *, again: str) -> bool:
    """Say what was found, with the commands that show it; whether anything was.

    Args:
        again: The command that replays the shard.
    """
    from ci_itest.flaky.bisection import Answer

    found = bisection.found
    if found is None or result.stop_reason:
        say(result.message or "The search ended before the first answer.")
        return False
    say("")
    if not found.is_whole:
        say(f"Broken off after {found.probes} probes.")
    if found.answer is Answer.ORDER:
        _tell_culprits(bisection, found, again=again)
        return True
    if found.answer is Answer.ALONE:
        say(f"It fails with nothing before it ({_often(found.alone)}): no earlier case is needed.")
        say(f"  {_command(again, bisection.case)}")
    elif found.is_whole:
        say(f"It did not fail here ({_often(found.with_culprits)}), whatever ran before it.")
    return False


def _tell_culprits(bisection: Bisection, found: Bisected, *, again: str) -> None:
    count = len(found.culprits)
    state = "It fails" if found.is_whole else "So far known: it fails"
    say(f"{state} after {'this case' if count == 1 else f'these {count} cases'} ({_often(found.with_culprits)}):")
    for case in found.culprits[:SHOWN]:
        say(f"  {case}")
    if count > SHOWN:
        say(f"  and {count - SHOWN} more")
    if bisection.message:
        say(f"with: {bisection.message}")
    if bisection.is_of_shard:
        say("It takes cases of other workers: what they share is a service, a file or the network.")
    if found.is_whole and 0 < found.with_culprits.rate < 1:
        say(f"It fails only sometimes: what was left out would have shown with {found.confidence:.0%} confidence.")
    alone = f" passes ({_often(found.alone)})" if found.alone.runs else ""
    say(f"{found.probes} probes. The first command fails, and the second{alone or ' runs it alone'}:")
    say(_command(again, *found.culprits, bisection.case))
    say(_command(again, bisection.case))


def _often(count: Count) -> str:
    return f"failed {count.failed} of {count.runs}"


def _command(again: str, *cases: str) -> str:
    return " ".join([again, *(f"--only {shlex.quote(case)}" for case in cases)])
