from __future__ import annotations

import pytest

from ci_itest.model.history import WHOLE_FILE
from ci_itest.planning.suite import UNKNOWN_CASE_SECONDS, SuiteFacts, unknown_share, work_of
from ci_itest.planning.work import FileWork
from tests.helpers.plans import case


def facts(
    *files: str,
    known: dict[str, float] | None = None,
    shown: dict[str, int] | None = None,
    keep_together: str = "file",
    groups: dict[tuple[str, str], str] | None = None,
) -> tuple[FileWork, ...]:
    """Work of files whose known cases are given as node ids."""
    seconds = {case(*node_id.split("::", 1)): value for node_id, value in (known or {}).items()}
    return work_of(SuiteFacts(files, seconds, shown or {}, keep_together, groups))


CLASSES = {
    "a.py::TestCart::test_adds[eu]": 1.0,
    "a.py::TestCart::test_adds[us]": 2.0,
    "a.py::TestLogin::test_in": 4.0,
    "a.py::test_alone": 8.0,
}


def test_a_known_file_takes_the_sum_of_its_cases() -> None:
    (work,) = facts("a.py", known=CLASSES)

    assert (work.seconds, work.case_count, work.is_known) == ((15.0,), 4, True)


@pytest.mark.parametrize(
    ("keep_together", "starts"),
    [
        ("file", [""]),
        ("class", ["", "TestLogin::test_in", "test_alone"]),
        ("case", ["", "TestCart::test_adds[us]", "TestLogin::test_in", "test_alone"]),
        ("group", ["", "TestCart::test_adds[us]", "TestLogin::test_in", "test_alone"]),
    ],
)
def test_what_is_kept_together_is_one_part(keep_together: str, starts: list[str]) -> None:
    (work,) = facts("a.py", known=CLASSES, keep_together=keep_together)

    assert list(work.starts) == starts


def test_cases_have_the_key_of_their_function_else_of_their_module() -> None:
    groups = {("a.py", "TestCart::test_adds"): "db", ("a.py", ""): "slow"}

    (work,) = facts("a.py", known=CLASSES, keep_together="group", groups=groups)

    assert work.groups == ("db", "db", "slow", "slow")


def test_files_that_share_a_group_share_a_key_where_files_are_not_divided() -> None:
    groups = {("a.py", "test_x"): "db", ("b.py", "test_y"): "db", ("b.py", "test_z"): "s3", ("c.py", ""): "s3"}

    works = facts("a.py", "b.py", "c.py", "d.py", groups=groups)

    assert len({work.groups for work in works[:3]}) == 1
    assert works[0].groups != ()
    assert works[3].groups == ()


def test_cases_alone_are_free_of_groups() -> None:
    (work,) = facts("a.py", known=CLASSES, keep_together="case", groups={("a.py", ""): "db"})

    assert work.groups == ()


def test_a_new_file_is_expected_to_take_what_its_folder_takes() -> None:
    known = {"fast/a.py::test_x": 1.0, "slow/b.py::test_y": 9.0}

    works = facts("fast/a.py", "fast/new.py", "slow/b.py", known=known, shown={"fast/new.py": 3})

    assert (works[1].expected, works[1].is_known) == ((3.0,), False)


def test_a_new_file_is_packed_as_if_it_took_the_mean_at_least() -> None:
    known = {"fast/a.py::test_x": 1.0, "slow/b.py::test_y": 9.0}

    works = facts("fast/new.py", "slow/new.py", known=known) or ()
    both = facts("fast/a.py", "fast/new.py", "slow/b.py", "slow/new.py", known=known)

    assert [work.seconds for work in works] == [(UNKNOWN_CASE_SECONDS,)] * 2
    assert [work.seconds for work in both] == [(1.0,), (5.0,), (9.0,), (9.0,)]


def test_cases_of_files_that_are_gone_do_not_count() -> None:
    works = facts("a.py", "new.py", known={"a.py::test_x": 2.0, "gone.py::test_y": 100.0})

    assert [work.seconds for work in works] == [(2.0,), (2.0,)]


def test_without_any_history_files_weigh_by_their_cases() -> None:
    works = facts("b.py", "a.py", shown={"a.py": 5, "b.py": 0})

    assert [(work.file, work.seconds) for work in works] == [
        ("a.py", (5 * UNKNOWN_CASE_SECONDS,)),
        ("b.py", (UNKNOWN_CASE_SECONDS,)),
    ]


def test_a_file_known_as_a_whole_is_not_cut() -> None:
    (work,) = facts("a.py", known={f"a.py::{WHOLE_FILE}": 30.0}, shown={"a.py": 4}, keep_together="case")

    assert (work.starts, work.seconds, work.case_count) == (("",), (30.0,), 4)


def test_a_files_own_time_gives_way_to_that_of_its_cases() -> None:
    (work,) = facts("a.py", known={f"a.py::{WHOLE_FILE}": 30.0, "a.py::test_x": 4.0})

    assert work.seconds == (4.0,)


def test_how_much_is_unknown_is_counted_in_cases_and_time() -> None:
    works = facts("a.py", "new.py", known={"a.py::test_x": 6.0}, shown={"new.py": 1})

    assert unknown_share(works) == (1, 2, 0.5)
