"""Which earlier cases make a case fail: a recorded shard's cases, probed in forks of one collected session."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import IO

from ci_itest import process
from ci_itest.errors import RunnerError
from ci_itest.flaky.bisection import Answer, Bisected, Search
from ci_itest.flows.commands import log_file
from ci_itest.flows.recordings import Recording
from ci_itest.flows.replay import in_recorded_order
from ci_itest.flows.run_shard import Fresh, Tools, run_shard
from ci_itest.flows.shard_jobs import ShardJob
from ci_itest.masking import masker, secrets_of
from ci_itest.model.run import ShardResult
from ci_itest.model.settings import Seconds
from ci_itest.runners.base import Runner, ShardRequest
from ci_itest.wire import write_whole

BISECTION_DOCUMENT = "bisection.json"
_PATIENCE = 10.0
"""How many times as long as in the recording a probe may take, and half a minute on top."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bisection:
    """What a bisection came to (`bisection.json`).

    Attributes:
        case: The one in question.
        found: None when the shard stopped before the first probe; the result then says why.
        is_of_shard: Whether cases of the other workers were looked at too, since its own worker's were not enough.
        message: What the case failed with, the last time.
    """

    case: str
    found: Bisected | None
    is_of_shard: bool = False
    message: str = ""


def earlier_cases(recording: Recording, case: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What ran before the case: on its own worker in that order, and on all workers in the order they started."""
    queue = next((queue for _, queue in recording.result.queues if case in queue), ())
    own = queue[: queue.index(case)] if queue else ()
    ordered = in_recorded_order(recording, recording.played)
    everywhere = ordered[: ordered.index(case)] if case in ordered else ()
    return own, everywhere


def bisect(
    recording: Recording, job: ShardJob, tools: Tools, case: str, *, told: Told
) -> tuple[Bisection, ShardResult]:
    """Search among the cases of the case's own worker, then among those of the whole shard.

    Args:
        job: The shard with every case that may matter.
        told: Called with a line for the user whenever there is something to say.
    """
    search = _Bisecting(recording, case, tools.runner, told)
    settings = replace(job.settings, retries=0, case_timeout=Seconds(0))
    result = run_shard(replace(job, settings=settings), replace(tools, probing=search.run))
    bisection = Bisection(case, search.found, search.is_of_shard, search.message)
    document = json.dumps({"schema": 1, **asdict(bisection)}, indent=1)
    write_whole(job.folder.path / BISECTION_DOCUMENT, document.encode())
    return bisection, result


class _Bisecting:
    """The search while services are up."""

    def __init__(self, recording: Recording, case: str, runner: Runner, told: Told) -> None:
        self._recording = recording
        self._case = case
        self._runner = runner
        self._told = told
        self.found: Bisected | None = None
        self.is_of_shard = False
        self.message = ""

    def run(self, request: ShardRequest, fresh: Fresh) -> int:
        own, everywhere = earlier_cases(self._recording, self._case)
        seconds = 30.0 + _PATIENCE * self._recording.result.work_seconds
        with _Session(request, self._runner) as session:

            def probe(cases: Sequence[str]) -> bool:
                with fresh():
                    answer = session.asked(cases, self._case, seconds=seconds)
                if answer["outcome"] == "failed":
                    self.message = answer["message"]
                return answer["outcome"] == "failed"

            if self._search(own, probe, "on its worker") and len(everywhere) > len(own):
                self.is_of_shard = True
                self._search(everywhere, probe, "on all workers")
        return 0

    def _search(self, earlier: Sequence[str], probe: Callable[[Sequence[str]], bool], where: str) -> bool:
        """Whether a wider search may find what this one did not."""
        self._told(f"{len(earlier)} cases ran before it {where}.")

        def fewer(cases: tuple[str, ...]) -> None:
            self._told(f"  it fails after {len(cases)} of them" + (f": {', '.join(cases)}" if len(cases) < 3 else ""))

        search = Search(earlier, probe, told=fewer)
        try:
            self.found = search.run()
        except KeyboardInterrupt:
            self.found = search.so_far
            return False
        return self.found.answer is Answer.NEVER


class _Session:
    """The tests' process, collected once, that answers probes."""

    def __init__(self, request: ShardRequest, runner: Runner) -> None:
        self._request = replace(request, workers=0)
        self._runner = runner

    def __enter__(self) -> _Session:
        with ExitStack() as stack:
            mine, theirs = (stack.enter_context(end) for end in socket.socketpair())
            log = stack.enter_context(
                log_file(
                    self._request.results.parent / "logs" / "tests.log",
                    mask=masker(secrets_of(self._request.environment)),
                )
            )
            request = replace(self._request, probes=theirs.fileno())
            launch = self._runner.launch(request)
            self._child = stack.enter_context(
                process.started(
                    launch.command,
                    directory=request.root,
                    environment={**request.environment, **launch.environment},
                    line=log.line,
                    grace_seconds=1.0,
                    descriptors=(theirs.fileno(),),
                )
            )
            theirs.close()
            self._log = log
            self._talk: IO[str] = stack.enter_context(mine.makefile("rw", encoding="utf-8"))
            self._answer()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def asked(self, cases: Sequence[str], watched: str, *, seconds: float) -> dict[str, str]:
        """How the watched case ended after the others."""
        self._talk.write(json.dumps({"cases": [*cases, watched], "watched": watched, "seconds": seconds}) + "\n")
        self._talk.flush()
        answer = self._answer()
        if answer["outcome"] == "absent":
            raise RunnerError(
                "Not every recorded case is collected here.", hint="Are the files those of the recording?"
            )
        return answer

    def _answer(self) -> dict[str, str]:
        """The next line; RunnerError when the process has ended instead."""
        line = self._talk.readline()
        if not line:
            self._child.wait(1.0)
            raise RunnerError(
                f"The tests' process ended before it could be asked. Its last lines:\n{self._log.last_lines}"
            )
        return {str(key): str(value) for key, value in json.loads(line).items()}
