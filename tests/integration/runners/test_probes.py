"""The tests' process answers probes, each in a fork of what it collected."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci_itest.process import started
from ci_itest.runners.pytest import PytestRunner
from ci_itest.waiting import wait_until
from tests.helpers.suites import SmallSuite, write_files

TESTS = """
    import os, pathlib, pytest, subprocess, time

    SEEN = []
    FOLDER = pathlib.Path(__file__).parent

    @pytest.fixture(scope="session", autouse=True)
    def closed():
        yield
        with open(FOLDER / "closed", "a") as file: file.write("x")

    def test_one(): SEEN.append(1)
    def test_fails_after_one(): assert not SEEN, "one was seen"
    def test_hangs(): time.sleep(60)
    def test_dies(): os._exit(3)
    def test_kills(): os.kill(os.getpid(), 9)

    def test_leaves_a_child():
        child = subprocess.Popen(["sleep", "60"])
        (FOLDER / "child").write_text(str(child.pid))

    @pytest.fixture
    def broken(): raise RuntimeError("no fixture")

    def test_has_no_fixture(broken): pass

    def test_fails_in_teardown(request): request.addfinalizer(lambda: 1 / 0)

    @pytest.mark.skip
    def test_skipped(): assert False

    @pytest.mark.xfail
    def test_expected(): assert False
"""


class Asked:
    def __init__(self, talk: Any) -> None:
        self._talk = talk
        assert json.loads(talk.readline()) == {"ready": True}

    def __call__(self, *cases: str, seconds: float = 30.0) -> tuple[str, str]:
        """Outcome and message of the last case."""
        names = [f"tests/test_a.py::{case}" for case in cases]
        self._talk.write(json.dumps({"cases": names, "watched": names[-1], "seconds": seconds}) + "\n")
        self._talk.flush()
        answer = json.loads(self._talk.readline())
        return answer["outcome"], answer["message"]


@contextmanager
def asked(root: Path, *arguments: str) -> Iterator[Asked]:
    suite = SmallSuite(root, arguments=arguments)
    runner = PytestRunner()
    mine, theirs = socket.socketpair()
    with mine, theirs, mine.makefile("rw") as talk:
        request = replace(suite.request(), workers=0, probes=theirs.fileno())
        launch = runner.launch(request)
        with started(
            launch.command,
            directory=root,
            environment={**request.environment, **launch.environment},
            line=lambda _line: None,
            descriptors=(theirs.fileno(),),
        ):
            theirs.close()
            yield Asked(talk)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repo", {"tests/test_a.py": TESTS})


def test_every_probe_starts_from_what_was_collected_and_tears_down(root: Path) -> None:
    with asked(root) as ask:
        assert ask("test_fails_after_one") == ("passed", "")
        assert ask("test_one", "test_fails_after_one") == ("failed", "AssertionError: one was seen")
        assert ask("test_fails_after_one") == ("passed", "")

        assert (root / "tests" / "closed").read_text() == "xxx"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("test_has_no_fixture", ("failed", "RuntimeError: no fixture")),
        ("test_fails_in_teardown", ("failed", "ZeroDivisionError: division by zero")),
        ("test_skipped", ("passed", "")),
        ("test_expected", ("passed", "")),
        ("test_dies", ("failed", "the process ended (exit code 3)")),
        ("test_kills", ("failed", "the process ended (signal 9)")),
        ("test_is_not_there", ("absent", "")),
    ],
)
def test_however_a_case_ends_it_is_told_and_the_next_probe_is_answered(
    root: Path, case: str, expected: tuple[str, str]
) -> None:
    with asked(root) as ask:
        assert ask(case) == expected
        assert ask("test_one") == ("passed", "")


def test_a_case_that_never_comes_to_its_turn_has_not_failed(root: Path) -> None:
    with asked(root) as ask:
        assert ask("test_dies", "test_one")[0] == "died"
        assert ask("test_hangs", "test_one", seconds=1.0)[0] == "hung"
        assert ask("test_hangs", seconds=1.0) == ("failed", "still ran after 1 s")


def test_what_a_case_started_ends_with_its_probe(root: Path) -> None:
    with asked(root) as ask:
        assert ask("test_leaves_a_child") == ("passed", "")

        child = int((root / "tests" / "child").read_text())
        wait_until(lambda: "" if not _runs(child) else "the child is still there", within_seconds=10)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_users_own_number_of_workers_is_outweighed(root: Path) -> None:
    with asked(root, "-n", "2", "--dist=loadfile") as ask:
        assert ask("test_one", "test_fails_after_one")[0] == "failed"


def test_probes_leave_no_results(root: Path) -> None:
    with asked(root) as ask:
        ask("test_one")

    lines = [
        json.loads(line) for path in (root / "results-1").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    assert {line["event"] for line in lines} == {"listed", "collected"}
