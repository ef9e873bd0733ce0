"""What the report job holds a merged run to beside its tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_itest.flows.gate import coverage_findings
from ci_itest.model.coverage import IntegrationCoverage
from ci_itest.model.run import FindingKind, Run
from tests.helpers.runs import failed, missing_shard_run, result, run

HALF = IntegrationCoverage({"routes": ("GET /a", "GET /b")}, {"routes": {"GET /a": 1}})
GREEN = run(cases=[result("test_a")])


def words(run: Run, least: float = 0.0) -> list[str]:
    return [finding.message for finding in coverage_findings(run, least=least)]


def test_too_little_is_a_finding_that_names_what_is_not_reached() -> None:
    (finding,) = coverage_findings(replace(GREEN, coverage=HALF), least=60)

    assert finding.kind is FindingKind.LOW_COVERAGE
    assert finding.message == (
        "Integration coverage is 50.0 %, below the 60 % asked for: no test reaches route GET /b."
    )


@pytest.mark.parametrize("least", [0.0, 49.9, 50.0])
def test_enough_is_none(least: float) -> None:
    assert words(replace(GREEN, coverage=HALF), least) == []


def test_what_pytest_was_told_in_the_shards_counts_where_it_is_more() -> None:
    assert len(words(replace(GREEN, coverage=replace(HALF, least=80)), 10)) == 1


def test_a_run_in_which_nobody_looked_is_not_enough() -> None:
    assert words(GREEN, 10) == ["Integration coverage of 10 % is asked for, and no test noted what it reached."]


@pytest.mark.parametrize(
    "red", [run(cases=[failed("test_a")]), missing_shard_run(), run(cases=[])], ids=["failed", "missing", "empty"]
)
def test_a_run_that_is_red_or_empty_is_not_judged_by_it(red: Run) -> None:
    assert words(replace(red, coverage=HALF), 90) == []
