"""Which of a run's artifacts are fetched."""

from __future__ import annotations

import pytest

from ci_itest.flows.downloads import newest_bundles
from ci_itest.flows.recordings import Wanted
from ci_itest.model.github import Artifact

NAMES = (
    "ci-itest-main-1-a1",
    "ci-itest-main-2-a1",
    "ci-itest-main-2-a2",
    "ci-itest-main-2-a10",
    "ci-itest-e2e-1-a1",
    "ci-itest-report-a1",
    "ci-itest-plan-77",
    "coverage",
)


@pytest.mark.parametrize(
    ("choice", "attempt", "expected"),
    [
        (Wanted("77"), 0, ["e2e-1-a1", "main-1-a1", "main-2-a10"]),
        (Wanted("77"), 1, ["e2e-1-a1", "main-1-a1", "main-2-a1"]),
        (Wanted("77"), 9, ["e2e-1-a1", "main-1-a1", "main-2-a2"]),
        (Wanted("77", "", 1), 0, ["e2e-1-a1", "main-1-a1"]),
        (Wanted("77", "main", 2), 0, ["main-2-a10"]),
        (Wanted("77", "main", 3), 0, []),
    ],
)
def test_each_shard_is_fetched_once_of_the_newest_attempt_that_counts(
    choice: Wanted, attempt: int, expected: list[str]
) -> None:
    artifacts = [Artifact(number, name, 1) for number, name in enumerate(NAMES)]

    found = newest_bundles(artifacts, choice, attempt=attempt)

    assert [artifact.name.removeprefix("ci-itest-") for artifact in found] == expected
