from __future__ import annotations

import pytest

from ci_itest.model.cases import Attempt, CaseResult, Outcome, Verdict
from ci_itest.model.table import CaseGroup, CaseTable
from tests.helpers.runs import case_id, failed, missing, recovered, result, skipped

EVERY = [
    result("test_ok", seconds=0.5),
    result("TestCart::test_adds[a::b]", seconds=2.0),
    failed("test_bad"),
    recovered("test_once"),
    skipped("test_not"),
    missing("test_gone", "never ran"),
]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.verdict.value)
def test_a_result_comes_back_as_it_went_in(one: CaseResult) -> None:
    assert list(CaseTable.of([one])) == [one]


def test_verdicts_are_counted_without_looking_at_results() -> None:
    table = CaseTable.of(EVERY)

    assert {verdict: table.count(verdict) for verdict in Verdict} == {
        verdict: sum(one.verdict is verdict for one in EVERY) for verdict in Verdict
    }
    assert table.with_verdict(Verdict.FAILED) == [EVERY[2]]
    assert table.with_verdict(Verdict.PASSED) == EVERY[:2]


def test_only_cases_that_are_more_than_a_plain_pass_keep_a_result() -> None:
    table = CaseTable.of(EVERY)

    assert sorted(table.results) == [2, 3, 4, 5]


def test_the_slowest_come_first_and_those_that_took_no_time_not_at_all() -> None:
    table = CaseTable.of([*EVERY, result("test_no_time", seconds=0)])

    assert [one.case.name for one in table.slowest(2)] == ["TestCart::test_adds[a::b]", "test_ok"]
    assert "test_no_time" not in [one.case.name for one in table.slowest(50)]


def test_cases_of_a_class_share_a_group() -> None:
    table = CaseTable.of([result("TestCart::test_a"), result("TestCart::test_b"), result("test_c")])

    assert table.groups == [
        CaseGroup("main", "tests/test_shop.py", "TestCart"),
        CaseGroup("main", "tests/test_shop.py"),
    ]


def test_cases_can_be_given_a_suite_of_their_own() -> None:
    table = CaseTable.of([result("test_a"), failed("test_b"), result("test_c")])

    table.move_to_suite("py312", range(1, 3))

    assert [table.case(place).suite for place in range(3)] == ["main", "py312", "py312"]
    moved = table.result(1)
    assert moved.case == moved.attempts[0].case == case_id("test_b", suite="py312")


def test_many_rows_of_one_shard_go_in_at_once() -> None:
    table = CaseTable()
    group = table.group(CaseGroup("main", "a.py"))
    bad = CaseResult(
        case_id("b", file="a.py"), (Attempt(case_id("b", file="a.py"), Outcome.FAILED),), Verdict.FAILED, shard=3
    )

    table.extend([group, group], ["a", "b"], 3, [0.5, 0.25])
    table.judge(1, bad)

    assert [(one.case.name, one.verdict, one.shard, one.seconds) for one in table] == [
        ("a", Verdict.PASSED, 3, 0.5),
        ("b", Verdict.FAILED, 3, 0.0),
    ]
