"""The cases of a file, kept as columns."""

from __future__ import annotations

from ci_itest.junit.values import CaseColumns, ReportAttempt, ReportCase, ReportCases
from ci_itest.model.cases import Outcome, Verdict

PLAIN = ReportCase(0, "tests.a", "test_a", "tests/a.py", 7, 0.25)
FAILED = ReportCase(
    0, "tests.a", "test_b", "tests/a.py", 0, 0.5, Verdict.FAILED, (ReportAttempt(Outcome.FAILED, message="no"),)
)


def test_a_case_that_simply_passed_is_made_anew_from_its_columns() -> None:
    columns = CaseColumns()
    columns.add(0, "tests.a", "test_a", "tests/a.py", "7", 0.25)

    assert list(ReportCases(columns)) == [PLAIN]


def test_only_what_is_more_than_a_plain_pass_is_kept_beside_the_columns() -> None:
    cases = ReportCases()

    for case in (PLAIN, FAILED):
        cases.append(case)

    assert (cases[0], cases[-1], cases[:2]) == (PLAIN, FAILED, [PLAIN, FAILED])
    assert cases.known == {1: FAILED}


def test_cases_are_the_same_when_each_of_them_is() -> None:
    one, other = ReportCases(), ReportCases()
    one.append(PLAIN)
    other.append(PLAIN)

    assert one == other
    other.append(FAILED)
    assert one != other
