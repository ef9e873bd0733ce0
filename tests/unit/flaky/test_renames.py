"""Which case that appeared is one that vanished."""

from __future__ import annotations

import pytest

from ci_itest.flaky.renames import body_name, renames
from ci_itest.model.cases import CaseId


def case(node_id: str, suite: str = "main") -> CaseId:
    file, _, name = node_id.partition("::")
    return CaseId(suite, file, name)


def pairs(old: list[str], new: list[str]) -> dict[str, str]:
    return {was.node_id: now.node_id for was, now in renames(map(case, old), map(case, new))}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tests/test_a.py::test_adds", "tests/test_b.py::test_adds"),
        ("tests/test_a.py::test_adds", "tests/test_a.py::TestCart::test_adds"),
        ("tests/test_a.py::TestCart::test_adds[a::b]", "tests/test_b.py::TestBasket::test_adds[a::b]"),
    ],
    ids=["another file", "another class", "both"],
)
def test_a_case_that_moved_is_recognised(old: str, new: str) -> None:
    assert pairs([old], [new]) == {old: new}


def test_another_body_is_another_case() -> None:
    assert pairs(["tests/test_a.py::test_adds"], ["tests/test_b.py::test_subtracts"]) == {}
    assert pairs(["tests/test_a.py::test_adds[eu]"], ["tests/test_b.py::test_adds[us]"]) == {}


def test_a_case_that_two_could_be_is_neither() -> None:
    assert pairs(["a.py::test_it"], ["b.py::test_it", "c.py::test_it"]) == {}
    assert pairs(["a.py::test_it", "b.py::test_it"], ["c.py::test_it"]) == {}


def test_files_that_moved_together_are_told_apart_by_their_names() -> None:
    found = pairs(
        ["old/test_a.py::test_it", "old/test_b.py::test_it"], ["new/test_b.py::test_it", "new/test_a.py::test_it"]
    )

    assert found == {
        "old/test_a.py::test_it": "new/test_a.py::test_it",
        "old/test_b.py::test_it": "new/test_b.py::test_it",
    }


def test_suites_do_not_lend_each_other_their_history() -> None:
    assert renames([case("a.py::test_it", "one")], [case("b.py::test_it", "two")]) == ()


def test_a_file_that_cannot_be_collected_is_no_case() -> None:
    assert pairs(["a.py::<collection>"], ["b.py::<collection>"]) == {}


def test_parameters_belong_to_the_body() -> None:
    assert body_name(case("a.py::TestA::TestB::test_it[x-y]")) == "test_it[x-y]"
