"""The pytest runner and its shard plugin on small real suites: real pytest, real pytest-xdist, real deaths."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ci_itest.model.cases import COLLECTION_NAME
from ci_itest.model.run import ListedFile
from ci_itest.planning.partition import claiming_shard
from ci_itest.process import started
from ci_itest.runners.pytest import HUNG_EXIT, PytestRunner
from ci_itest.waiting import wait_until
from tests.helpers.suites import WITHOUT_FOREIGN_PLUGINS, Ran, SmallSuite, write_files

NO_XDIST = {"PYTEST_ADDOPTS": f"{WITHOUT_FOREIGN_PLUGINS} -p no:xdist"}


def suite(root: Path, files: dict[str, str]) -> SmallSuite:
    return SmallSuite(write_files(root / "repo", files))


def one_file(root: Path, text: str) -> SmallSuite:
    """A suite of the file tests/test_it.py."""
    return suite(root, {"tests/test_it.py": text})


# The division

DIVIDED = {
    "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef outer():\n    return 1\n",
    "tests/deep/conftest.py": "import pytest\n\n@pytest.fixture\ndef inner(outer):\n    return outer + 1\n",
    "tests/deep/test_same.py": "def test_inner(inner):\n    assert inner == 2\n",
    "tests/other/test_same.py": "def test_inner(outer):\n    assert outer == 1\n",
    "tests/test_parameters.py": """
        import pytest

        @pytest.mark.parametrize("value", ["a/b", "a::b", "[x]", "ä", " ", "", "a-b", "1\\n2"])
        def test_value(value): pass

        @pytest.mark.parametrize("x", [1, 2])
        @pytest.mark.parametrize("y", [1, 2])
        def test_both(x, y): pass
    """,
    "tests/test_classes.py": """
        import unittest

        class TestOuter:
            class TestInner:
                def test_in(self): pass
            def test_out(self): pass

        class OldTest(unittest.TestCase):
            def test_old(self): pass
    """,
    "tests/test_plain.py": "def test_plain(): pass\n",
}
PLANNED = (
    ("tests/deep/test_same.py", "tests/test_plain.py"),
    ("tests/other/test_same.py", "tests/test_parameters.py"),
    ("tests/test_classes.py",),
)
ALL_CASES = {
    "tests/deep/test_same.py::test_inner": 1,
    "tests/other/test_same.py::test_inner": 1,
    "tests/test_classes.py::OldTest::test_old": 1,
    "tests/test_classes.py::TestOuter::TestInner::test_in": 1,
    "tests/test_classes.py::TestOuter::test_out": 1,
    "tests/test_plain.py::test_plain": 1,
}


def counted(runs: list[Ran]) -> Counter[str]:
    return Counter(case for run in runs for case in run.cases)


def test_the_shards_together_run_every_case_exactly_once(tmp_path: Path) -> None:
    divided = suite(tmp_path, DIVIDED).but(planned=PLANNED, workers=2)

    runs = [divided.run(index) for index in (1, 2, 3)]

    found = counted(runs)
    assert set(found.values()) == {1}
    assert {case for case in found if "test_parameters" not in case} == set(ALL_CASES)
    assert sum("test_parameters.py::test_value[" in case for case in found) == 8
    assert sum("test_parameters.py::test_both[" in case for case in found) == 4
    assert [run.exit_code for run in runs] == [0, 0, 0]


def test_files_named_on_the_command_line_are_divided_too(tmp_path: Path) -> None:
    named = ("tests/test_plain.py", "./tests/test_classes.py", "tests/deep")
    planned = (("tests/test_plain.py",), ("tests/test_classes.py", "tests/deep/test_same.py"))
    divided = suite(tmp_path, DIVIDED).but(planned=planned, tests=named)

    found = counted([divided.run(1), divided.run(2)])

    assert found == {case: 1 for case in ALL_CASES if "other" not in case}


def test_a_file_that_the_plan_does_not_know_runs_on_the_one_shard_that_claims_it(tmp_path: Path) -> None:
    late = [f"tests/test_late_{number}.py" for number in range(4)]
    files = {"tests/test_a.py": "def test_a(): pass\n", "tests/test_b.py": "def test_b(): pass\n"}
    divided = suite(tmp_path, {**files, **dict.fromkeys(late, "def test_new(): pass\n")})
    divided = divided.but(planned=(("tests/test_a.py",), ("tests/test_b.py",)))

    runs = {index: divided.run(index) for index in (1, 2)}

    assert counted(list(runs.values())) == {f"{file}::test_{file[11]}": 1 for file in files} | {
        f"{file}::test_new": 1 for file in late
    }
    for file in late:
        owner = claiming_shard(file, shard_count=2)
        assert ListedFile(file, is_mine=True, case_count=1) in runs[owner].result.listed
        assert ListedFile(file, is_mine=False) in runs[3 - owner].result.listed


def test_another_shards_file_is_never_imported(tmp_path: Path) -> None:
    files = {"tests/test_a.py": "def test_a(): pass\n", "tests/test_b.py": "raise RuntimeError('imported')\n"}
    divided = suite(tmp_path, files).but(planned=(("tests/test_a.py",), ("tests/test_b.py",)))

    ran = divided.run(1)

    assert ran.exit_code == 0, ran.output
    assert ran.outcomes == {"test_a": ["passed"]}


def test_files_of_one_name_in_two_folders_without_packages_name_the_conflict(tmp_path: Path) -> None:
    files = {"tests/a/test_same.py": "def test_a(): pass\n", "tests/b/test_same.py": "def test_b(): pass\n"}
    together = suite(tmp_path, files).but(arguments=("--import-mode=prepend",))
    apart = together.but(planned=(("tests/a/test_same.py",), ("tests/b/test_same.py",)))

    both, one = together.run(), apart.run(2)

    assert both.outcomes[COLLECTION_NAME] == ["error"]
    assert "import file mismatch" in both.details(COLLECTION_NAME)
    assert one.outcomes == {"test_b": ["passed"]}


def test_cases_that_the_markers_leave_out_are_counted_by_file(tmp_path: Path) -> None:
    text = "import pytest\n\n@pytest.mark.slow\ndef test_slow(): pass\n\ndef test_a(): pass\n\ndef test_b(): pass\n"
    files = {"tests/test_it.py": text, "pytest.ini": "[pytest]\nmarkers = slow\n"}

    ran = suite(tmp_path, files).but(markers="slow").run()

    assert ran.outcomes == {"test_slow": ["passed"]}
    assert ran.result.listed == (ListedFile("tests/test_it.py", is_mine=True, case_count=1, deselected_count=2),)


# Outcomes

OUTCOMES = """
    import pytest

    @pytest.fixture
    def bad_setup():
        raise ValueError("no database")

    @pytest.fixture
    def bad_teardown():
        yield
        raise ValueError("no clean-up")

    def test_setup(bad_setup): pass
    def test_teardown(bad_teardown): pass
    def test_both(bad_teardown): assert 1 == 2
    def test_call(): assert 1 == 2
    @pytest.mark.skip(reason="later")
    def test_skip(): pass
    def test_skip_inside(): pytest.skip("not here")
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert False
    @pytest.mark.xfail(strict=True, reason="known")
    def test_xpass_strict(): pass
    @pytest.mark.xfail(strict=False)
    def test_xpass(): pass
"""


def test_every_outcome_of_pytest_is_told(tmp_path: Path) -> None:
    ran = one_file(tmp_path, OUTCOMES).run()

    assert ran.exit_code == 1
    assert ran.outcomes == {
        "test_setup": ["error"],
        "test_teardown": ["error"],
        "test_both": ["failed"],
        "test_call": ["failed"],
        "test_skip": ["skipped"],
        "test_skip_inside": ["skipped"],
        "test_xfail": ["skipped"],
        "test_xpass_strict": ["failed"],
        "test_xpass": ["passed"],
    }
    assert ran.message("test_setup") == "ValueError: no database"
    assert ran.message("test_teardown") == "ValueError: no clean-up"
    assert ran.message("test_call") == "assert 1 == 2"
    assert "XPASS(strict)" in ran.message("test_xpass_strict")
    reasons = {attempt.case.name: attempt.message for attempt in ran.result.attempts}
    assert (reasons["test_skip"], reasons["test_skip_inside"], reasons["test_xfail"]) == ("later", "not here", "known")


RETRIED = """
    import pathlib, pytest

    def count(name):
        path = pathlib.Path(name)
        path.write_text(path.read_text() + "x" if path.exists() else "x")
        return len(path.read_text())

    @pytest.fixture(scope="module")
    def shared():
        assert count("shared") == 2, "first try"

    def test_recovers():
        assert count("recovers") == 3, "not yet"

    def test_never():
        assert False, "never"

    def test_of_a_shared_fixture(shared): pass

    def test_passes(): pass
"""


def test_every_attempt_is_kept(tmp_path: Path) -> None:
    ran = one_file(tmp_path, RETRIED).but(retries=2).run()

    assert ran.outcomes == {
        "test_recovers": ["failed", "failed", "passed"],
        "test_never": ["failed", "failed", "failed"],
        "test_of_a_shared_fixture": ["error", "passed"],
        "test_passes": ["passed"],
    }
    assert ran.exit_code == 1
    numbers = [attempt.number for attempt in ran.result.attempts if attempt.case.name == "test_never"]
    assert numbers == [1, 2, 3]


def test_text_of_any_kind_and_size_is_kept_within_bounds(tmp_path: Path) -> None:
    ran = one_file(
        tmp_path,
        r"""
        import sys

        def test_ünïcode_名前():
            print("ausgabe ü 名")
            assert False, "zeile 1\nzeile 2 ü \ud800 \x00 \x1b[31m"

        def test_huge():
            sys.stdout.write("start " + "x" * 3_000_000 + " end\n")
            assert False, "y" * 300_000

        def test_bytes():
            sys.stdout.buffer.write(b"\xff\xfe\n")
            assert False
        """,
    ).run()

    assert ran.outcomes == {"test_ünïcode_名前": ["failed"], "test_huge": ["failed"], "test_bytes": ["failed"]}
    found = {attempt.case.name: attempt for attempt in ran.result.attempts}
    assert "ausgabe ü 名" in found["test_ünïcode_名前"].output
    assert found["test_ünïcode_名前"].message == "AssertionError: zeile 1"
    huge = found["test_huge"]
    assert "start xxx" in huge.output
    assert "xxx end" in huge.output
    assert "bytes cut out" in huge.output
    assert max(len(huge.output), len(huge.details), len(huge.message)) < 70_000


def test_a_file_that_cannot_be_imported_is_a_result_and_the_others_run(tmp_path: Path) -> None:
    files = {"tests/test_bad.py": "import nothing_of_that_name\n", "tests/test_good.py": "def test_good(): pass\n"}

    ran = suite(tmp_path, files).but(workers=2).run()

    assert ran.outcomes == {COLLECTION_NAME: ["error"], "test_good": ["passed"]}
    assert "nothing_of_that_name" in ran.message(COLLECTION_NAME)
    assert {listed.file: listed.case_count for listed in ran.result.listed} == {
        "tests/test_bad.py": 0,
        "tests/test_good.py": 1,
    }
    assert ran.exit_code == 1


# Time limits

HANGS = """
    import pytest, signal, threading, time

    def test_hangs(): time.sleep(60)

    def test_after(): pass

    @pytest.fixture
    def slow(): time.sleep(60)

    def test_hangs_in_setup(slow): pass
"""
STUCK_IN = ["threading.Event().wait()", "time.sleep(60)"]
STUCK = """
    import signal, threading, time

    def test_before(): pass

    def test_stuck():
        print("last words")
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        {stuck}

    def test_after(): pass
"""


def test_a_case_over_its_time_is_stopped_and_not_retried(tmp_path: Path) -> None:
    ran = one_file(tmp_path, HANGS).but(case_timeout=0.5, retries=1).run()

    assert ran.outcomes == {"test_hangs": ["failed"], "test_after": ["passed"], "test_hangs_in_setup": ["error"]}
    assert "case_timeout (0.5 s)" in ran.message("test_hangs")
    assert "time.sleep(60)" in ran.details("test_hangs")


@pytest.mark.parametrize("stuck", STUCK_IN)
def test_a_case_that_cannot_be_interrupted_costs_its_worker_alone(tmp_path: Path, stuck: str) -> None:
    ran = one_file(tmp_path, STUCK.format(stuck=stuck)).but(case_timeout=0.3, grace_seconds=0.5).run()

    assert ran.outcomes == {"test_before": ["passed"], "test_stuck": ["failed"], "test_after": ["passed"]}
    assert "could not be interrupted" in ran.message("test_stuck")
    assert stuck in ran.details("test_stuck")
    assert (ran.running, ran.never_ran) == ([], [])
    attempt = next(attempt for attempt in ran.result.attempts if attempt.case.name == "test_stuck")
    assert "last words" in attempt.output


def test_without_workers_a_case_that_cannot_be_interrupted_ends_pytest_and_is_named(tmp_path: Path) -> None:
    ran = (
        one_file(tmp_path, STUCK.format(stuck=STUCK_IN[0]))
        .but(case_timeout=0.3, grace_seconds=0.5, variables=NO_XDIST)
        .run()
    )

    assert ran.exit_code == HUNG_EXIT
    assert "case_timeout" in ran.explanation
    assert ran.outcomes == {"test_before": ["passed"], "test_stuck": ["failed"]}
    assert ran.never_ran == ["test_after"]


# Deaths

DYING = """
    import os, pytest, signal

    def test_before(): pass

    def test_dies():
        {death}

    def test_after(): pass
"""
DEATHS = {
    "os._exit(3)": "exit code 3",
    "os.kill(os.getpid(), signal.SIGKILL)": "signal 9",
    "os.kill(os.getpid(), signal.SIGSEGV)": "signal 11",
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_case_that_kills_its_worker_is_named_and_the_rest_runs(tmp_path: Path, death: str) -> None:
    ran = one_file(tmp_path, DYING.format(death=death)).run()

    assert ran.outcomes == {"test_before": ["passed"], "test_dies": ["error"], "test_after": ["passed"]}
    assert DEATHS[death] in ran.message("test_dies")
    assert (ran.running, ran.never_ran) == ([], [])


@pytest.mark.parametrize("death", DEATHS)
def test_without_workers_a_death_leaves_what_was_running_and_what_never_ran(tmp_path: Path, death: str) -> None:
    ran = one_file(tmp_path, DYING.format(death=death)).but(variables=NO_XDIST).run()

    assert ran.outcomes == {"test_before": ["passed"]}
    assert (ran.running, ran.never_ran) == (["test_dies"], ["test_after"])
    assert ran.explanation


def test_a_kill_of_all_of_pytest_leaves_what_was_running_and_what_never_ran(tmp_path: Path) -> None:
    small = one_file(
        tmp_path, "import time\n\ndef test_a(): pass\n\ndef test_b(): time.sleep(60)\n\ndef test_c(): pass\n"
    )
    request, runner = small.request(), PytestRunner()
    launch = runner.launch(request)
    lines: list[str] = []

    def is_running() -> str:
        running = runner.read(request.results, suite="main").running
        return "" if [case.name for case in running] == ["test_b"] else f"{running}\n" + "\n".join(lines)

    with started(
        launch.command,
        directory=small.root,
        environment={**request.environment, **launch.environment},
        line=lines.append,
    ) as child:
        wait_until(is_running, within_seconds=40)
        child.stop(grace_seconds=0)

    found = runner.read(request.results, suite="main")
    assert [case.name for case in found.running] == ["test_b"]
    assert [(attempt.case.name, attempt.outcome) for attempt in found.attempts] == [("test_a", "passed")]
    assert [case.name for case in found.collected] == ["test_a", "test_b", "test_c"]


def test_a_case_that_interrupts_pytest_has_started_and_not_ended(tmp_path: Path) -> None:
    ran = one_file(tmp_path, DYING.format(death="raise KeyboardInterrupt")).but(variables=NO_XDIST).run()

    assert ran.exit_code == 2
    assert (ran.running, ran.never_ran) == (["test_dies"], ["test_after"])


# The user's own ways with pytest

THREE = "def test_a(): pass\n\ndef test_b(): assert False\n\ndef test_c(): pass\n"


def test_without_xdist_the_cases_run_all_the_same_and_it_is_said(tmp_path: Path) -> None:
    ran = one_file(tmp_path, THREE).but(variables=NO_XDIST, retries=1).run()

    assert "pytest-xdist is switched off" in ran.note
    assert ran.outcomes == {"test_a": ["passed"], "test_b": ["failed", "failed"], "test_c": ["passed"]}


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_cases_that_an_early_end_left_out_are_known(tmp_path: Path, option: str) -> None:
    ran = one_file(tmp_path, THREE).but(arguments=(option,), variables=NO_XDIST).run()

    assert ran.outcomes == {"test_a": ["passed"], "test_b": ["failed"]}
    assert ran.never_ran == ["test_c"]


def test_a_plugin_switched_off_by_name_is_no_matter(tmp_path: Path) -> None:
    ran = one_file(tmp_path, THREE).but(arguments=("-p", "no:randomly", "-q")).run()

    assert ran.outcomes == {"test_a": ["passed"], "test_b": ["failed"], "test_c": ["passed"]}


BROKEN_HOOKS = {
    "pytest_runtest_setup(item)": "error",
    "pytest_runtest_call(item)": "failed",
    "pytest_runtest_teardown(item)": "error",
}


@pytest.mark.parametrize("hook", BROKEN_HOOKS)
def test_a_hook_of_the_suite_that_raises_fails_the_case(tmp_path: Path, hook: str) -> None:
    files = {"tests/conftest.py": f"def {hook}:\n    raise ValueError('broken hook')\n"}

    ran = suite(tmp_path, {**files, "tests/test_it.py": "def test_a(): pass\n"}).run()

    assert ran.outcomes == {"test_a": [BROKEN_HOOKS[hook]]}
    assert "broken hook" in ran.message("test_a")


def test_a_hook_that_breaks_pytest_itself_is_a_red_shard_that_says_so(tmp_path: Path) -> None:
    files = {"tests/conftest.py": "def pytest_runtest_logreport(report):\n    raise ValueError('broken hook')\n"}

    ran = suite(tmp_path, {**files, "tests/test_it.py": "def test_a(): pass\n"}).run()

    assert ran.explanation
    assert "broken hook" in ran.output


def test_a_conftest_that_cannot_be_imported_is_a_red_shard_that_says_so(tmp_path: Path) -> None:
    ran = suite(tmp_path, {"tests/conftest.py": "import nothing_at_all\n", "tests/test_it.py": THREE}).run()

    assert "conftest" in ran.explanation
    assert "nothing_at_all" in ran.output
    assert ran.outcomes == {}


def test_an_unknown_option_is_a_red_shard_that_says_so(tmp_path: Path) -> None:
    ran = one_file(tmp_path, THREE).but(arguments=("--no-such-option",)).run()

    assert "an option or a path it does not know" in ran.explanation
    assert "--no-such-option" in ran.output


def test_a_child_that_a_case_forked_off_writes_nothing_down(tmp_path: Path) -> None:
    small = one_file(
        tmp_path,
        """
        import os, pytest

        @pytest.mark.filterwarnings("ignore")
        def test_forks():
            child = os.fork()
            if child == 0:
                raise SystemExit(0)  # the child goes on as a second pytest
            os.waitpid(child, 0)

        def test_after(): pass
        """,
    )

    ran = small.but(variables=NO_XDIST).run()

    assert ran.outcomes == {"test_forks": ["passed"], "test_after": ["passed"]}
