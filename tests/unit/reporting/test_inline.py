from __future__ import annotations

from ci_itest.reporting.inline import MAX_ANNOTATIONS, inline_annotations
from ci_itest.reporting.view import report_view
from tests.helpers.hostile import HOSTILE
from tests.helpers.runs import AT, LINKS, failed, failing_run, run


def test_a_failure_is_shown_at_its_file_and_line() -> None:
    first = inline_annotations(report_view(failing_run(), at=AT, links=LINKS))[0]

    assert (first.level, first.file, first.line) == ("error", "tests/orders/test_api.py", 84)
    assert first.title == "test_creates_order[eu] failed"
    assert first.message.splitlines() == [
        'AssertionError: 409 == 201 (duplicate key value violates unique constraint "uq_orders_ref")',
        "Shard 1/2, failed on 2 of 2 attempts.",
        "1 more with this message.",
        "Reproduce: ci-itest replay 123456789/1 --only 'tests/orders/test_api.py::test_creates_order[eu]'",
    ]


def test_each_cause_gets_its_place_before_any_gets_two() -> None:
    failures = [failed(f"test_a{number}", "no stock left over", line=number + 1) for number in range(30)]
    failures.append(failed("test_b", "the price is wrong", line=7))

    shown = inline_annotations(report_view(run(cases=failures), at=AT))

    assert len(shown) == MAX_ANNOTATIONS
    assert "test_b failed" in [one.title for one in shown[:2]]


def test_a_failure_without_a_line_or_outside_the_repository_is_left_out() -> None:
    failures = [failed("a", "first kind of trouble"), failed("b", "second kind of trouble", file="../x.py", line=3)]

    assert inline_annotations(report_view(run(cases=failures), at=AT)) == ()


def test_hostile_names_stay_on_one_line() -> None:
    failures = [failed(f"{text}{number}", text, line=1) for number, text in enumerate(HOSTILE)]

    for one in inline_annotations(report_view(run(cases=failures), at=AT)):
        assert "\n" not in one.title
        assert "\r" not in one.title + one.message
        assert "\x1b" not in one.title + one.message
