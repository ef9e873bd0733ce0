from __future__ import annotations

import pytest

from ci_itest.reporting.links import Links, file_url, replay_command
from tests.helpers.runs import LINKS, case_id


def test_a_file_is_linked_at_its_line_of_the_head_commit() -> None:
    assert file_url(LINKS, "tests/test_a.py", 84) == (
        "https://github.com/acme/shop/blob/3f9c2ab41d5e6f708192a3b4c5d6e7f8091a2b3c/tests/test_a.py#L84"
    )


def test_a_file_without_a_line_is_linked_as_a_whole() -> None:
    assert file_url(LINKS, "tests/test_a.py").endswith("tests/test_a.py")


@pytest.mark.parametrize("file", ["", "../../etc/passwd", "/etc/passwd", "C:\\x"])
def test_a_path_that_leaves_the_repository_is_not_linked(file: str) -> None:
    assert file_url(LINKS, file, 1) == ""


def test_a_laptop_links_nothing() -> None:
    assert file_url(Links(), "tests/test_a.py", 1) == ""


@pytest.mark.parametrize(
    ("suite", "only", "command"),
    [
        ("main", "test_a", "ci-itest replay 17/3 --only tests/test_shop.py::test_a"),
        ("main", "test_a[it's]", "ci-itest replay 17/3 --only 'tests/test_shop.py::test_a[it'\"'\"'s]'"),
        ("main", "test_a[x; rm -rf /]", "ci-itest replay 17/3 --only 'tests/test_shop.py::test_a[x; rm -rf /]'"),
        ("main", "test_a[\n]", "ci-itest replay 17/3 --only $'tests/test_shop.py::test_a[\\x0a]'"),
        ("e2e", "test_a", "ci-itest replay 17/e2e/3 --only tests/test_shop.py::test_a"),
        ("main", "x" * 5000, "ci-itest replay 17/3"),
    ],
)
def test_the_command_replays_one_case_of_its_shard(suite: str, only: str, command: str) -> None:
    assert replay_command("17", suite=suite, shard=3, only=case_id(only)) == command


@pytest.mark.parametrize(("target", "shard"), [("", 1), ("17", 0)])
def test_there_is_no_command_without_a_run_or_a_shard(target: str, shard: int) -> None:
    assert replay_command(target, suite="main", shard=shard) == ""
