"""Recordings of shards that never ran, saying only what matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.matching import Here
from ci_itest.flows.recordings import Recording
from ci_itest.model.cases import Attempt, CaseId, Outcome
from ci_itest.model.recording import Surroundings
from ci_itest.model.run import ListedFile, ShardResult, ShardState

SHA = "a" * 40


def case_id(node_id: str, suite: str = "main") -> CaseId:
    file, _, name = node_id.partition("::")
    return CaseId(suite, file, name)


def recording(
    queues: dict[str, list[str]] | None = None,
    *,
    failed: tuple[str, ...] = (),
    surroundings: Surroundings | None = Surroundings(),  # noqa: B008 - a frozen value
    index: int = 1,
    count: int = 2,
    suite: str = "main",
    **more: Any,
) -> Recording:
    """A shard whose workers ran these cases ("file::name"), in order, with a second for each."""
    queues = {"gw0": ["tests/test_a.py::test_one"]} if queues is None else queues
    cases = [case for queue in queues.values() for case in queue]
    files = dict.fromkeys(case.partition("::")[0] for case in cases)
    result = ShardResult(
        suite=suite,
        index=index,
        count=count,
        plan_digest="d",
        **{
            "run_id": "77",
            "commit": SHA,
            "state": ShardState.FINISHED,
            "collected": tuple(case_id(case, suite) for case in cases),
            "listed": tuple(ListedFile(file, is_mine=True, case_count=1) for file in files),
            "queues": tuple((worker, tuple(queue)) for worker, queue in queues.items()),
            "workers": max(len(queues), 1),
            "attempts": tuple(attempt(case, is_good=case not in failed, suite=suite) for case in cases),
            **more,
        },
    )
    return Recording(BundleFolder(Path("bundle")), result, surroundings)


def attempt(
    case: str, *, is_good: bool = True, suite: str = "main", seconds: float = 1.0, started_at: str = ""
) -> Attempt:
    outcome = Outcome.PASSED if is_good else Outcome.FAILED
    return Attempt(case_id(case, suite), outcome, started_at=started_at, call_seconds=seconds)


def here(**more: Any) -> Here:
    """A machine like the recording's, at its commit."""
    known: dict[str, Any] = {
        "root": Path("/work"),
        "environment": {},
        "commit": SHA,
        "is_clean": True,
        "platform": "linux",
        "machine": "x86_64",
        "cores": 2,
    }
    return Here(**{**known, **more})
