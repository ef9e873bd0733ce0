"""The rules by which other tools call a case flaky, on the matrices of a made-up history. Facts of their documents.

- Same commit: failed and passed on one commit (Trunk's pass-on-retry monitor, Datadog, CircleCI, Buildkite, Harness).
- The same behind Trunk's guard: a run in which more than 80 % fail does not count.
- LUCI's exoneration: both outcomes on two commits or more, and 1 % of 100 results or more.
- Two commits, runs in which more than 10 % fail left out: the best simple rule that was found.
- Failure rate of 10 % and more on main, of 30 runs or more (Trunk's and Datadog's rate monitors).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.flaky_histories import Flags, Simulated

Rule = Callable[[Simulated, int], Flags]


def _commits_with_both(history: Simulated, until: int, *, guard: float) -> NDArray[np.int64]:
    """On how many commits each case both failed and passed; runs in which more than `guard` failed do not count."""
    failed = history.failed_tries[:until] > 0
    passed = history.tries[:until] > history.failed_tries[:until]
    counted = failed.mean(axis=1) <= guard
    both = np.zeros(failed.shape[1], np.int64)
    commits: dict[str, list[int]] = {}
    for place, run in enumerate(history.runs[:until]):
        if counted[place]:
            commits.setdefault(run.commit, []).append(place)
    for places in commits.values():
        both += failed[places].any(axis=0) & passed[places].any(axis=0)
    return both


def same_commit(history: Simulated, until: int) -> Flags:
    return np.asarray(_commits_with_both(history, until, guard=1.0) >= 1)


def same_commit_guarded(history: Simulated, until: int) -> Flags:
    return np.asarray(_commits_with_both(history, until, guard=0.8) >= 1)


def luci(history: Simulated, until: int) -> Flags:
    results = (history.tries[:until] > 0).sum(axis=0)
    failures = (history.failed_tries[:until] > 0).sum(axis=0)
    often = (results >= 100) & (failures >= 0.01 * results)
    return np.asarray((_commits_with_both(history, until, guard=1.0) >= 2) & often)


def two_commits_guarded(history: Simulated, until: int) -> Flags:
    return np.asarray(_commits_with_both(history, until, guard=0.1) >= 2)


def failure_rate(history: Simulated, until: int) -> Flags:
    on_main = np.array([run.branch == "main" for run in history.runs[:until]])
    results = (history.tries[:until][on_main] > 0).sum(axis=0)
    failures = (history.failed_tries[:until][on_main] > 0).sum(axis=0)
    # Above 90 % they call it broken.
    return np.asarray((results >= 30) & (failures >= 0.1 * results) & (failures <= 0.9 * results))


RULES: dict[str, Rule] = {
    "same commit": same_commit,
    "same commit, 80 % guard": same_commit_guarded,
    "LUCI": luci,
    "two commits, 10 % guard": two_commits_guarded,
    "failure rate": failure_rate,
}
