"""Whose fault a failure is, when counts alone cannot say."""

from __future__ import annotations

from ci_itest.flaky.causes import Signs, blamed
from ci_itest.flaky.fold import Judgement
from ci_itest.model.judged import CauseKind

ALONE = Judgement(7, tries=2, failed=2, flaky=0.0, change=0.49, known=0.0, environment=0.51, before=0.0, after=0.0)


def test_a_lone_failure_in_a_small_suite_is_the_change_when_nothing_speaks_for_the_outside() -> None:
    blame = blamed([ALONE], {7: Signs("AssertionError: 100.00 != 90.00")})[7]

    assert blame.cause is CauseKind.CHANGE
    assert blame.probability > 0.75


def test_a_lone_failure_that_speaks_of_a_connection_is_the_environment() -> None:
    blame = blamed([ALONE], {7: Signs("ConnectionRefusedError: connection refused")})[7]

    assert blame.cause is CauseKind.ENVIRONMENT
