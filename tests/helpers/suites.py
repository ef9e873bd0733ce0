"""Small real suites on disk, and the ways to run them: the runner alone, or the command line."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ci_itest.model.cases import Outcome
from ci_itest.model.settings import Seconds, SuiteSettings
from ci_itest.process import Ended, output_of, run
from ci_itest.runners.base import RunnerResult, ShardRequest
from ci_itest.runners.pytest import SELECTION, PytestRunner

FOREIGN_PLUGINS = ("anyio", "hypothesispytest", "pact", "platformdirs", "pytest_httpserver", "schemathesis")
WITHOUT_FOREIGN_PLUGINS = " ".join(f"-p no:{name}" for name in FOREIGN_PLUGINS)
"""Our own environment has plugins that load 3 s of modules into every pytest process, and nothing these suites need."""


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """The files in the folder, made where it is not there."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root


def suite_environment(**variables: str) -> dict[str, str]:
    """What a suite starts from: this process's environment, our own Python as the tests' own."""
    fixed = {"VIRTUAL_ENV": str(Path(sys.executable).parent.parent), "PYTEST_ADDOPTS": WITHOUT_FOREIGN_PLUGINS}
    return {**os.environ, **fixed, **variables}


def ci_itest_command(*arguments: str) -> list[str]:
    return [sys.executable, "-I", "-m", "ci_itest", *arguments]


def ci_itest(*arguments: str, root: Path, **variables: str) -> tuple[int, str]:
    """Exit code and all output of the command line in a folder."""
    environment = suite_environment(**variables)
    return output_of(ci_itest_command(*arguments), directory=root, environment=environment, within_seconds=300)


@dataclass(frozen=True)
class Ran:
    """How a shard's tests ended.

    Attributes:
        exit_code: Of pytest.
        output: Lines that pytest printed.
        note: What the launch had to say.
        explanation: What the runner makes of the exit code.
    """

    result: RunnerResult
    exit_code: int
    output: str
    note: str
    explanation: str

    @property
    def outcomes(self) -> dict[str, list[str]]:
        """Case name (after the file) to the outcomes of its attempts, in order."""
        found: dict[str, list[str]] = {}
        for attempt in self.result.attempts:
            found.setdefault(attempt.case.name, []).append(attempt.outcome.value)
        return found

    @property
    def cases(self) -> list[str]:
        """Node ids of the cases that have a result, one for each first attempt."""
        return [attempt.case.node_id for attempt in self.result.attempts if attempt.number == 1]

    @property
    def running(self) -> list[str]:
        return [case.name for case in self.result.running]

    @property
    def never_ran(self) -> list[str]:
        """Names of the cases that were collected and have neither a result nor a start."""
        known = {attempt.case for attempt in self.result.attempts} | set(self.result.running)
        return [case.name for case in self.result.collected if case not in known]

    def message(self, name: str) -> str:
        """Of the case's last attempt that failed."""
        bad = (Outcome.FAILED, Outcome.ERROR)
        return [one.message for one in self.result.attempts if one.case.name == name and one.outcome in bad][-1]

    def details(self, name: str) -> str:
        return "\n".join(one.details for one in self.result.attempts if one.case.name == name)


@dataclass(frozen=True)
class SmallSuite:
    """A suite on disk, run shard by shard through the real runner and the real pytest.

    Attributes:
        planned: Files of each shard; () for one shard of all files found.
        tests: As in the settings.
        grace_seconds: How long a case may outlive case_timeout.
        queues: What each worker is to run, as recorded.
        only: The only cases to run.
        seed: For plugins that shuffle or draw.
    """

    root: Path
    planned: tuple[tuple[str, ...], ...] = ()
    tests: tuple[str, ...] = ("tests",)
    arguments: tuple[str, ...] = ()
    markers: str = ""
    retries: int = 0
    case_timeout: float = 0.0
    workers: int = 1
    grace_seconds: float = 5.0
    variables: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[tuple[str, tuple[str, ...]], ...] = ()
    only: tuple[str, ...] = ()
    seed: str = ""

    def but(self, **changes: Any) -> SmallSuite:
        return replace(self, **changes)

    @property
    def settings(self) -> SuiteSettings:
        return SuiteSettings(
            tests=self.tests,
            arguments=self.arguments,
            markers=self.markers,
            retries=self.retries,
            case_timeout=Seconds(self.case_timeout),
        )

    def request(self, index: int = 1) -> ShardRequest:
        """The request of one shard."""
        runner = PytestRunner()
        divided = self.planned or (runner.list_files(self.settings, root=self.root, suite="main"),)
        environment = suite_environment(**self.variables)
        results = self.root / f"results-{index}"
        results.mkdir(exist_ok=True)
        return ShardRequest(
            suite="main",
            settings=self.settings,
            root=self.root,
            index=index,
            count=len(divided),
            files=tuple(divided[index - 1]),
            planned=tuple(sorted(file for files in divided for file in files)),
            results=results,
            environment=runner.tool_environment(self.settings, root=self.root, environment=environment),
            workers=self.workers,
            queues=self.queues,
            only=self.only,
            seed=self.seed,
        )

    def run(self, index: int = 1, *, within_seconds: float = 60.0) -> Ran:
        """Run one shard to its end."""
        request, runner, lines = self.request(index), PytestRunner(), list[str]()
        launch = runner.launch(request)
        selection = request.results / SELECTION
        selection.write_text(json.dumps({**json.loads(selection.read_text()), "grace_seconds": self.grace_seconds}))
        ended: Ended = run(
            launch.command,
            directory=self.root,
            environment={**request.environment, **launch.environment},
            line=lines.append,
            within_seconds=within_seconds,
        )
        assert not ended.timed_out, "\n".join(lines)
        return Ran(
            result=runner.read(request.results, suite="main"),
            exit_code=ended.exit_code,
            output="\n".join(lines),
            note=launch.note,
            explanation=runner.explain_exit(ended.exit_code, has_failures=False),
        )
