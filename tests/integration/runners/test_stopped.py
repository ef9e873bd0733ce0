"""Runners that write JUnit at their end, and are ended before it: what had ended by then is not lost."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.flows.reported import reported
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import started
from ci_itest.runners.base import ShardRequest
from ci_itest.runners.registry import runner_named
from ci_itest.waiting import wait_until
from tests.conftest import skip_or_fail
from tests.helpers.suites import write_files

GO = """
    package prices

    import (
        "os"
        "testing"
        "time"
    )

    func TestAddsUp(t *testing.T) {}

    func TestIsWrong(t *testing.T) { t.Error("one is not two") }

    func TestHangs(t *testing.T) {
        os.WriteFile("../hanging", nil, 0o600)
        time.Sleep(time.Hour)
    }
"""
PHP = """
    <?php
    final class PricesTest extends PHPUnit\\Framework\\TestCase
    {
        public function testAddsUp(): void { $this->assertTrue(true); }
        public function testIsWrong(): void { $this->assertSame(1, 2); }
        public function testHangs(): void { touch('hanging'); sleep(3600); }
    }
"""
PHP_LATER = """
    <?php
    final class ZonesTest extends PHPUnit\\Framework\\TestCase
    {
        public function testIsNeverReached(): void { $this->assertTrue(true); }
    }
"""


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Started in the background of a script we would ignore SIGINT, and so would what we start."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.mark.parametrize(
    ("settings", "program", "files", "cases"),
    [
        (
            SuiteSettings(runner="go", tests=(".",)),
            "gotestsum",
            {"go.mod": "module example.com/shop\n\ngo 1.19\n", "prices/prices_test.go": GO},
            ("TestAddsUp", "TestIsWrong", "TestHangs"),
        ),
        (
            SuiteSettings(runner="phpunit"),
            "phpunit",
            {"tests/PricesTest.php": PHP, "tests/ZonesTest.php": PHP_LATER},
            ("testAddsUp", "testIsWrong", "testHangs"),
        ),
    ],
    ids=["go", "phpunit"],
)
def test_what_ended_before_the_runner_was_stopped_counts_and_what_ran_is_named(
    settings: SuiteSettings,
    program: str,
    files: dict[str, str],
    cases: tuple[str, str, str],
    tmp_path: Path,
    interruptible: None,
) -> None:
    if shutil.which(program) is None:
        skip_or_fail(f"There is no {program} on this machine")
    root = write_files(tmp_path / "it", files)
    runner = runner_named(settings.runner)
    found = runner.list_files(settings, root=root, suite="main")
    (tmp_path / "scratch").mkdir()
    request = ShardRequest(
        suite="main",
        settings=settings,
        root=root,
        index=1,
        count=1,
        files=found,
        planned=found,
        results=tmp_path / "results",
        environment=runner.tool_environment(settings, root=root, environment=os.environ),
        scratch=tmp_path / "scratch",
    )
    launch, lines = runner.launch(request), list[str]()

    environment = {**request.environment, **launch.environment}
    with started(launch.command, directory=root, environment=environment, line=lines.append) as child:
        wait_until(lambda: "" if (root / "hanging").exists() else "\n".join(lines) or "no output", within_seconds=120)
        child.stop(grace_seconds=30.0, asked_by=launch.ended_by)
    told = reported(launch.reports, {}, runner, request, at="2026-01-01T00:00:00+00:00", was_stopped=True)

    ends = {event["id"].partition("::")[2]: event["outcome"] for event in told.events if event["event"] == "end"}
    starts = [event["id"].partition("::")[2] for event in told.events if event["event"] == "start"]
    assert ends == {cases[0]: "passed", cases[1]: "failed"}, "\n".join(lines)
    assert set(starts) - set(ends) == {cases[2]}
    assert told.deaths == ()
