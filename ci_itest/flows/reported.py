"""JUnit files of a runner to lines of the journal, in which all results are kept."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_itest.junit.reader import read_report
from ci_itest.junit.values import ReportAttempt, ReportCase, ReportFile
from ci_itest.model.cases import Outcome
from ci_itest.runners.base import ReportedCase, Runner, ShardRequest

Event = dict[str, Any]
Stamps = Mapping[Path, tuple[int, int]]

_SHOWN = 5
_SAYS_NOTHING = "Failed"
_PANIC = "panic: "
_FRAMES = ("=== ", "--- ")
"""How lines of go test begin that only frame a test's own."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What the files of one launch say.

    Attributes:
        problems: Why the results cannot be called complete, one sentence each.
        deaths: Of processes that died while the others went on, one sentence each.
    """

    events: tuple[Event, ...]
    problems: tuple[str, ...] = ()
    deaths: tuple[str, ...] = ()


def stamps(patterns: Iterable[str]) -> dict[Path, tuple[int, int]]:
    """Time and size of every file that matches, to tell later which are new."""
    found: dict[Path, tuple[int, int]] = {}
    for pattern in patterns:
        for name in glob.iglob(pattern, recursive=True, include_hidden=True):  # noqa: PTH207 (absolute patterns)
            path = Path(name)
            if path.is_file():
                state = path.stat()
                found[path] = (state.st_mtime_ns, state.st_size)
    return found


def reported(
    patterns: tuple[str, ...],
    before: Stamps,
    runner: Runner,
    request: ShardRequest,
    *,
    at: str,
    was_stopped: bool = False,
) -> Reported:
    """The cases in the files that came or changed since `before`.

    Args:
        at: The time, UTC ISO 8601; JUnit files say of few cases when they ended.
        was_stopped: Whether we ended the runner: a case that was cut short then was running and has not failed.
    """
    new = sorted(path for path, stamp in stamps(patterns).items() if before.get(path) != stamp)
    files = [read_report(path) for path in new]
    problems = [f"The report {file.path.name} is not whole: {file.problem}." for file in files if file.problem]
    collecting = _Collecting(runner, request, at, was_stopped)
    events = tuple(event for file in files for event in collecting.events(file))
    return Reported(events, (*problems, *collecting.problems()), tuple(collecting.deaths()))


class _Collecting:
    """Cases of one launch, each named once."""

    def __init__(self, runner: Runner, request: ShardRequest, at: str, was_stopped: bool) -> None:
        self._runner = runner
        self._request = request
        self._at = at
        self._was_stopped = was_stopped
        self._files = frozenset(request.files)
        self._only = frozenset(request.only)
        self._foreign: list[str] = []
        self._seen: Counter[str] = Counter()
        self._cut_short: dict[str, list[str]] = {}

    def events(self, file: ReportFile) -> Iterator[Event]:
        for case in file.cases:
            where, name = self._runner.name_case(_reported_case(case, file), self._request)
            if where not in self._files:
                self._foreign.append(f"{where or case.classname}::{name}")
                continue
            yield from self._case_events(case, where, name)

    def _case_events(self, case: ReportCase, file: str, name: str) -> Iterator[Event]:
        node_id = f"{file}::{name}"
        self._seen[node_id] += 1
        if self._seen[node_id] > 1:
            node_id = f"{node_id} (#{self._seen[node_id]})"
        if self._only and node_id not in self._only:
            yield {"event": "collected", "ids": [], "files": [file]}
            return
        yield {"event": "collected", "ids": [node_id], "files": [file]}
        for number, attempt in enumerate(_attempts(case), start=1):
            yield {"event": "start", "id": node_id, "number": number, "at": self._at}
            fields = _fields(case, attempt)
            if attempt.outcome.is_bad and self._was_cut_short(case, attempt):
                if self._was_stopped and f"\n{_PANIC}" not in f"\n{attempt.details}":
                    return
                self._cut_short.setdefault(file, []).append(name)
                fields["message"] = _words_of_death(fields["message"])
            yield {"event": "end", "id": node_id, "number": number, "at": self._at, **fields}

    def _was_cut_short(self, case: ReportCase, attempt: ReportAttempt) -> bool:
        return self._runner.was_cut_short(case.name, message=attempt.message, details=attempt.details)

    def problems(self) -> Iterator[str]:
        """A case of no file of ours: it cannot be planned, nor told from one that another shard ran."""
        if self._foreign:
            shown = ", ".join(name[:200] for name in self._foreign[:_SHOWN])
            count = len(self._foreign)
            yield (
                f"{count} reported case{'' if count == 1 else 's'} cannot be told to be of a file of this shard "
                f"({shown}{' …' if count > _SHOWN else ''})."
            )

    def deaths(self) -> Iterator[str]:
        """Files whose process died, and what it was running."""
        for file, names in self._cut_short.items():
            shown = ", ".join(name[:200] for name in dict.fromkeys(names))
            yield f"The process of {file} died while it ran {shown}; what was still to come in {file} did not run."


def _words_of_death(message: str) -> str:
    """What to say of a case whose process died: the runner's own words where it has some, not what it printed last."""
    return message if message.startswith(("Its process", _PANIC)) else "Its process died while it ran."


def _message(case: ReportCase, attempt: ReportAttempt) -> str:
    """What went wrong, in a line: where the report only repeats that the case failed, the first line that says more."""
    if not attempt.outcome.is_bad:
        return attempt.message
    says_nothing = attempt.message in ("", _SAYS_NOTHING) or attempt.message.endswith(case.name)
    lines = (line.strip() for line in attempt.details.splitlines()) if says_nothing else ()
    told = (line for line in lines if line and not line.startswith(_FRAMES) and not line.endswith(case.name))
    return next(told, "") or attempt.message or case.note


def _reported_case(case: ReportCase, file: ReportFile) -> ReportedCase:
    suites = file.suites[case.suite].path if case.suite >= 0 else ()
    return ReportedCase(suites, case.classname, case.name, case.file, case.ordinal, report=str(file.path))


def _attempts(case: ReportCase) -> tuple[ReportAttempt, ...]:
    return case.attempts or (ReportAttempt(Outcome.PASSED, seconds=case.seconds),)


def _fields(case: ReportCase, attempt: ReportAttempt) -> Event:
    # A file tells one time for all attempts of most producers: it counts once, with the last.
    seconds = attempt.seconds or (case.seconds if attempt is _attempts(case)[-1] else 0.0)
    return {
        "outcome": str(attempt.outcome),
        "setup": 0.0,
        "call": round(seconds, 6),
        "teardown": 0.0,
        "message": _message(case, attempt),
        "details": attempt.details,
        "output": attempt.output,
        "line": case.line,
        "properties": [list(pair) for pair in case.properties],
    }
