"""JUnit files of a runner become lines of the journal; what cannot be told is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_itest.flows.reported import Reported, reported, stamps
from ci_itest.model.settings import CommandSettings, SuiteSettings
from ci_itest.runners.base import ShardRequest
from ci_itest.runners.command import CommandRunner
from ci_itest.runners.gotest import GoRunner

FILES = ("tests/a.rb", "tests/b.rb")


def read_of_go(root: Path, text: str, *, was_stopped: bool) -> Reported:
    (root / "go.mod").write_text("module shop\n")
    (root / "go.xml").write_text(text)
    request = ShardRequest(
        suite="main",
        settings=SuiteSettings(runner="go"),
        root=root,
        index=1,
        count=1,
        files=("prices",),
        planned=("prices",),
        results=root / "results",
        environment={},
    )
    at = "2026-01-01T00:00:00+00:00"
    return reported((f"{root}/go.xml",), {}, GoRunner(), request, at=at, was_stopped=was_stopped)


def read(root: Path, text: str, *, only: tuple[str, ...] = ()) -> Reported:
    (root / "junit").mkdir(exist_ok=True)
    (root / "junit" / "r.xml").write_text(text)
    request = ShardRequest(
        suite="main",
        settings=SuiteSettings(runner="command", command=CommandSettings(run="x {files} {junit}")),
        root=root,
        index=1,
        count=1,
        files=FILES,
        planned=FILES,
        results=root / "results",
        environment={},
        only=only,
    )
    return reported((f"{root}/junit/*",), {}, CommandRunner(), request, at="2026-01-01T00:00:00+00:00")


def ends(found: Reported) -> list[tuple[str, str, int]]:
    return [(event["id"], event["outcome"], event["number"]) for event in found.events if event["event"] == "end"]


def case(name: str, body: str = "", *, file: str = "tests/a.rb") -> str:
    return f'<testcase name="{name}" file="{file}" time="0.5">{body}</testcase>'


def suite(*cases: str) -> str:
    return f"<testsuite name='s'>{''.join(cases)}</testsuite>"


def test_a_pass_a_failure_and_a_skip(tmp_path: Path) -> None:
    found = read(tmp_path, suite(case("x"), case("y", "<failure message='no'/>"), case("z", "<skipped/>")))

    assert ends(found) == [
        ("tests/a.rb::x", "passed", 1),
        ("tests/a.rb::y", "failed", 1),
        ("tests/a.rb::z", "skipped", 1),
    ]
    assert found.problems == ()


def test_attempts_that_the_runner_made_are_kept_with_the_time_told_once(tmp_path: Path) -> None:
    found = read(tmp_path, suite(case("x", "<flakyFailure message='first'/>")))

    assert ends(found) == [("tests/a.rb::x", "failed", 1), ("tests/a.rb::x", "passed", 2)]
    assert [event["call"] for event in found.events if event["event"] == "end"] == [0.0, 0.5]


def test_cases_of_one_name_get_a_number(tmp_path: Path) -> None:
    found = read(tmp_path, suite(case("x"), case("x")))

    assert [name for name, _, _ in ends(found)] == ["tests/a.rb::x", "tests/a.rb::x (#2)"]


def test_of_some_cases_that_run_again_the_others_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, suite(case("x"), case("y")), only=("tests/a.rb::y",))

    assert [name for name, _, _ in ends(found)] == ["tests/a.rb::y"]


def test_a_case_of_no_file_of_the_shard_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, suite(case("x"), case("y", file="tests/other.rb"), '<testcase name="z"/>'))

    (problem,) = found.problems
    assert problem.startswith("2 reported cases cannot be told to be of a file of this shard")


@pytest.mark.parametrize("text", ["", "<html></html>", "<testsuite><testcase name='x' file='tests/a.rb'/><testca"])
def test_a_report_that_is_not_whole_is_said(tmp_path: Path, text: str) -> None:
    (problem,) = read(tmp_path, text).problems

    assert problem.startswith("The report r.xml is not whole: ")


def test_a_report_that_was_there_before_is_not_read(tmp_path: Path) -> None:
    patterns = (f"{tmp_path}/junit/*",)
    read(tmp_path, suite(case("x")))
    request = ShardRequest(
        "main", SuiteSettings(), tmp_path, 1, 1, FILES, FILES, tmp_path, {}, scratch=tmp_path / "scratch"
    )

    found = reported(patterns, stamps(patterns), CommandRunner(), request, at="")

    assert found == Reported(())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "<failure message='Failed'>=== RUN   x\n    a_test.go:8: one is not two\n--- FAIL: x (0.00s)</failure>",
            "a_test.go:8: one is not two",
        ),
        ("<failure>CartTest::x\nFailed asserting that 1 is 2.\n</failure>", "Failed asserting that 1 is 2."),
        ("<failure message='one is not two'>trace</failure>", "one is not two"),
        ("<failure message='Failed'/>", "Failed"),
    ],
)
def test_a_failure_is_told_by_the_first_line_that_says_what_it_was(tmp_path: Path, body: str, message: str) -> None:
    found = read(tmp_path, suite(case("x", body)))

    assert [event["message"] for event in found.events if event["event"] == "end"] == [message]


@pytest.mark.parametrize(
    ("was_stopped", "expected"),
    [(False, [("TestPanics", "failed"), ("TestHangs", "failed")]), (True, [("TestPanics", "failed")])],
)
def test_what_was_running_when_we_stopped_go_has_not_failed_and_what_panicked_before_has(
    was_stopped: bool, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    panic = "panic: no price\n\ngoroutine 7 [running]:\n"
    text = "".join(
        f'<testcase classname="shop/prices" name="{name}"><failure message="Failed">{details}</failure></testcase>'
        for name, details in (("TestPanics", panic), ("TestHangs", "=== RUN   TestHangs\n"))
    )

    found = read_of_go(tmp_path, f"<testsuite>{text}</testsuite>", was_stopped=was_stopped)

    assert [(case.partition("::")[2], outcome) for case, outcome, _ in ends(found)] == expected
