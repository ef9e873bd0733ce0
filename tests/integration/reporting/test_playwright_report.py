"""Playwright's own report of all shards: merged by the Playwright of the suite, refused for what is hostile."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from ci_itest.errors import RunnerError
from ci_itest.flows.playwright_report import FOLDER, merge_command, merged_reports
from ci_itest.model.recording import Surroundings
from ci_itest.wire import write_document
from tests.helpers.runner_samples import EXAMPLES, PLAYWRIGHT, variables
from tests.helpers.suites import ci_itest

SECRET = "s3cr3t-w0rd"
TELLS = """
const { test, expect } = require("@playwright/test");
test("tells", async ({}, info) => {
  await info.attach("header", { body: process.env.API_TOKEN, contentType: "text/plain" });
  expect(process.env.API_TOKEN).toBe("another");
});
"""


def bundle(bundles: Path, *, index: int = 1, attempt: int = 1, version: str = "1.65.1", suite: str = "main") -> Path:
    """A bundle that says which Playwright ran; its folder for blob reports."""
    folder = bundles / f"ci-itest-{suite}-{index}-a{attempt}"
    (folder / "results" / "blob").mkdir(parents=True)
    write_document(folder / "environment.json", Surroundings(versions=(("@playwright/test", version),)))
    return folder / "results" / "blob"


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


def why_none(bundles: Path, *, wish: str = "on", path: str = os.environ["PATH"]) -> str:
    found = merged_reports(bundles, bundles / "report", wish=wish, root=None, environment={"PATH": path})
    assert found.pages == ()
    return " ".join(found.notes)


def test_the_shards_reports_are_one_page_linked_from_ours_with_no_secret_in_it(tmp_path: Path) -> None:
    root = PLAYWRIGHT.write(tmp_path / "it")
    (root / "tests/tells.spec.js").write_text(TELLS)

    code, output = ci_itest("run", "--set", "shards=2", root=root, **variables(root), API_TOKEN=SECRET)

    assert code == 1, output
    report = root / ".ci-itest/latest/report"
    assert (report / FOLDER / "main" / "index.html").is_file(), output
    assert f'href="./{FOLDER}/main/index.html"' in (report / "report.html").read_text()
    whole = [path.read_bytes() for path in (root / ".ci-itest/latest").rglob("*") if path.is_file()]
    assert not [data for data in whole if SECRET.encode() in data]
    for path in (root / ".ci-itest/latest").rglob("*.zip"):
        with zipfile.ZipFile(path) as file:
            assert not [name for name in file.namelist() if SECRET.encode() in file.read(name)]


def test_the_newest_attempt_of_each_shard_is_merged(tmp_path: Path) -> None:
    root = PLAYWRIGHT.write(tmp_path / "it")
    ci_itest("run", "--set", "shards=1", "--set", "report.playwright=off", root=root, **variables(root))
    bundles = root / ".ci-itest/latest/bundles"
    newest = bundles / "ci-itest-main-1-a2"
    shutil.copytree(bundles / "ci-itest-main-1-a1", newest)
    (bundles / "ci-itest-main-1-a1/results/blob/report.zip").write_bytes(b"is not read")

    found = merged_reports(bundles, tmp_path / "report", wish="auto", root=root, environment=os.environ)

    assert not (root / ".ci-itest/latest/report" / FOLDER).exists(), "off means off"
    assert found.notes == ()
    assert found.pages == (("main", f"./{FOLDER}/main/index.html"),)


def test_without_a_blob_report_there_is_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "ci-itest-main-1-a1").mkdir()

    assert why_none(tmp_path) == ""
    assert why_none(tmp_path / "none") == ""


@pytest.mark.parametrize("name", ["../out.js", "/etc/cron.d/it", "a/../../b", "..\\out", "c:/out"])
def test_a_report_that_would_unpack_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    zipped(bundle(tmp_path) / "report.zip", "report.jsonl", name)

    assert "ci-itest-main-1-a1 has a blob report that is not to be unpacked" in why_none(tmp_path)


def test_a_report_that_is_cut_off_is_named(tmp_path: Path) -> None:
    (bundle(tmp_path) / "report.zip").write_bytes(b"PK\x03\x04")

    assert "ci-itest-main-1-a1 has a blob report that cannot be read" in why_none(tmp_path)


@pytest.mark.parametrize("version", ["1.65.1; rm -rf /", "file:../evil", "next", "", "2.0.0-alpha"])
def test_a_version_that_is_no_released_one_is_not_fetched(tmp_path: Path, version: str) -> None:
    zipped(bundle(tmp_path, version=version) / "report.zip", "report.jsonl")

    assert "the shards do not name one released version of Playwright" in why_none(tmp_path)


def test_shards_that_ran_with_two_versions_are_not_merged(tmp_path: Path) -> None:
    for index, version in ((1, "1.65.1"), (2, "1.64.0")):
        zipped(bundle(tmp_path, index=index, version=version) / "report.zip", "report.jsonl")

    assert "do not name one released version" in why_none(tmp_path)


def test_the_report_job_says_what_to_set(tmp_path: Path) -> None:
    zipped(bundle(tmp_path) / "report.zip", "report.jsonl")

    assert 'Set playwright = "on" in [report]' in why_none(tmp_path, wish="auto")
    assert why_none(tmp_path, wish="off") == ""


def test_a_machine_without_node_is_told_so(tmp_path: Path) -> None:
    zipped(bundle(tmp_path) / "report.zip", "report.jsonl")

    assert "there is no node with npx on PATH" in why_none(tmp_path, path=str(tmp_path))


def test_what_playwright_refuses_is_shown(tmp_path: Path) -> None:
    zipped(bundle(tmp_path) / "report.zip", "report.jsonl")
    if not (EXAMPLES / "playwright/node_modules").is_dir():
        pytest.skip("examples/playwright is not installed (make deps)")

    found = merged_reports(
        tmp_path, tmp_path / "report", wish="auto", root=EXAMPLES / "playwright", environment=os.environ
    )

    assert found.pages == ()
    assert "`playwright merge-reports` ended with code 1. It said:" in found.notes[0]


def test_the_report_job_takes_playwright_of_the_shards_version_by_npx() -> None:
    command = merge_command("1.65.1", may_fetch=True, root=None, path=os.environ["PATH"])

    assert Path(command[0]).name == "npx"
    assert command[1:] == ["--yes", "playwright@1.65.1"]


def test_nothing_is_fetched_unasked() -> None:
    with pytest.raises(RunnerError):
        merge_command("1.65.1", may_fetch=False, root=None, path=os.environ["PATH"])
