from __future__ import annotations

from ci_itest.model.cases import Attempt, CaseId, CaseResult, Outcome, Verdict
from ci_itest.model.table import CaseTable
from ci_itest.reporting.legs import MAX_LEGS, LegsView, legs_view

OUTCOMES = {"p": Outcome.PASSED, "f": Outcome.FAILED}
VERDICTS = {"p": Verdict.PASSED, "f": Verdict.FAILED}


def legs(**names: dict[str, str]) -> LegsView | None:
    """The matrix of suites, each with its tests' verdicts as letters."""
    cases = [
        CaseResult(
            CaseId(suite, "a.py", name),
            (Attempt(CaseId(suite, "a.py", name), OUTCOMES[letter]),),
            VERDICTS[letter],
        )
        for suite, tests in names.items()
        for name, letter in tests.items()
    ]
    return legs_view(CaseTable.of(cases))


def signs(view: LegsView | None) -> dict[str, str]:
    assert view is not None
    return {row.name: "".join(cell.sign or "." for cell in row.cells) for row in view.rows}


def test_a_test_that_failed_in_some_leg_has_a_row_with_a_column_for_each() -> None:
    view = legs(linux={"a": "p", "b": "p"}, mac={"a": "f", "b": "p"}, windows={"b": "p"})

    assert view is not None
    assert view.legs == ("linux", "mac", "windows")
    assert signs(view) == {"a.py::a": "✓✕."}


def test_what_failed_in_most_legs_stands_first() -> None:
    view = legs(linux={"a": "f", "b": "f"}, mac={"a": "p", "b": "f"})

    assert list(signs(view)) == ["a.py::b", "a.py::a"]


def test_without_failures_or_with_one_file_there_is_no_matrix() -> None:
    assert legs(linux={"a": "p"}, mac={"a": "p"}) is None
    assert legs(linux={"a": "f"}) is None
    assert legs(main={"a": "f"}) is None


def test_of_too_many_legs_those_with_most_failures_are_shown_and_all_counted() -> None:
    good = {f"leg{number}": {"a": "p", "b": "p"} for number in range(20)}

    view = legs(**good, broken={"a": "f", "b": "f"})

    assert view is not None
    assert (view.leg_count, len(view.legs), view.legs[-1]) == (21, MAX_LEGS, "broken")
