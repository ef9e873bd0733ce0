"""What history says of a failure stands beside it, on the page and in the comment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ci_itest.flows.judge import with_judgement
from ci_itest.model.judged import CaseCause, CauseKind, FlakyCase, FlakyStatus, Judged, MassEvent, SlowedCase
from ci_itest.model.quarantine import QuarantineEntry, QuarantineMode
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


def test_no_cause_is_said_to_be_certain() -> None:
    cause = CaseCause(case_id("test_pays"), CauseKind.CHANGE, 0.9999, EVIDENCE)

    view = report_view(judged_run(Judged(causes=(cause,), is_known=True)), at=AT)

    assert view.causes[0].first.why == f"Cause: your change (99%). {EVIDENCE}"


def test_a_run_that_was_compared_does_not_say_that_it_was_not() -> None:
    compared, unknown = (report_view(judged_run(known(is_known=knows)), at=AT) for knows in (True, False))

    assert not any(NEVER_COMPARED in sentence for sentence in compared.evidence)
    assert any(NEVER_COMPARED in sentence for sentence in unknown.evidence)


def test_what_failed_together_flakes_and_slowed_down_has_lists_of_its_own() -> None:
    words = "the 41 cases that met redis on shard 3; redis exited with exit code 137 at 12:03:07 UTC"
    judged = Judged(
        events=(MassEvent(CauseKind.ENVIRONMENT, words, 41),),
        flaky=(race(since="2026-03-01T10:00:00+00:00", trend="rising", owner="@acme/shop"),),
        slowed=(SlowedCase(case_id("test_slow"), 1.0, 1.75, 6),),
        is_known=True,
    )

    view = report_view(judged_run(judged), at=AT)

    assert view.judged.events == (f"T{words[1:]}: environment.",)
    assert view.judged.flaky[0].words == (
        "flaky (99%), fails by itself in 3.0% of its runs (1.7% to 5.5%), rising, since 2026-03-01, owned by @acme/shop"
    )
    for text in (comment(view, key="k"), html_report(view)):
        assert "redis exited with exit code 137" in text
        assert "1.7% to 5.5%" in text
        assert "Failed in 7 of 212." in text
        assert "1.75×" in text


def test_quarantine_is_shown_with_its_end_and_its_issue() -> None:
    judged = Judged(flaky=(race(),), quarantine=(entry("test_race"), entry("test_other", mode=QuarantineMode.SKIPPED)))

    view = report_view(judged_run(judged), at=AT)

    first, second = view.judged.flaky
    assert first.words.endswith("muted by quarantine until 2026-03-18")
    assert second.words == "skipped by quarantine until 2026-03-18: it races"
    assert '<a href="https://example.test/7" rel="noreferrer">issue</a>' in html_report(view)
    assert "https://example.test/7" in comment(view, key="k")


def test_an_issue_that_is_no_address_of_the_web_is_no_link() -> None:
    judged = Judged(quarantine=(entry("test_race", issue_url="javascript:alert(1)"),))

    view = report_view(judged_run(judged), at=AT)

    assert view.judged.flaky[0].issue_url == ""
    assert "javascript:" not in html_report(view)


def test_a_long_list_is_cut_and_says_so() -> None:
    judged = Judged(slowed=tuple(SlowedCase(case_id(f"test_{n}"), 1.0, 2.0, 6) for n in range(60)))

    view = report_view(judged_run(judged), at=AT)

    assert (len(view.judged.pace), view.judged.pace_count) == (50, 60)
    assert "10 more" in html_report(view)


def race(**fields: Any) -> FlakyCase:
    made = FlakyCase(case_id("test_race"), FlakyStatus.FLAKY, 0.99, 0.03, 0.017, 0.055, evidence="Failed in 7 of 212.")
    return replace(made, **fields)


def entry(name: str, **fields: Any) -> QuarantineEntry:
    made = QuarantineEntry(
        case_id(name), "it races", "2026-03-04T00:00:00", "2026-03-18T00:00:00", issue_url="https://example.test/7"
    )
    return replace(made, **fields)


def test_evidence_is_foreign_text_and_cannot_break_the_page() -> None:
    cause = CaseCause(case_id("test_pays"), CauseKind.FLAKY, 0.9, "last failed on <script>alert(1)</script> | **x**")

    view = report_view(judged_run(replace(known(), causes=(cause,))), at=AT)

    assert "<script>alert(1)" not in html_report(view)
    assert "<script>" not in comment(view, key="k")
