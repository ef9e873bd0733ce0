"""One contract for every runner: its suite is planned, run in shards, judged, and replayed the same way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import get_args, get_type_hints

import pytest

from ci_itest.config.reader import read_config
from ci_itest.errors import CiItestError
from ci_itest.flows.bundles import BundleFolder, read_bundle
from ci_itest.model.cases import Verdict
from ci_itest.model.run import Run, ShardResult, StopReason
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import started
from ci_itest.runners.registry import runner_named
from ci_itest.waiting import wait_until
from ci_itest.wire import read_document
from tests.helpers.runner import commands
from tests.helpers.runner_dying import DYING
from tests.helpers.runner_samples import COMMANDS, SAMPLES, Sample, variables
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

IN_A_PUSH = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REPOSITORY_ID": "1",
    "GITHUB_RUN_ID": "7",
    "GITHUB_SHA": "1" * 40,
    "GITHUB_WORKFLOW_REF": "acme/shop/.github/workflows/ci.yml@refs/heads/main",
}


@dataclass(frozen=True)
class Ran:
    """A whole run of a sample in two shards."""

    root: Path
    code: int
    output: str
    run: Run

    @property
    def verdicts(self) -> dict[str, str]:
        return {result.case.node_id: str(result.verdict) for result in self.run.cases}


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[str(request.param)]


_FOLDERS: list[Path] = []


@cache
def ran(name: str) -> Ran:
    root = SAMPLES[name].write(Path(mkdtemp(prefix=f"ci-itest-{name}-")))
    _FOLDERS.append(root)
    code, output = ci_itest("run", "--set", "shards=2", root=root, **variables(root))
    report = root / ".ci-itest/latest/report/run.json"
    assert report.exists(), output
    return Ran(root, code, output, read_document(report, Run))


@pytest.fixture(scope="module", autouse=True)
def folders_are_removed() -> Iterator[None]:
    yield
    for folder in _FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)


def planned(sample: Sample, root: Path, **settings: str) -> Path:
    """The sample in a folder of its own, planned for one shard."""
    sample.write(root)
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    code, output = ci_itest("plan", "--shards", "1", *options, root=root)
    assert code == 0, output
    return root


def shard_of(root: Path, sample: Sample) -> ShardResult:
    folder = next((root / ".ci-itest").glob("ci-itest-main-1-*"))
    return read_bundle(BundleFolder(folder), runner_of=lambda _: runner_named(sample.name))


def test_every_case_is_named_and_judged(sample: Sample) -> None:
    found = ran(sample.name)

    assert found.verdicts == sample.verdicts, found.output
    assert found.code == 1
    assert found.run.findings == ()


def test_the_plan_s_files_are_divided_and_each_is_run_once(sample: Sample) -> None:
    run = ran(sample.name).run

    assert len(run.shards) == 2
    taken = [listed.file for shard in run.shards for listed in shard.listed if listed.is_mine]
    assert sorted(taken) == sorted({sample.plain, sample.odd, sample.flaky})


def test_a_retry_that_passes_keeps_the_failure_before_it(sample: Sample) -> None:
    (recovered,) = ran(sample.name).run.with_verdict(Verdict.RECOVERED)

    assert [str(attempt.outcome) for attempt in recovered.attempts] == ["failed", "passed"]
    assert recovered.attempts[0].message


def test_a_failure_says_why_in_each_of_its_attempts(sample: Sample) -> None:
    (failed,) = ran(sample.name).run.with_verdict(Verdict.FAILED)

    assert len(failed.attempts) == 2
    for attempt in failed.attempts:
        assert attempt.message
        assert "\n" not in attempt.message
        assert attempt.details


def test_a_failed_case_is_replayed_alone(sample: Sample) -> None:
    root = ran(sample.name).root

    code, output = ci_itest(
        "replay", ".ci-itest/latest", "--only", sample.failing, "--here", root=root, **variables(root)
    )

    assert code == 1, output
    (folder,) = (root / ".ci-itest/replays/results").iterdir()
    replayed = read_bundle(BundleFolder(folder), runner_of=lambda _: runner_named(sample.name))
    assert {attempt.case.node_id for attempt in replayed.attempts} == {sample.failing}


SHUFFLED = {
    "vitest": "--sequence.shuffle",
    "jest": "--randomize",
    "playwright": "--forbid-only",
    "go": "-shuffle=on",
    "phpunit": "--order-by=random",
    "command": "",
}
"""Has the runner draw an order; Playwright has one order, and for a command the order is that of its files."""


@pytest.mark.parametrize("name", SHUFFLED)
def test_a_replay_has_the_order_of_files_and_cases_that_was_drawn(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    root = sample.write(tmp_path / "it")
    options = ("--set", f"arguments={SHUFFLED[name]}") if SHUFFLED[name] else ()
    code, output = ci_itest("run", "--set", "shards=1", *options, root=root, **variables(root))
    assert code == 1, output

    code, output = ci_itest("replay", ".ci-itest/latest", "--here", root=root, **variables(root))

    assert code == 1, output
    assert f"failed there and here: {sample.failing}" in output
    assert "Every worker ran what it ran there, in the same order (" in output, output


def test_another_division_gives_the_same_ids_and_no_workflow_command_gets_through(
    sample: Sample, tmp_path: Path
) -> None:
    root = planned(sample, tmp_path / "it")

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **variables(root), **IN_A_PUSH)

    assert code == 1, output
    assert {case.node_id for case in shard_of(root, sample).collected} == set(sample.verdicts)
    assert [found.name for found in commands(output) if found.name not in ("group", "endgroup")] == []
    assert "boom" in output, f"{COMMANDS[0]} is shown, and is no command"


def test_a_runner_that_dies_half_way_stops_the_shard_and_is_named(sample: Sample, tmp_path: Path) -> None:
    if not sample.crash:
        pytest.skip(f"{sample.name} has no single process to lose; see the test of those that die")
    root = planned(sample, tmp_path / "it")
    write_files(root, {sample.plain: sample.crash})

    code, output = ci_itest("run-shard", "--shard", "1", "--set", "retries=0", root=root, **variables(root))

    shard = shard_of(root, sample)
    assert code == 2, output
    assert shard.stop_reason is StopReason.RUNNER
    assert "ended by signal 9 (SIGKILL)" in shard.message


@pytest.mark.parametrize("name", DYING)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_costs_its_own_file_and_is_named(name: str, workers: int, tmp_path: Path) -> None:
    sample, dying = SAMPLES[name], DYING[name]
    root = sample.write(tmp_path / "it")
    write_files(root, dying.files)

    options = ("--set", "shards=1", "--set", f"workers={workers}")
    code, output = ci_itest("run", *options, root=root, **variables(root))

    run = read_document(root / ".ci-itest/latest/report/run.json", Run)
    verdicts = {result.case.node_id: str(result.verdict) for result in run.cases}
    assert code == 5, output
    assert {case: verdicts.get(case) for case in sample.verdicts} == sample.verdicts, output
    assert {case: verdicts.get(case) for case in dying.verdicts} == dying.verdicts, output
    assert len(verdicts) == len(sample.verdicts) + len(dying.verdicts), output
    (finding,) = run.findings
    for words in dying.named:
        assert words in finding.message


def test_a_runner_that_hangs_is_ended_with_all_it_started(sample: Sample, tmp_path: Path) -> None:
    root = planned(sample, tmp_path / "it")
    write_files(root, {sample.hanging or sample.plain: sample.hang})
    lines: list[str] = []
    options = ("--set", "shard_timeout=1h", "--set", "case_timeout=0")

    with started(
        ci_itest_command("run-shard", "--shard", "1", *options),
        directory=root,
        environment=suite_environment(**variables(root)),
        line=lines.append,
        grace_seconds=30.0,
    ) as child:
        wait_until(lambda: "" if (root / "hanging").exists() else "\n".join(lines) or "no output", within_seconds=120)
        child.stop(grace_seconds=30.0)

    assert shard_of(root, sample).stop_reason is StopReason.CANCELLED
    wait_until(lambda: " ".join(living(root)), within_seconds=30)


def living(root: Path) -> list[str]:
    """Processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == root and int(process.name) != os.getpid():
                found.append(process.name)
    return found


def test_a_runner_over_its_time_is_stopped_and_what_it_had_written_by_then_counts(tmp_path: Path) -> None:
    calls = """
        runner = "command"
        test_files = ["tests/*.sh"]
        [command]
        run = "sh {files} {junit}"
        each = true
    """
    quick = """echo '<testsuite><testcase name="adds up"/></testsuite>' > "$1/quick.xml"\n"""
    files = {"tests/a.sh": quick, "tests/b.sh": "sleep 3600\n", "ci-itest.toml": calls}
    root = planned(replace(SAMPLES["command"], files=files, settings=calls), tmp_path / "it")

    code, output = ci_itest("run-shard", "--shard", "1", "--set", "shard_timeout=3s", root=root)

    shard = shard_of(root, SAMPLES["command"])
    assert code == 5, output
    assert "The tests ran longer than shard_timeout (3 s)." in output
    assert [attempt.case.node_id for attempt in shard.attempts] == ["tests/a.sh::adds up"]


def test_a_shard_whose_files_are_gone_is_no_green_one(sample: Sample, tmp_path: Path) -> None:
    root = planned(sample, tmp_path / "it")
    for name in sample.files:
        if name.startswith((sample.plain, sample.odd, sample.flaky)):
            (root / name).unlink()

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **variables(root))

    assert code == 2, output
    assert "Shard 1/1 of main has no test file." in output


@pytest.mark.parametrize(
    ("name", "package"), [("vitest", "vitest"), ("jest", "jest"), ("playwright", "@playwright/test")]
)
def test_a_runner_that_is_not_installed_says_how_to_install_it(name: str, package: str, tmp_path: Path) -> None:
    root = planned(SAMPLES[name], tmp_path / "it")
    (root / "node_modules").unlink()

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **variables(root))

    assert code == 2, output
    assert f"{package} is not installed: there is no node_modules/{package}" in output
    assert f"npm install --save-dev {package}" in output


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [("vitest", "vitest", "2.1.9"), ("jest", "jest", "26.6.3"), ("playwright", "@playwright/test", "1.39.0")],
)
def test_a_runner_that_is_too_old_is_named_with_its_version(
    name: str, package: str, version: str, tmp_path: Path
) -> None:
    root = planned(SAMPLES[name], tmp_path / "it")
    (root / "node_modules").unlink()
    manifest = f'{{"version": "{version}", "bin": {{"{name}": "cli.js"}}}}'
    write_files(root, {f"node_modules/{package}/package.json": manifest})

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **variables(root))

    assert code == 2, output
    assert f"{package} {version} is installed" in output
    assert "is the oldest that works" in output


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("vitest", "--reporter=json"),
        ("jest", "--reporters=jest-silent"),
        ("playwright", "--reporter=json"),
        ("go", "-json"),
        ("phpunit", "--testdox"),
    ],
)
def test_a_reporter_among_the_arguments_loses_no_case_in_silence(name: str, argument: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    root = planned(sample, tmp_path / "it", arguments=argument)

    code, output = ci_itest("run-shard", "--shard", "1", root=root, **variables(root))

    shard = shard_of(root, sample)
    if shard.stop_reason is StopReason.NONE:
        assert {case.node_id for case in shard.collected} == set(sample.verdicts), output
    else:
        assert code == 2, output
        assert argument in output or "reporter" in output


def test_a_command_that_leaves_no_report_is_no_green_one(tmp_path: Path) -> None:
    sample = SAMPLES["command"]
    root = planned(sample, tmp_path / "it")

    code, output = ci_itest("run-shard", "--shard", "1", "--config", str(silent(root)), root=root)

    assert code == 2, output
    assert "command ended and left no JUnit file with a case" in output
    assert "what it printed" in output


def silent(root: Path) -> Path:
    text = '[command]\nrun = "echo what it printed # {files} {junit}"\n'
    settings = root / "silent.toml"
    settings.write_text(f'runner = "command"\ntest_files = ["**/*.cases"]\n{text}')
    return settings


def test_every_runner_of_the_settings_has_an_adapter() -> None:
    for name in get_args(get_type_hints(SuiteSettings)["runner"]):
        assert runner_named(name).name == name
    with pytest.raises(CiItestError):
        runner_named("vitets")


PAGES = {
    "pytest": ("pytest", ""),
    "vitest": ("Vitest", "examples/node"),
    "jest": ("Jest", "examples/node"),
    "playwright": ("Playwright", "fixtures.md#from-other-languages"),
    "go": ("go test", "examples/go"),
    "phpunit": ("PHPUnit", "examples/php"),
    "dotnet": ("dotnet test", "examples/dotnet"),
    "command": ("Any command", ""),
}
"""Heading of each runner's page, and where its reader is sent for a database of each worker."""


def test_every_runner_has_its_page() -> None:
    assert set(PAGES) == set(get_args(get_type_hints(SuiteSettings)["runner"]))


@pytest.mark.parametrize("name", PAGES)
def test_a_runner_s_page_has_settings_that_are_read_a_workflow_and_a_recipe(name: str, tmp_path: Path) -> None:
    heading, recipe = PAGES[name]
    docs = (Path(__file__).resolve().parents[2] / "docs" / "runners.md").read_text()
    page = docs.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    write_files(tmp_path, {"ci-itest.toml": page.partition("```toml\n")[2].partition("```")[0]})

    (suite,) = read_config(tmp_path, file=None, environment={}, overrides={}).settings.suites.values()

    assert suite.runner == name
    assert "\njobs:" in page.partition("```yaml\n")[2].partition("```")[0]
    assert recipe in page


NODE_S_OWN = """
    const { test, describe } = require("node:test");
    const assert = require("node:assert");
    describe("cart", () => {
      test("adds up", () => assert.equal(1 + 1, 2));
      test("is wrong", () => assert.equal(1, 2));
    });
"""


def test_the_recipe_for_node_s_own_runner_works(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "runners.md").read_text()
    recipe = page.partition("Node's own runner (tested):")[2].partition("```toml\n")[2].partition("```")[0]
    root = write_files(
        tmp_path, {"ci-itest.toml": recipe, "tests/a.test.js": NODE_S_OWN, "tests/b.test.js": NODE_S_OWN}
    )

    code, output = ci_itest("run", "--set", "shards=1", root=root)

    run = read_document(root / ".ci-itest/latest/report/run.json", Run)
    assert code == 1, output
    assert {result.case.file: len(result.attempts) for result in run.with_verdict(Verdict.FAILED)} == {
        "tests/a.test.js": 2,
        "tests/b.test.js": 2,
    }
    assert len(run.with_verdict(Verdict.PASSED)) == 2
    assert run.findings == ()
