"""What failed tests left goes beside the page; what a hostile bundle names does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.flows.attachments import FOLDER, keep_attachments
from ci_itest.model.cases import Outcome
from ci_itest.model.run import Run
from tests.helpers.runs import result
from tests.helpers.runs import run as run_of

BUNDLE = "ci-itest-main-1-a1/results/attachments"


def failed(*names: str) -> Run:
    """A run whose one failed case names these attachments."""
    output = "\n".join(f"[[ATTACHMENT|{name}]]" for name in names)
    return run_of(cases=[result("test_it", [Outcome.FAILED], output=output)])


def written(folder: Path, name: str, data: bytes = b"x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder / FOLDER)) for path in (folder / FOLDER).rglob("*") if path.is_file())


def test_attachments_of_failed_cases_are_copied_beside_the_page(tmp_path: Path) -> None:
    written(tmp_path / "bundles", f"{BUNDLE}/001-screenshot.png", b"png")

    folders = keep_attachments(failed(f"{BUNDLE}/001-screenshot.png"), tmp_path / "bundles", tmp_path / "report")

    assert set(folders.values()) == {FOLDER}
    assert (tmp_path / "report" / FOLDER / BUNDLE / "001-screenshot.png").read_bytes() == b"png"


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", f"{BUNDLE}/page.html", f"{BUNDLE}/none.png", "a/../../secret.png"]
)
def test_what_lies_elsewhere_or_could_run_is_left(tmp_path: Path, name: str) -> None:
    written(tmp_path, "secret.png")
    written(tmp_path / "bundles", f"{BUNDLE}/page.html")

    assert keep_attachments(failed(name), tmp_path / "bundles", tmp_path / "report") == {}
    assert kept(tmp_path / "report") == []


def test_a_link_out_of_the_bundle_is_left(tmp_path: Path) -> None:
    secret = written(tmp_path, "secret.png")
    link = written(tmp_path / "bundles", f"{BUNDLE}/001.png")
    link.unlink()
    link.symlink_to(secret)
    folder = tmp_path / "bundles" / "ci-itest-main-2-a1"
    folder.symlink_to(tmp_path)

    run = failed(f"{BUNDLE}/001.png", "ci-itest-main-2-a1/secret.png")

    assert keep_attachments(run, tmp_path / "bundles", tmp_path / "report") == {}


def test_cases_that_passed_leave_nothing(tmp_path: Path) -> None:
    written(tmp_path / "bundles", f"{BUNDLE}/001.png")
    run = failed(f"{BUNDLE}/001.png")
    (case,) = run.cases
    passed = replace(case, attempts=tuple(replace(one, outcome=Outcome.PASSED) for one in case.attempts))

    assert keep_attachments(replace(run, cases=(passed,)), tmp_path / "bundles", tmp_path / "report") == {}
