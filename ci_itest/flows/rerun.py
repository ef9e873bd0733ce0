"""What a later attempt of a shard runs again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ci_itest.flows.attempts import whole_result
from ci_itest.flows.merge import case_results
from ci_itest.model.cases import Verdict
from ci_itest.model.run import ShardResult, ShardState, StopReason


def earlier_attempt(
    shards: Iterable[ShardResult], *, suite: str, index: int, plan_digest: str, before: int
) -> ShardResult | None:
    """The newest attempt of a shard before this one that worked by the same plan, with what it built on; else None."""
    mine = {
        shard.run_attempt: shard
        for shard in shards
        if (shard.suite, shard.index, shard.plan_digest) == (suite, index, plan_digest) and shard.run_attempt < before
    }
    return whole_result(mine[max(mine)], mine) if mine else None


def cases_to_run(earlier: ShardResult) -> tuple[str, ...]:
    """What of a shard failed or never ran, by case; () when all of it has to run.

    All of it has to run when the earlier attempt did not get as far as to know its cases, or nothing of it failed:
    then somebody wants to see all of it again.
    """
    knows_its_cases = earlier.state is ShardState.FINISHED and earlier.collected
    if not knows_its_cases or earlier.stop_reason not in (StopReason.NONE, StopReason.TIMEOUT, StopReason.CANCELLED):
        return ()
    again = (Verdict.FAILED, Verdict.MISSING)
    return tuple(result.case.node_id for result in case_results(earlier) if result.verdict in again)
