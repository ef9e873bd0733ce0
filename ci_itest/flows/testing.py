"""The tests of a shard: launched, watched, what failed launched again, and all of it kept in the journal."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ci_itest import process
from ci_itest.errors import RunnerError
from ci_itest.flows.commands import Log
from ci_itest.flows.merge import case_results
from ci_itest.flows.reported import Reported, reported, stamps
from ci_itest.masking import json_line_masker, secrets_of
from ci_itest.model.cases import COLLECTION_NAME, Verdict
from ci_itest.model.progress import Step
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.planning.partition import claiming_shard
from ci_itest.runners.base import Launch, Runner, ShardRequest
from ci_itest.runners.files import files_as_recorded

JOURNAL = "main.jsonl"
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Tested:
    """How the test runner ended.

    Attributes:
        exit_code: -1 when it never ran or was killed.
        message: Why it stopped early, in words; "" when it did not.
    """

    exit_code: int = -1
    stop_reason: StopReason = StopReason.NONE
    message: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is done with the news of the tests.

    Attributes:
        line: Called with each line they print.
        launched: Called before each start.
        report: Told how many cases have ended, twice a second.
        now: The time, UTC ISO 8601.
        held: Sees to it that a process group does not outlive us.
    """

    log: Log
    line: Callable[[str], None]
    launched: Callable[[Launch], None]
    report: Callable[[Step], None]
    now: Callable[[], str]
    held: Callable[[int], contextlib.AbstractContextManager[None]]


def run_tests(request: ShardRequest, runner: Runner, watch: Watch) -> Tested:
    """Run the shard's tests to their end, or to `shard_timeout`.

    Raises:
        RunnerError: The runner is not there, cannot be used, or refused to start.
    """
    testing = _Testing(runner, watch, request)
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as scratch:
        return testing.all_launches(replace(request, scratch=Path(scratch)))


class _Testing:
    """The launches of one shard and the time they have together."""

    def __init__(self, runner: Runner, watch: Watch, request: ShardRequest) -> None:
        self._runner = runner
        self._watch = watch
        self._limit = request.settings.shard_timeout
        self._end = time.monotonic() + self._limit if self._limit else None
        self._journal = _Journal(request.results, request.environment)
        self._deaths: list[str] = []

    def all_launches(self, request: ShardRequest) -> Tested:
        if self._runner.keeps_journal:
            return self._launched(request)
        request = self._with_files_found(request)
        tested = self._launched(request)
        for _ in range(0 if self._runner.retries_itself else request.settings.retries):
            failed = self._failed(request)
            if not failed or tested.stop_reason is not StopReason.NONE:
                break
            tested = self._launched(replace(request, only=failed))
        return self._with_deaths(tested)

    def _with_deaths(self, tested: Tested) -> Tested:
        """A process that died stops nobody else, but whatever passed on a further try, its shard is not complete."""
        if not self._deaths:
            return tested
        words = " ".join([*self._deaths, *filter(None, [tested.message])])
        return replace(tested, stop_reason=tested.stop_reason or StopReason.RUNNER, message=words)

    def _with_files_found(self, request: ShardRequest) -> ShardRequest:
        """The request with the files that are there: those the plan does not know go to one shard each.

        Raises:
            RunnerError: None is for this shard.
        """
        found = self._runner.list_files(request.settings, root=request.root, suite=request.suite)
        planned, mine = frozenset(request.planned), frozenset(request.files)
        taken = {
            file
            for file in found
            if file in mine
            or (file not in planned and claiming_shard(file, shard_count=request.count) == request.index)
        }
        self._journal.begin({"event": "listed", "file": file, "mine": file in taken} for file in found)
        if not taken:
            raise RunnerError(f"Shard {request.index}/{request.count} of {request.suite} has no test file.")
        order = {file: place for place, file in enumerate(files_as_recorded(request) or request.files)}
        files = tuple(sorted(taken, key=lambda file: (order.get(file, len(order)), file)))
        return replace(request, files=files)

    def _failed(self, request: ShardRequest) -> tuple[str, ...]:
        found = self._runner.read(request.results, suite=request.suite)
        result = ShardResult(request.suite, 1, 1, "", attempts=found.attempts, collected=found.collected)
        return tuple(
            case.case.node_id
            for case in case_results(result)
            # A file that cannot be loaded cannot be loaded a moment later either.
            if case.verdict is Verdict.FAILED and case.case.name != COLLECTION_NAME
        )

    def _launched(self, request: ShardRequest) -> Tested:
        request = replace(request, scratch=Path(tempfile.mkdtemp(dir=request.scratch)))
        launch = self._runner.launch(request)
        self._watch.launched(launch)
        before = stamps(launch.reports)
        with (
            self._journal.piped(launch) as (descriptors, told),
            process.started(
                launch.command,
                directory=request.root,
                environment={**request.environment, **launch.environment, **told},
                line=self._watch.line,
                grace_seconds=_GRACE_SECONDS,
                descriptors=descriptors,
                stdin=launch.stdin,
            ) as child,
            self._watch.held(child.pid),
            self._counting(request),
        ):
            code = child.wait(max(0.01, self._end - time.monotonic()) if self._end else None)
            if code is None:
                child.stop(grace_seconds=_GRACE_SECONDS, asked_by=launch.ended_by)
        if code is None:
            # What had ended by then stands in the files that are there; that they are not whole needs no words.
            self._reported(launch, before, request, was_stopped=True)
            words = f"The tests ran longer than shard_timeout ({self._limit:g} s)."
            return Tested(stop_reason=StopReason.TIMEOUT, message=words)
        return self._ended(code, launch, before, request)

    def _reported(
        self,
        launch: Launch,
        before: Mapping[Path, tuple[int, int]],
        request: ShardRequest,
        *,
        was_stopped: bool = False,
    ) -> Reported:
        """What the launch's JUnit files say, kept in the journal."""
        at = self._watch.now()
        found = reported(launch.reports, before, self._runner, request, at=at, was_stopped=was_stopped)
        self._journal.add(found.events)
        return found

    def _ended(
        self, code: int, launch: Launch, before: Mapping[Path, tuple[int, int]], request: ShardRequest
    ) -> Tested:
        problems: tuple[str, ...] = ()
        has_results = True
        if launch.reports:
            found = self._reported(launch, before, request)
            problems, has_results = found.problems, bool(found.events)
            self._deaths.extend(found.deaths)
        elif launch.pipe:
            has_results = self._journal.was_told
        has_failures = self._runner.count(request.results).failed > 0
        words = self._runner.explain_exit(code, has_failures=has_failures)
        if not has_results:
            words = f"{words} It left no results.".strip() if words else _left_nothing(self._runner, launch)
        if words or problems:
            text = " ".join(filter(None, (words, *problems)))
            return Tested(code, StopReason.RUNNER, f"{text} Its last lines:\n{self._watch.log.last_lines}")
        return Tested(code)

    @contextlib.contextmanager
    def _counting(self, request: ShardRequest) -> Iterator[None]:
        """Tell how many cases have ended, twice a second, while the block runs."""
        over = threading.Event()

        def tell() -> None:
            counts = self._runner.count(request.results)
            self._watch.report(Step("tests", done=counts.ended, total=counts.collected, failed=counts.failed))

        def keep_telling() -> None:
            while not over.wait(0.5):
                tell()

        thread = threading.Thread(target=keep_telling, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            tell()


def _left_nothing(runner: Runner, launch: Launch) -> str:
    if launch.reports:
        places = ", ".join(launch.reports)
        return f"{runner.name} ended and left no JUnit file with a case ({places})."
    return (
        f"{runner.name} ended and told nothing of its cases. Do its configuration or `arguments` set reporters that "
        "replace ours?"
    )


class _Journal:
    """The lines of this shard's tests that ci-itest writes; what looks like a secret is masked before."""

    def __init__(self, results: Path, environment: Mapping[str, str]) -> None:
        self._path = results / JOURNAL
        self._mask = json_line_masker(secrets_of(environment))
        self._told = 0

    @property
    def was_told(self) -> bool:
        """Whether a line came through the newest pipe."""
        return self._told > 0

    def begin(self, events: Iterable[Mapping[str, object]]) -> None:
        """Start anew: lines of an earlier run in the same folder would count as this one's."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for path in self._path.parent.glob("*.jsonl"):
            path.unlink()
        self.add(events)

    def add(self, events: Iterable[Mapping[str, object]]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(self._mask(json.dumps(event)) + "\n" for event in events)

    @contextlib.contextmanager
    def piped(self, launch: Launch) -> Iterator[tuple[tuple[int, ...], dict[str, str]]]:
        """The descriptors that the tests' process inherits and the variable that names one; none without a pipe."""
        if not launch.pipe:
            yield (), {}
            return
        self._told = 0
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._take_lines, args=(reading,), daemon=True)
        thread.start()
        try:
            yield (writing,), {launch.pipe: str(writing)}
        finally:
            os.close(writing)
            # A process that the tests left behind may hold the pipe open; what they told is here by now.
            thread.join(2.0)

    def _take_lines(self, reading: int) -> None:
        with os.fdopen(reading, "rb") as lines, self._path.open("a", encoding="utf-8", buffering=1) as file:
            for raw in lines:
                if (line := self._line(raw)) and not file.closed:
                    file.write(line)
                    self._told += 1

    def _line(self, raw: bytes) -> str:
        """A line as it is kept; "" for one that is no event."""
        try:
            text = raw.decode("utf-8").strip()
            return self._mask(text) + "\n" if isinstance(json.loads(text), dict) else ""
        except ValueError:
            return ""
