"""The journal of a shard's tests, line by line, as values: the one form in which every runner's results are kept.

`ci_itest_shard` says what the lines hold. Beside that a line may name its worker (`worker`, of start and end), and
`collected` the only files that it speaks of (`files`). The lines were written beside tests that may do anything, and
are read again by the report job: nothing in them is taken on trust, and a line that cannot be understood is as good
as none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ci_itest.model.cases import COLLECTION_NAME, Attempt, CaseId, Outcome
from ci_itest.model.run import ListedFile
from ci_itest.runners.base import Counts, RunnerResult
from ci_itest.wire import json_lines

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_TEXT = 70_000
"""Characters of one text; the plugin cuts at 64 KiB and adds a note."""

_MAX_MESSAGE = 2_000
_MAX_PROPERTIES = 200
_MAX_NUMBER = 10_000_000
_MAX_SECONDS = 1e7
_MAIN = "main"

Event = Mapping[str, Any]


def read_results(folder: Path, *, suite: str) -> RunnerResult:
    """Everything in a results folder, whatever state its shard left it in."""
    reading = _Reading(suite)
    for worker, events in _journals(folder):
        reading.take(worker, events)
    return reading.result()


def count_results(folder: Path) -> Counts:
    """How far the tests are."""
    collected: set[str] = set()
    last: dict[str, bool] = {}
    for _, events in _journals(folder):
        for event in events:
            if event.get("event") == "collected":
                collected.update(_texts(event.get("ids")))
            elif event.get("event") == "end":
                last[_text(event.get("id"))] = event.get("outcome") in ("failed", "error")
    return Counts(collected=len(collected), ended=len(last), failed=sum(last.values()))


def _journals(folder: Path) -> Iterator[tuple[str, Iterable[Event]]]:
    """Each process's name and lines; the one that watched the workers comes last."""
    paths = (path for path in folder.glob("*.jsonl") if path.is_file() and not path.is_symlink())
    for path in sorted(paths, key=lambda path: (path.stem == _MAIN, path.stem)):
        with path.open("rb") as file:
            yield path.stem, json_lines(file.read(MAX_FILE_BYTES))


@dataclass(frozen=True, slots=True)
class _Start:
    case: CaseId
    at: str


@dataclass(frozen=True, slots=True)
class _Crash:
    """A worker's death, as the process that watched it wrote it down."""

    case: CaseId
    worker: str
    message: str
    at: str


class JournalReader:
    """What every adapter has in common: its results are a journal."""

    def read(self, results: Path, *, suite: str) -> RunnerResult:
        return read_results(results, suite=suite)

    def count(self, results: Path) -> Counts:
        return count_results(results)

    def was_cut_short(self, name: str, *, message: str, details: str) -> bool:
        return False


class _Reading:
    """Events of all processes of one shard, put together."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._listed: dict[str, bool] = {}
        self._collected: dict[CaseId, None] = {}
        self._deselected: dict[str, int] = {}
        self._has_collected = False
        self._collected_files: set[str] = set()
        self._ended: list[tuple[str, Attempt]] = []
        self._seen: set[CaseId] = set()
        self._open: dict[str, _Start] = {}
        self._crashes: list[_Crash] = []
        self._queues: dict[str, list[str]] = {}

    def take(self, worker: str, events: Iterable[Event]) -> None:
        for event in events:
            match event.get("event"):
                case "listed":
                    self._take_listed(event)
                case "collected":
                    self._take_collected(event)
                case "start":
                    self._take_start(event, _text(event.get("worker")) or worker)
                case "end":
                    self._take_end(event, _text(event.get("worker")) or worker)
                case "crashed":
                    case, at = self._case(event), _text(event.get("at"))
                    self._crashes.append(_Crash(case, _text(event.get("worker")), _message(event), at))

    def result(self) -> RunnerResult:
        ended = [*self._ended, *self._crashed()]
        ended.sort(key=lambda pair: pair[0])
        return RunnerResult(
            listed=self._listed_files(),
            collected=tuple(self._collected),
            attempts=tuple(_renumbered(attempt for _, attempt in ended)),
            running=tuple(start.case for start in self._open.values()),
            queues=tuple((worker, tuple(cases)) for worker, cases in sorted(self._queues.items())),
            deaths=tuple(crash.message for crash in self._crashes),
        )

    def _take_listed(self, event: Event) -> None:
        file = _text(event.get("file"))
        self._listed[file] = self._listed.get(file, False) or event.get("mine") is True

    def _take_collected(self, event: Event) -> None:
        # Every worker collects the same; the union stands for all of them.
        if isinstance(event.get("files"), list):
            self._collected_files.update(_texts(event["files"]))
        else:
            self._has_collected = True
        for node_id in _texts(event.get("ids")):
            self._collected.setdefault(self._case_of(node_id))
        deselected = event.get("deselected")
        if isinstance(deselected, dict):
            self._deselected.update({str(file): _number(count) for file, count in deselected.items()})

    def _take_start(self, event: Event, worker: str) -> None:
        case = self._case(event)
        self._open[worker] = _Start(case, _text(event.get("at")))
        if event.get("number") == 1:
            self._queues.setdefault(worker, []).append(case.node_id)

    def _take_end(self, event: Event, worker: str) -> None:
        case = self._case(event)
        # Each worker meets the same broken file once.
        if case.name == COLLECTION_NAME and case in self._seen:
            return
        self._seen.add(case)
        start = self._open.get(worker)
        if start is not None and start.case == case:
            del self._open[worker]
            started_at = start.at
        else:
            started_at = ""
        attempt = self._attempt(event, worker, started_at=started_at)
        self._ended.append((_text(event.get("at")), attempt))

    def _crashed(self) -> Iterator[tuple[str, Attempt]]:
        """A case whose worker died has failed: nobody else could write down its end.

        pytest-xdist blames the case it sent last. The worker's own lines know better: it may have been between two
        cases, or the watchdog ended it and had written the case's end before.
        """
        for crash in self._crashes:
            start = self._open.pop(crash.worker, None)
            if start is not None:
                case, started_at = start.case, start.at
            elif crash.case not in self._seen:
                case, started_at = crash.case, ""
            else:
                continue
            worker = crash.worker
            yield (
                crash.at,
                Attempt(case, Outcome.ERROR, started_at=started_at, worker=worker, message=crash.message),
            )

    def _listed_files(self) -> tuple[ListedFile, ...]:
        counts = Counter(case.file for case in self._collected)
        known = {attempt.case.file for _, attempt in self._ended if attempt.case.name == COLLECTION_NAME}
        known |= self._collected_files
        return tuple(
            self._listed_file(file, counts[file], is_known=self._has_collected or file in known)
            if is_mine
            else ListedFile(file, is_mine=False)
            for file, is_mine in sorted(self._listed.items())
        )

    def _listed_file(self, file: str, count: int, *, is_known: bool) -> ListedFile:
        if not is_known:
            return ListedFile(file, is_mine=True)
        return ListedFile(file, is_mine=True, case_count=count, deselected_count=self._deselected.get(file, 0))

    def _case(self, event: Event) -> CaseId:
        return self._case_of(_text(event.get("id")))

    def _case_of(self, node_id: str) -> CaseId:
        file, _, name = node_id.partition("::")
        return CaseId(self._suite, file, name)

    def _attempt(self, event: Event, worker: str, *, started_at: str) -> Attempt:
        return Attempt(
            self._case(event),
            _outcome(event.get("outcome")),
            started_at=started_at,
            setup_seconds=_seconds(event.get("setup")),
            call_seconds=_seconds(event.get("call")),
            teardown_seconds=_seconds(event.get("teardown")),
            worker="" if worker == _MAIN else worker,
            message=_message(event),
            details=_text(event.get("details")),
            output=_text(event.get("output")),
            line=_number(event.get("line")),
            properties=_pairs(event.get("properties")),
        )


def _renumbered(attempts: Iterable[Attempt]) -> Iterator[Attempt]:
    """Attempts of a case counted from 1 in the order they ended, also when two workers tried it."""
    made: Counter[CaseId] = Counter()
    for attempt in attempts:
        made[attempt.case] += 1
        yield replace(attempt, number=made[attempt.case])


def _outcome(value: object) -> Outcome:
    """An outcome that is none of ours is an error: nothing unknown may count as passed."""
    try:
        return Outcome(str(value))
    except ValueError:
        return Outcome.ERROR


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _message(event: Event) -> str:
    lines = _text(event.get("message")).splitlines()
    return lines[0][:_MAX_MESSAGE] if lines else ""


def _number(value: object) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= _MAX_NUMBER else 0  # type: ignore[operator, return-value]


def _seconds(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _MAX_SECONDS else 0.0  # type: ignore[operator, arg-type]


def _texts(value: object) -> list[str]:
    return [_text(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = value[:_MAX_PROPERTIES] if isinstance(value, list) else []
    return tuple((_text(pair[0]), _text(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2)
