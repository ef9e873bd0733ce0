"""What a commit says it fixes: found in its message, given to a shard, and said in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_itest.flows.fixing import MOST_CASES, fix_words, fixes_of_shard, merged_fixes, planned_fixes, trailer_cases
from ci_itest.model.fixes import FixAttempt
from ci_itest.model.plan import Plan, Shard, SuitePlan, Unit
from tests.helpers.history import shard

RACE = "tests/test_cart.py::test_race"


def plan(*names: str) -> Plan:
    shards = (
        Shard(1, (Unit("tests/test_shop.py", 1.0), Unit("tests/test_cart.py", 1.0, until="test_m"))),
        Shard(2, (Unit("tests/test_cart.py", 1.0, first="test_m"),)),
    )
    return Plan("1", "", "", "", (SuitePlan("main", "pytest", shards),), to_fix=names)


def test_a_commit_names_what_it_tries_to_fix() -> None:
    trailers = "Attempt-To-Fix: tests/a.py::test_a\nattempt-to-fix: test_b\nAttempt-To-Fix:\n"

    assert trailer_cases(f"Wait for the cart\n\nIt was racing.\n\n{trailers}") == ("tests/a.py::test_a", "test_b")


def test_a_message_cannot_ask_for_more_than_a_few_cases() -> None:
    message = "\n".join(f"Attempt-To-Fix: a.py::test_{number // 2}" for number in range(1000))

    assert planned_fixes(message) == tuple(f"a.py::test_{number}" for number in range(MOST_CASES))


def test_a_case_is_tried_by_the_shard_that_has_its_piece() -> None:
    planned = plan(RACE, "tests/test_cart.py::test_adds", "elsewhere.py::test_x", "test_y")

    assert fixes_of_shard(planned, suite="main", index=1) == ("tests/test_cart.py::test_adds",)
    assert fixes_of_shard(planned, suite="main", index=2) == (RACE,)
    assert fixes_of_shard(planned, suite="other", index=1) == ()


def test_what_no_shard_ran_is_said_and_what_was_never_asked_for_is_not_believed() -> None:
    lying = replace(shard(2), fixes=(FixAttempt(RACE, 20, 0), FixAttempt("else", 20, 0)))

    fixes = merged_fixes(plan(RACE, "x.py::test_x"), [shard(1), lying])

    assert fixes == (FixAttempt(RACE, 20, 0), FixAttempt("x.py::test_x", 0, 0))


@pytest.mark.parametrize(
    ("fix", "words"),
    [
        (FixAttempt(RACE, 20, 0), "passed 20 times; if it fails by itself, then in less than 13.9% of its runs."),
        (FixAttempt(RACE, 20, 3, "KeyError: 'x'"), "not fixed, it failed 3 of 20 times (KeyError: 'x')."),
        (FixAttempt(RACE, 0, 0), "no shard has run a case of that name; write it as the report does."),
    ],
)
def test_each_outcome_has_its_sentence(fix: FixAttempt, words: str) -> None:
    assert fix_words(fix) == f"Attempt-To-Fix {RACE}: {words}"
