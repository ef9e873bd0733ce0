"""`ci-itest merge FILES` and `ci-itest report open`, as somebody who uses nothing else of ours would run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from ci_itest.flows.folders import new_run_folder
from ci_itest.model.run import Run
from ci_itest.wire import read_document
from tests.helpers.junit_files import CUT, FAILURE, NO_REPORT, case, document, gotestsum, suite
from tests.helpers.suites import write_files

GREEN = document(suite(case("a") + case("b")))
RED = document(suite(case("c") + case("d", FAILURE, more=' file="tests/d.py" line="4"')))


def ci_itest(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ci_itest", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reports").mkdir()
    return tmp_path


def put(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        (folder / "reports" / f"{name}.xml").write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize(
    ("files", "exit_code"),
    [
        ({"one": GREEN}, 0),
        ({"one": GREEN, "two": RED}, 1),
        ({"one": document(suite("", tests=0))}, 4),
        ({"one": GREEN, "two": CUT["between two cases"][0]}, 5),
        ({"one": GREEN, "two": NO_REPORT["HTML"][0]}, 5),
        ({"one": GREEN, "two": GREEN}, 5),
        ({"one": GREEN, "two": gotestsum(("Flaky", "fail"), ("Flaky", "pass"))}, 0),
    ],
)
def test_the_exit_code_says_what_the_files_come_to(folder: Path, files: dict[str, str | bytes], exit_code: int) -> None:
    put(folder, **files)

    ended = ci_itest(folder, "merge", "reports")

    assert ended.returncode == exit_code, ended.stderr
    assert Path(folder, ended.stdout.strip()).is_file()


def test_every_format_is_written_and_agrees(folder: Path) -> None:
    put(folder, one=GREEN, two=RED)

    ci_itest(folder, "merge", "reports", "--out", "out")

    out = folder / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "badge.svg",
        "comment.md",
        "ctrf.json",
        "junit.xml",
        "report.html",
        "run.json",
        "summary.md",
    ]
    junit = ElementTree.parse(out / "junit.xml").getroot()
    assert (junit.get("tests"), junit.get("failures")) == ("4", "1")
    assert json.loads((out / "ctrf.json").read_text())["results"]["summary"]["failed"] == 1
    run = read_document(out / "run.json", Run)
    assert [(one.case.node_id, one.verdict.value) for one in run.cases] == [
        ("pkg.T::a", "passed"),
        ("pkg.T::b", "passed"),
        ("pkg.T::c", "passed"),
        ("tests/d.py::pkg.T::d", "failed"),
    ]
    for name in ("report.html", "comment.md", "summary.md"):
        text = (out / name).read_text()
        assert "boom" in text
        assert "two.xml" in text
        assert "shard" not in text.partition("<script>")[0].lower().replace("--", "") or name == "report.html"


def test_only_what_is_asked_for_is_written(folder: Path) -> None:
    put(folder, one=GREEN)

    ci_itest(folder, "merge", "reports/one.xml", "--out", "out", "--format", "junit", "--format", "badge")

    assert sorted(path.name for path in (folder / "out").iterdir()) == ["badge.svg", "junit.xml"]


def test_no_replay_is_offered_for_what_we_did_not_run(folder: Path) -> None:
    put(folder, one=RED)

    ci_itest(folder, "merge", "reports", "--out", "out")

    assert "ci-itest replay" not in (folder / "out" / "comment.md").read_text()


def test_a_folder_without_reports_is_said(folder: Path) -> None:
    ended = ci_itest(folder, "merge", "reports")

    assert ended.returncode == 2
    assert "There is no report in reports" in ended.stderr


def test_what_cannot_be_written_is_said(folder: Path) -> None:
    put(folder, one=GREEN)
    (folder / "out").write_text("in the way")

    ended = ci_itest(folder, "merge", "reports", "--out", "out/report")

    assert ended.returncode == 74
    assert "Cannot write" in ended.stderr


def test_names_of_files_give_no_workflow_command(folder: Path) -> None:
    (folder / "reports" / "##[add-mask]a\n::error ::x.xml").write_bytes(b"")

    ended = ci_itest(folder, "merge", "reports")

    assert ended.returncode == 5
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in ended.stderr.splitlines())


def test_the_last_report_is_found_again(folder: Path) -> None:
    put(folder, one=GREEN)
    ci_itest(folder, "merge", "reports")

    ended = ci_itest(folder, "report", "open", "--print")

    assert ended.stdout.strip() == (folder / ".ci-itest/report/report.html").resolve().as_uri()


def test_the_report_of_a_run_is_found_again_while_the_next_goes_on(folder: Path) -> None:
    write_files(folder, {"ci-itest.toml": "", "tests/integration/test_a.py": "def test_one(): pass\n"})
    made = ci_itest(folder, "run", "--set", "history.store=history.sqlite").stdout.strip()
    new_run_folder(folder, "the-next")

    ended = ci_itest(folder, "report", "open", "--print")

    assert ended.stdout.strip() == (folder / made).resolve().as_uri(), ended.stderr


def test_no_report_is_said(folder: Path) -> None:
    ended = ci_itest(folder, "report", "open", "--print")

    assert ended.returncode == 74
    assert "ci-itest merge FILES" in ended.stderr


@pytest.mark.parametrize(("fail_on", "exit_code"), [("failures", 1), ("new-failures", 0)])
def test_failures_of_the_base_can_be_let_pass(folder: Path, fail_on: str, exit_code: int) -> None:
    put(folder, one=RED)
    ci_itest(folder, "merge", "reports", "--out", "before")

    ended = ci_itest(folder, "merge", "reports", "--base", "before/run.json", "--fail-on", fail_on)

    assert ended.returncode == exit_code


def test_a_new_failure_fails_whatever_the_base_holds(folder: Path) -> None:
    put(folder, one=RED)
    (folder / "base.xml").write_text(RED.replace(FAILURE, ""))

    ended = ci_itest(folder, "merge", "reports", "--base", "base.xml", "--fail-on", "new-failures")

    assert ended.returncode == 1
    assert "new since the base run" in (folder / ".ci-itest/report/comment.md").read_text()


def test_a_base_that_is_missing_forgives_nothing(folder: Path) -> None:
    put(folder, one=RED)

    ended = ci_itest(folder, "merge", "reports", "--base", "gone.xml", "--fail-on", "new-failures")

    assert ended.returncode == 1
