from __future__ import annotations

import pytest

from ci_itest.model.cases import CaseResult, Verdict
from ci_itest.model.run import Conclusion, Finding, FindingKind
from ci_itest.model.table import CaseTable
from ci_itest.reporting.comparison import Base, Change, compare
from ci_itest.reporting.markdown import comment, summary
from ci_itest.reporting.view import ReportView, report_view
from tests.helpers.runs import AT, failed, recovered, result, run, skipped


def change_of(now: CaseResult | None, then: CaseResult | None, *, complete: bool = True) -> dict[Change, int]:
    base = Base(CaseTable.of([then] if then else []), "c0ffee", is_complete=complete)
    compared = compare(CaseTable.of([now] if now else []), base, is_complete=complete)
    return {change: len(cases) for change, cases in compared.changes.items()}


@pytest.mark.parametrize(
    ("now", "then", "change"),
    [
        (failed("a"), result("a"), Change.NEW_FAILURE),
        (failed("a"), recovered("a"), Change.NEW_FAILURE),
        (failed("a"), skipped("a"), Change.NEW_FAILURE),
        (failed("a"), None, Change.NEW_FAILURE),
        (failed("a"), failed("a", "for another reason"), Change.STILL_FAILING),
        (result("a"), failed("a"), Change.FIXED),
        (recovered("a"), result("a"), Change.NEWLY_FLAKY),
        (recovered("a"), failed("a"), Change.NEWLY_FLAKY),
        (recovered("a"), recovered("a"), Change.FLAKY),
        (skipped("a"), result("a"), Change.NEWLY_SKIPPED),
        (result("a", seconds=16), result("a", seconds=7), Change.SLOWER),
        (result("a"), None, Change.ADDED),
        (None, result("a"), Change.REMOVED),
    ],
)
def test_each_case_is_held_against_the_base(now: CaseResult | None, then: CaseResult | None, change: Change) -> None:
    assert change_of(now, then) == {change: 1}


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (result("a"), result("a")),
        (result("a", seconds=4), result("a", seconds=1)),
        (result("a", seconds=100), result("a", seconds=90)),
        (skipped("a"), skipped("a")),
        (result("a"), recovered("a")),
    ],
)
def test_what_is_as_it_was_is_no_change(now: CaseResult, then: CaseResult) -> None:
    assert change_of(now, then) == {}


def test_a_lost_shard_removes_and_adds_nothing() -> None:
    assert change_of(None, result("a"), complete=False) == {}
    assert change_of(result("a"), None, complete=False) == {}


def view(
    *cases: CaseResult,
    base: Base | None,
    fails_on_new_only: bool = True,
    findings: tuple[Finding, ...] = (),
) -> ReportView:
    return report_view(
        run(cases=[result("ok"), *cases], findings=findings), at=AT, base=base, fails_on_new_only=fails_on_new_only
    )


def base_of(*cases: CaseResult, is_complete: bool = True) -> Base:
    return Base(CaseTable.of([result("ok"), *cases]), "c0ffee1234567", AT, is_complete=is_complete)


def test_old_failures_alone_let_a_run_pass_where_that_is_wanted() -> None:
    shown = view(failed("a"), base=base_of(failed("a")))

    assert shown.conclusion is Conclusion.SUCCESS
    assert shown.headline == "No new failure: 1 test failed as on the base branch"


@pytest.mark.parametrize(
    "shown",
    [
        view(failed("a"), base=base_of(failed("a")), fails_on_new_only=False),
        view(failed("a"), base=None),
        view(failed("a"), base=base_of(failed("a"), is_complete=False)),
        view(failed("a"), failed("b"), base=base_of(failed("a"))),
        view(failed("a"), base=base_of()),
    ],
    ids=["not wanted", "no base", "incomplete base", "one is new", "not there before"],
)
def test_any_doubt_leaves_the_run_failed(shown: ReportView) -> None:
    assert shown.conclusion is Conclusion.FAILURE


def test_an_incomplete_run_is_never_forgiven() -> None:
    finding = Finding(FindingKind.MISSING_SHARD, "Shard 2/2 left no bundle.")

    assert view(failed("a"), base=base_of(failed("a")), findings=(finding,)).conclusion is Conclusion.INCOMPLETE


def test_new_failures_stand_before_old_ones() -> None:
    old = [failed(f"old_{number}", "trouble with the stock again") for number in range(3)]

    shown = view(*old, failed("new", "the cart is somehow empty"), base=base_of(*old))

    assert [cause.message for cause in shown.causes] == ["the cart is somehow empty", "trouble with the stock again"]


def test_comment_and_summary_name_the_base_and_what_changed() -> None:
    shown = view(failed("a"), result("b"), base=base_of(result("a"), failed("b"), result("gone")))

    for text in (comment(shown, key="k"), summary(shown)):
        assert "The failure is new since commit c0ffee1234 of 4 Mar 2026, 10:41 UTC." in text
        assert "1 new failure, 1 fixed, 1 removed" in text
        assert "not compared" not in text


def test_no_base_is_said_and_no_change_made_up() -> None:
    shown = view(failed("a"), base=None)

    assert shown.changes == ()
    assert "not compared with the default branch" in comment(shown, key="k")


def test_a_recovered_case_is_counted_as_flaky_and_not_as_failed() -> None:
    shown = view(recovered("a"), base=base_of(result("a")))

    assert [change.words for change in shown.changes] == ["1 newly flaky"]
    assert shown.cases.count(Verdict.FAILED) == 0
