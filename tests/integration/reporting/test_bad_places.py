"""Files that cannot be read and places that cannot be written to, as the system itself refuses them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.errors import FileError
from ci_itest.flows.merge_reports import find_reports, merge_reports
from ci_itest.flows.publish import ReportFormat, publish
from ci_itest.flows.publish_reports import publish_reports
from ci_itest.junit.reader import read_report
from ci_itest.junit.values import FileState
from ci_itest.model.run import Conclusion, RunFacts
from tests.helpers.junit_files import case, document, suite
from tests.helpers.runs import AT, failing_run

NOBODY = 65_534
FACTS = RunFacts("", "", AT)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def report(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(document(suite("".join(case(f"{name}_{number}") for number in range(2_000)))))
    return path


def test_a_file_that_vanished_before_it_was_read_is_a_finding(tmp_path: Path) -> None:
    gone = report(tmp_path, "gone.xml")
    report(tmp_path, "here.xml")
    found, searched = find_reports([tmp_path])
    gone.unlink()

    merged = merge_reports(found, FACTS, searched=searched)

    assert len(merged.cases) == 2_000
    assert [finding.message for finding in merged.run.findings] == [
        "The report gone.xml is not whole: it cannot be read: No such file or directory."
    ]


def test_a_file_that_vanishes_before_it_is_merged_into_one_keeps_its_cases_there(tmp_path: Path) -> None:
    gone, here = report(tmp_path, "gone.xml"), report(tmp_path, "here.xml")
    merged = merge_reports([gone, here], FACTS)
    gone.unlink()

    publish_reports(merged, folder=tmp_path / "out", title="T", key="k", at=AT, formats=[ReportFormat.JUNIT])

    assert len(read_report(tmp_path / "out" / "junit.xml").cases) == 4_000


def test_a_file_whose_reading_fails_halfway_is_refused() -> None:
    # Linux opens a process's memory and then gives an error for its first page.
    file = read_report(Path("/proc/self/mem"))

    assert file.state is FileState.REFUSED
    assert "cannot be read" in file.problem


@as_root
def test_a_file_that_nobody_may_read_is_a_finding(tmp_path: Path) -> None:
    path = report(tmp_path, "secret.xml")
    path.chmod(0o600)
    os.seteuid(NOBODY)
    try:
        file = read_report(path)
    finally:
        os.seteuid(0)

    assert file.state is FileState.REFUSED
    assert file.problem == "it cannot be read: Permission denied"


@as_root
def test_without_space_the_merged_files_report_is_an_error_and_the_old_page_stays(
    tmp_path: Path, small_disk: Path
) -> None:
    (small_disk / "report.html").write_text("the page of yesterday")
    (small_disk / "full").write_bytes(b"x" * 50_000)
    merged = merge_reports([report(tmp_path, "a.xml")], FACTS)

    with pytest.raises(FileError, match="No space left on device") as error:
        publish_reports(merged, folder=small_disk, title="T", key="k", at=AT)

    assert "space" in error.value.hint
    assert (small_disk / "report.html").read_text() == "the page of yesterday"
    assert {path.name for path in small_disk.iterdir()} == {"report.html", "full"}


@as_root
def test_without_space_a_runs_report_is_an_error(small_disk: Path) -> None:
    (small_disk / "full").write_bytes(b"x" * 60_000)

    with pytest.raises(FileError, match="No space left on device"):
        publish(failing_run(), folder=small_disk, title="T", key="k", at=AT)

    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_two_thirds_of_a_report_never_turn_green(tmp_path: Path) -> None:
    path = report(tmp_path, "a.xml")
    os.truncate(path, path.stat().st_size * 2 // 3)

    published = publish_reports(
        merge_reports([path], FACTS), folder=tmp_path / "out", title="T", key="k", at=AT, formats=()
    )

    assert published.view.conclusion is Conclusion.INCOMPLETE
