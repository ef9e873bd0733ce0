"""What came after a bypass on the default branch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_itest.bypass.audit import audited
from ci_itest.model.bypass import Aftermath, AuditedBypass, BypassRecord, MainRun

BYPASS = BypassRecord(
    run_id="70",
    run_attempt=1,
    pull_request=5,
    commit="c0ffee",
    branch="docs",
    actor="alice",
    rule="bypass.label",
    label="skip-integration",
    reason="alice set the label skip-integration",
    at="2026-01-02T12:00:00+00:00",
)


def main_run(day: int, conclusion: str, *, commit: str = "beef") -> MainRun:
    return MainRun(str(day), commit, f"2026-01-{day:02d}T08:00:00+00:00", conclusion)


def after(*runs: MainRun, merged_as: str = "") -> AuditedBypass:
    (found,) = audited([replace(BYPASS, merged_as=merged_as)], runs)
    return found


@pytest.mark.parametrize(
    ("before", "after_it", "expected"),
    [
        ("success", "failure", Aftermath.MAIN_BROKE),
        ("success", "success", Aftermath.MAIN_PASSED),
        ("failure", "failure", Aftermath.MAIN_WAS_BROKEN),
        ("failure", "success", Aftermath.MAIN_PASSED),
        ("success", "incomplete", Aftermath.UNCLEAR),
    ],
)
def test_the_next_run_is_compared_with_the_one_before(before: str, after_it: str, expected: Aftermath) -> None:
    assert after(main_run(1, before), main_run(3, after_it)).aftermath is expected


def test_an_incomplete_run_before_says_nothing() -> None:
    found = after(main_run(1, "failure"), main_run(2, "incomplete"), main_run(3, "failure"))

    assert found.aftermath is Aftermath.MAIN_WAS_BROKEN


def test_the_first_run_of_all_that_fails_counts_as_broken_by_it() -> None:
    assert after(main_run(3, "failure")).aftermath is Aftermath.MAIN_BROKE


def test_without_a_later_run_there_is_nothing_to_say_yet() -> None:
    found = after(main_run(1, "success"))

    assert (found.aftermath, found.next_run_id) == (Aftermath.NO_RUN_YET, "")


def test_the_run_of_the_commit_that_it_became_goes_before_the_first_one_after_it() -> None:
    runs = (main_run(1, "success"), main_run(3, "failure"), main_run(4, "success", commit="fade"))

    assert after(*runs) == AuditedBypass(BYPASS, Aftermath.MAIN_BROKE, "3")
    merged = replace(BYPASS, merged_as="fade")
    assert after(*runs, merged_as="fade") == AuditedBypass(merged, Aftermath.MAIN_PASSED, "4", is_certain=True)


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = (main_run(4, "success"), main_run(3, "failure"), main_run(1, "success"))

    assert after(*runs).next_run_id == "3"
