"""What history says of a failure stands beside it, on the page and in the comment."""

from __future__ import annotations

from dataclasses import replace

from ci_itest.flows.judge import with_judgement
from ci_itest.model.judged import CaseCause, CauseKind, FlakyCase, FlakyStatus, Judged, MassEvent
from ci_itest.model.run import Run
from ci_itest.reporting.html import html_report
from ci_itest.reporting.markdown import comment
from ci_itest.reporting.view import report_view
from tests.helpers.runs import AT, case_id, failed, run

NEVER_COMPARED = "were not compared with the default branch"
EVIDENCE = "Failed in 3 of 212 runs on main, last 2 hours ago on main."


def judged_run(judged: Judged) -> Run:
    return with_judgement(run(passed=3, cases=[failed("test_pays", tries=2)]), judged)


def known(*, is_known: bool = True) -> Judged:
    cause = CaseCause(case_id("test_pays"), CauseKind.KNOWN, 0.973, EVIDENCE)
    return Judged(causes=(cause,), is_known=is_known)


def test_a_failures_cause_stands_beside_it() -> None:
    view = report_view(judged_run(known()), at=AT)

    assert view.causes[0].first.why == f"Cause: already broken on main (97%). {EVIDENCE}"
    assert "already broken on main" in comment(view, key="k")
    assert "already broken on main" in html_report(view)


def test_a_run_that_was_compared_does_not_say_that_it_was_not() -> None:
    compared, unknown = (report_view(judged_run(known(is_known=knows)), at=AT) for knows in (True, False))

    assert not any(NEVER_COMPARED in sentence for sentence in compared.evidence)
    assert any(NEVER_COMPARED in sentence for sentence in unknown.evidence)


def test_what_failed_together_and_what_flakes_are_notes() -> None:
    words = "the 41 cases that met redis on shard 3; redis exited with exit code 137 at 12:03:07 UTC"
    race = FlakyCase(case_id("test_race"), FlakyStatus.FLAKY, 0.99, 0.03, 0.017, 0.055, evidence="Failed in 7 of 212.")
    judged = Judged(events=(MassEvent(CauseKind.ENVIRONMENT, words, 41),), flaky=(race,), is_known=True)

    notes = report_view(judged_run(judged), at=AT).notes

    assert notes[0] == f"T{words[1:]}: environment."
    assert notes[1].startswith("tests/test_shop.py::test_race is flaky (99%; fails by itself in 1.7% to 5.5%")


def test_evidence_is_foreign_text_and_cannot_break_the_page() -> None:
    cause = CaseCause(case_id("test_pays"), CauseKind.FLAKY, 0.9, "last failed on <script>alert(1)</script> | **x**")

    view = report_view(judged_run(replace(known(), causes=(cause,))), at=AT)

    assert "<script>alert(1)" not in html_report(view)
    assert "<script>" not in comment(view, key="k")
