"""Recorded queues are played by the workers of the same names, in the same order."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.suites import SmallSuite, write_files

MANY = """
    import os, pytest, random, time

    @pytest.mark.parametrize("n", range(15))
    def test_some(n):
        time.sleep(random.random() / 50)
"""


def many(root: Path) -> SmallSuite:
    return SmallSuite(write_files(root / "repo", {"tests/test_a.py": MANY, "tests/test_b.py": MANY}), workers=3)


def test_every_worker_runs_what_it_ran_before_in_the_same_order(tmp_path: Path) -> None:
    recorded = many(tmp_path).run().result.queues

    played = many(tmp_path).but(queues=recorded).run()

    assert played.result.queues == recorded
    assert played.exit_code == 0
    assert len(played.cases) == 30


def test_an_order_that_no_scheduler_would_choose_is_played(tmp_path: Path) -> None:
    cases = [f"tests/test_{file}.py::test_some[{n}]" for n in range(15) for file in "ba"]
    queues = (("gw0", (cases[3],)), ("gw1", tuple(reversed(cases[4:]))), ("gw2", ()))

    played = many(tmp_path).but(queues=queues).run()

    assert played.result.queues == queues[:2]


def test_without_xdist_one_process_plays_the_recorded_order(tmp_path: Path) -> None:
    cases = tuple(f"tests/test_{file}.py::test_some[{n}]" for n in (3, 1, 14) for file in "ba")
    alone = many(tmp_path).but(queues=(("main", cases),), only=cases, arguments=("-p", "no:xdist"))

    assert alone.run().result.queues == (("main", cases),)


def test_a_worker_that_dies_again_hands_its_queue_to_the_one_that_replaced_it(tmp_path: Path) -> None:
    deadly = """
        import os, pytest

        @pytest.mark.parametrize("n", range(6))
        def test_some(n):
            if n == 2:
                os._exit(3)
    """
    suite = SmallSuite(write_files(tmp_path / "repo", {"tests/test_a.py": deadly}), workers=2)
    case = "tests/test_a.py::test_some[{}]".format
    queues = (("gw0", (case(4), case(2))), ("gw1", (case(5),)), ("gw2", (case(1), case(3), case(0))))

    played = suite.but(queues=queues).run()

    assert played.result.queues == queues
    assert played.outcomes["test_some[2]"] == ["error"]


def test_what_a_dead_worker_left_is_run_when_it_did_not_die_in_the_recording(tmp_path: Path) -> None:
    deadly = """
        import os, pytest

        @pytest.mark.parametrize("n", range(4))
        def test_some(n):
            if n == 1:
                os._exit(3)
    """
    suite = SmallSuite(write_files(tmp_path / "repo", {"tests/test_a.py": deadly}))
    queue = tuple(f"tests/test_a.py::test_some[{n}]" for n in range(4))

    played = suite.but(queues=(("gw0", queue),)).run()

    assert played.result.queues == (("gw0", queue[:2]), ("gw1", queue[2:]))


def test_grouped_cases_are_known_by_their_names_without_the_group(tmp_path: Path) -> None:
    grouped = """
        import pytest

        @pytest.mark.xdist_group("one")
        def test_a(): pass

        @pytest.mark.xdist_group("two")
        def test_b(): pass
    """
    suite = SmallSuite(write_files(tmp_path / "repo", {"tests/test_a.py": grouped}), workers=2)
    suite = suite.but(arguments=("--dist", "loadgroup"))
    queues = (("gw0", ("tests/test_a.py::test_b", "tests/test_a.py::test_a")),)

    assert suite.but(queues=queues).run().result.queues == queues
