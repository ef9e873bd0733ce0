"""What the model takes for granted before it has seen anything: flake levels, priors, rates of change. Constants alone.

The levels and their prior follow 811 failure rates of known flaky tests (FlakeFlagger, 10,000 reruns of 22,245 tests)
and the 3.6 % of its tests that were flaky; the rates of change were tuned on made-up histories, of which docs/flaky.md
says how they are made and what the model makes of others than those it was tuned on.
"""

from __future__ import annotations

LEVELS = (2e-5, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6)
"""Rates at which a case may fail by itself; the first is that of a healthy case."""

PRIOR = (0.964, 0.010, 0.005, 0.005, 0.0045, 0.003, 0.0045, 0.004)
"""How likely each level is for a case that nothing is known of."""

FORGETTING = 1 / 2000
"""Share of what is known that each new commit puts back to the prior."""

REPEATS = 0.3
"""A flaky failure comes back on the next attempt at least this often: what made it fail is still there."""

BROKEN_FAILS = 0.995
"""A case fails so often on a build in which it is broken."""

REPAIR = 0.3
"""A new commit repairs a broken case so often."""

SUSPECT = 0.5
FLAKY = 0.9
"""Above which probability of not being healthy a case is suspected, and called flaky."""

NEGLIGIBLE = 1e-3
"""Below which a broken build is forgotten: keeping it changes nothing that is shown."""

BASE_RUNS = 30
"""Runs whose failures say how many a group usually has."""


def noise(case_count: int) -> float:
    """How often a healthy case of a suite fails for no reason of its own or of the code.

    About three cases in ten runs, so less for each case the larger the suite is.
    """
    return min(max(0.3 / max(case_count, 1), 2e-4), 1e-2)


def breakage(case_count: int, *, is_main: bool, is_healthy: bool = True) -> float:
    """How likely a new commit breaks a given case, and none beside it, of a suite that large.

    About one case of a suite for each commit of a pull request; main's commits have been tested before. A case that is
    flaky already is thought broken more readily, so that its quarantine does not hide it.
    """
    alone = min(max(1 / max(case_count, 1), 2e-4), 2e-2)
    if not is_healthy:
        alone = max(alone, 8e-3)
    return alone / 4 if is_main else alone


def builds_needed(case_count: int) -> int:
    """Builds on which a case must have failed for no shared and no known reason before it is suspected at all.

    Two in a suite below 2,000 cases, where each case has a larger share of the accidents that befall a run.
    """
    return 2 if case_count < 2_000 else 1


BROKEN_TOGETHER = 0.05
"""How likely a new commit broke a case when other healthy cases of the same file failed with it."""

BROKEN_IN_FILE = 0.8
BROKEN_WIDELY = 0.25
"""How much of what fails together is the code's fault: when it is one or two files, and when it is all over."""

BROKEN_NEW = 0.3
"""How likely a case that never passed is not right yet."""

CAUTION = 0.01
"""How likely a new commit breaks a given case, when the question is whom to blame."""

MOST_WITHOUT_A_PASS = 0.9
"""No failure is held to be flaky with more than this while its code has not passed once: a flaky case can be broken,
and then its first failures look like all its others."""
