"""GitHub fails on every call: the report job ends as its tests did, and there is never a second comment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.faults import QUICK, report_job


def test_without_a_fault_there_is_one_comment_within_twelve_calls(tmp_path: Path) -> None:
    reported = report_job(tmp_path)

    assert (reported.exit_code, reported.comments) == (1, 1), reported.output
    assert reported.calls <= 12


@pytest.mark.parametrize("fault", QUICK)
def test_the_result_is_that_of_the_tests(fault: str, tmp_path: Path) -> None:
    reported = report_job(tmp_path, fault)

    assert reported.exit_code == 1, reported.output
    assert reported.comments <= 1
    assert "warning: " in reported.output or reported.comments == 1
