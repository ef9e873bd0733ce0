"""Run one shard of a suite inside the user's pytest, and write down what happens, line by line.

This file is injected with `-p ci_itest_shard` and its folder on PYTHONPATH. ci-itest itself is not installed there, so
it needs nothing but the standard library and pytest (Python 3.9, pytest 7 and newer). Without the variable
CI_ITEST_SHARD, the path of the selection that the adapter wrote, it does nothing.

Each process appends JSON objects, one a line, to a file of its own (`gw0.jsonl`; `main.jsonl` without pytest-xdist):

    listed     file, mine                        a test file was seen
    collected  ids, deselected {file: count}     what is to run, in order
    start      id, number, at                    an attempt began
    end        id, number, outcome, at, setup, call, teardown, message, details, output, line, properties
    crashed    id, worker, message, at           a worker died (written by the process that watches the workers)

A line is written with one system call, so whatever ends the process, all lines before are there.

PYTEST_DONT_REWRITE: this file needs no better assertions, and rewriting it costs every process of pytest 0.1 s where
no bytecode is kept.
"""

# Paths are strings here: every file and folder of the suite passes by, and text is quicker than objects.
# ruff: noqa: PTH100, PTH112, PTH117, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import copy
import fnmatch
import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import FrameType
from typing import Any, TypeVar, cast

import pytest
from _pytest.runner import call_and_report

try:  # the same functions without the wrapping of every value in an enum, which takes ten times as long
    from _signal import getsignal, setitimer  # type: ignore[import-not-found]
    from _signal import signal as set_handler
except ImportError:
    from signal import getsignal, setitimer
    from signal import signal as set_handler

SELECTION_VARIABLE = "CI_ITEST_SHARD"
EVIDENCE_TITLE = "ci-itest: "
"""What the titles of sections begin with that ci-itest's fixtures add to a failure."""

COLLECTION_NAME = "<collection>"
MAX_TEXT_BYTES = 64 * 1024
HUNG_EXIT = 92
"""Exit code of a process that had to be ended because a case could not be interrupted."""

_GRACE_SECONDS = 5.0
_THEIR_TIMEOUT = re.compile(r"Timeout \(?>")  # how pytest-timeout's message starts, 1.x to 2.4

Event = dict[str, Any]
Wrapper = Generator[None, Any, Any]

T = TypeVar("T")
Hook = TypeVar("Hook", bound=Callable[..., Wrapper])

_IS_OLD = pytest.version_tuple < (8,)


def around(*, first: bool = False) -> Callable[[Hook], Hook]:
    """A wrapper of the kind that pytest runs quickest: pytest 8 has a new one."""
    kind: dict[str, Any] = {"hookwrapper" if _IS_OLD else "wrapper": True}
    return cast("Callable[[Hook], Hook]", pytest.hookimpl(tryfirst=first, **kind))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get(SELECTION_VARIABLE)
    if path and not config.pluginmanager.hasplugin("ci-itest-shard"):
        shard = Shard(config, Selection.load(path))
        # pytest-randomly draws a seed when it is configured, which is after us; one that somebody gave it stays.
        if shard.selection.seed and config.getoption("randomly_seed", None) == "default":
            config.option.randomly_seed = int(shard.selection.seed)
        config.stash[_SHARD] = shard
        config.pluginmanager.register(shard, "ci-itest-shard")


# In the module, not in `Shard`: pytest asks the plugin that was registered last first, and this module comes before
# all installed plugins. One that runs cases its own way (pytest-rerunfailures, pytest-forked) so goes before us.
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    shard = item.config.stash.get(_SHARD, None)
    if shard is None or not shard.selection.retries:
        return None
    shard.run_with_retries(item, nextitem)
    return True


# What the shard takes


@dataclass(frozen=True)
class Selection:
    """The adapter's orders.

    Attributes:
        root: The repository; `files` and `planned` are relative to it, with forward slashes.
        files: Files of this shard.
        planned: Files of all shards.
        index: The shard, counted from 1.
        results: Folder for the lines.
        retries: Attempts after a failure.
        case_timeout_seconds: For setup, call and teardown of an attempt together; 0 for no limit.
        rerun_cases: The only cases to run, None for all.
        pieces: Of each file that is divided between shards, this shard's pieces: the first name, and the name that no
            longer belongs; "" for the beginning and for the end of the file.
        long_cases: What to start first where several workers share the work, the longest first.
        queues: Worker's name ("gw0", "main" without pytest-xdist) to the cases it is to run, in order; empty for no
            say in it.
        seed: For pytest-randomly, where nobody gave it one; "" for none.
        probes: File descriptor on which `ci_itest_probes` is told what to run; -1 to run all.
        skips: Cases in quarantine that are not to run, and why.
        grace_seconds: How long a case may outlive its timeout before its process is ended.
    """

    root: str
    files: frozenset[str]
    planned: frozenset[str]
    index: int
    count: int
    results: str
    retries: int = 0
    case_timeout_seconds: float = 0.0
    rerun_cases: frozenset[str] | None = None
    pieces: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)
    long_cases: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, list[str]] = field(default_factory=dict)
    seed: str = ""
    probes: int = -1
    skips: Mapping[str, str] = field(default_factory=dict)
    grace_seconds: float = _GRACE_SECONDS

    @classmethod
    def load(cls, path: str) -> Selection:
        try:
            with open(path, encoding="utf-8") as file:
                fields = json.load(file)
            rerun = fields.get("rerun_cases")
            return cls(
                root=fields["root"],
                files=frozenset(fields["files"]),
                planned=frozenset(fields["planned"]),
                index=int(fields["index"]),
                count=int(fields["count"]),
                results=fields["results"],
                retries=int(fields.get("retries") or 0),
                case_timeout_seconds=float(fields.get("case_timeout_seconds") or 0.0),
                rerun_cases=None if rerun is None else frozenset(rerun),
                pieces={
                    str(file): [(str(first), str(until)) for first, until in pieces]
                    for file, pieces in (fields.get("pieces") or {}).items()
                },
                long_cases={str(case): place for place, case in enumerate(fields.get("long_cases") or ())},
                queues={str(name): list(cases) for name, cases in (fields.get("queues") or {}).items()},
                seed=str(fields.get("seed") or ""),
                probes=int(fields.get("probes", -1)),
                skips={str(case): str(why) for case, why in (fields.get("skips") or {}).items()},
                grace_seconds=float(fields.get("grace_seconds", _GRACE_SECONDS)),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise pytest.UsageError(f"ci-itest: cannot use the shard's selection {path}: {error!r}.") from error

    def takes(self, file: str) -> bool:
        """Whether the file is this shard's. A file the plan does not know goes to one shard, the same for all."""
        if file in self.files:
            return True
        return file not in self.planned and owner_of(file, self.count) == self.index

    def holds(self, case: str) -> bool:
        """Whether a case of a file that this shard takes is its own, where the file is divided between shards."""
        file, _, name = case.partition("::")
        if file not in self.pieces:
            return True
        return any(first <= name and (not until or name < until) for first, until in self.pieces[file])

    def runs(self, case: str) -> bool:
        """Whether the case is to run, where only some are; all of a file are that could not be collected."""
        if self.rerun_cases is None or case in self.rerun_cases:
            return True
        return f"{case.partition('::')[0]}::{COLLECTION_NAME}" in self.rerun_cases


def long_first(items: list[T], places: Mapping[str, int], workers: int, case_of: Callable[[T], str]) -> list[T]:
    """The items with the long ones at the head of each worker's share; as they are for one worker.

    pytest-xdist deals consecutive shares of equal number (worksteal), and idle workers take from a share's end. A long
    case that starts last makes the others wait: in collection order nine of ten of the slowest shards of real suites
    on four workers take up to 1.3 times as long as with the longest first.
    """
    if workers < 2:
        return items
    heads: list[list[T]] = [[] for _ in range(workers)]
    ranked = sorted((item for item in items if case_of(item) in places), key=lambda item: places[case_of(item)])
    for number, item in enumerate(ranked):
        turn, place = divmod(number, workers)
        # There and back again, so that nobody has the longer one of every turn.
        heads[place if turn % 2 == 0 else workers - 1 - place].append(item)
    rest = iter([item for item in items if case_of(item) not in places])
    ordered: list[T] = []
    for worker, head in enumerate(heads):
        share = (len(items) - len(ordered)) // (workers - worker)
        ordered += [*head, *islice(rest, max(0, share - len(head)))]
    return [*ordered, *rest]


def owner_of(file: str, count: int) -> int:
    """Index of the shard that takes a file which the plan does not know."""
    return int(hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest(), 16) % count + 1


class Paths:
    """Paths below the repository's root, named the same whether reached through a link or not."""

    def __init__(self, root: str) -> None:
        self._real_root = os.path.realpath(root)
        self._prefixes = tuple(path.rstrip(os.sep) + os.sep for path in (root, self._real_root))
        self._folders: dict[str, str] = {}

    def relative(self, path: str) -> str:
        folder, name = os.path.split(path)
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._relative_folder(folder + os.sep)
        return known + name

    def _relative_folder(self, folder: str) -> str:
        inside = self._below(folder)
        if inside is None:
            real = os.path.realpath(folder) + os.sep
            inside = self._below(real)
            if inside is None:
                inside = os.path.relpath(real, self._real_root) + os.sep
        return inside.replace(os.sep, "/")

    def _below(self, folder: str) -> str | None:
        return next((folder[len(prefix) :] for prefix in self._prefixes if folder.startswith(prefix)), None)


# What is written down


class Journal:
    """Appends events to this process's file, each with one system call."""

    def __init__(self, folder: str, worker: str) -> None:
        self.path = os.path.join(folder, worker + ".jsonl")
        self._mask = _masker()
        self._file = -1
        self._is_torn = False
        self._owner = os.getpid()
        # Kept here so that a test that swaps these functions out for its own purposes does not swap out ours.
        self._write, self._open, self._pid = os.write, os.open, os.getpid

    def write(self, line: str) -> None:
        """Append a line; a full disk costs this line alone (its case is then missing, and the run red)."""
        if self._pid() != self._owner:
            return  # a child that a test forked off
        data = (("\n" if self._is_torn else "") + self._mask(line) + "\n").encode("ascii", "backslashreplace")
        try:
            if self._file < 0:
                self._file = self._open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._is_torn = self._write(self._file, data) < len(data)
        except OSError:
            # A test may have closed every file of the process: open it again for the next line.
            self._file, self._is_torn = -1, True

    def event(self, name: str, **fields: object) -> None:
        self.write(json.dumps({"event": name, **fields}))


def _masker() -> Callable[[str], str]:
    """What takes the secrets of this environment out of a line; ci-itest's own, loaded from its file."""
    from importlib.util import module_from_spec, spec_from_file_location

    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "masking.py")
    spec = spec_from_file_location("ci_itest_masking", file)
    assert spec is not None
    assert spec.loader is not None
    masking = module_from_spec(spec)
    spec.loader.exec_module(masking)
    mask: Callable[[str], str] = masking.json_line_masker(masking.secrets_of(os.environ))
    return mask


class Clock:
    """The time in UTC, ISO 8601.

    The functions are bound here: libraries that stop the time of a test look for their names in modules.
    """

    def __init__(self) -> None:
        self._time, self._split = time.time, time.gmtime
        self._second, self._text = -1, ""

    def now(self) -> str:
        seconds = self._time()
        second = int(seconds)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", self._split(second))
        return f"{self._text}.{int((seconds - second) * 1000):03d}+00:00"


now = Clock().now


def clean(text: object) -> str:
    """Text that can be written as UTF-8."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def sendable(value: Any) -> Any:
    """The same plain value with every text in it clean."""
    if isinstance(value, str):
        return value if value.isascii() else clean(value)
    if isinstance(value, dict):
        return {sendable(key): sendable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(sendable, value))
    return value


def capped(text: str) -> str:
    """The text, or its beginning and end with a note of what was cut out."""
    if len(text) * 4 <= MAX_TEXT_BYTES:
        return clean(text)
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= MAX_TEXT_BYTES:
        return data.decode("utf-8")
    half = MAX_TEXT_BYTES // 2
    note = f"\n… {len(data) - 2 * half} bytes cut out …\n"
    return data[:half].decode("utf-8", "ignore") + note + data[-half:].decode("utf-8", "ignore")


# One attempt


class Attempt:
    """Reports of one execution of a case, as they come."""

    def __init__(self, item: pytest.Item, case: str, number: int) -> None:
        self.item = item
        self.case = case
        self.name = json.dumps(case)
        self.number = number
        self.reports: list[Any] = []
        self.failed_parts: list[Any] = []
        self.hung = ""
        self.stacks = ""

    def add(self, report: Any) -> None:
        self.reports.append(report)

    def add_part(self, report: Any) -> None:
        """A subtest: the case fails when one of its parts does."""
        if report.failed:
            self.failed_parts.append(report)

    @property
    def bad_reports(self) -> list[Any]:
        return [report for report in self.reports if report.outcome in ("failed", "rerun")]

    @property
    def has_failed(self) -> bool:
        return bool(self.failed_parts or self.bad_reports)

    @property
    def outcome(self) -> str:
        bad = self.bad_reports
        if self.failed_parts or any(report.when not in ("setup", "teardown") for report in bad):
            return "failed"
        if bad:
            return "error"
        return "skipped" if any(report.skipped for report in self.reports) else "passed"

    def seconds(self, when: str) -> float:
        return float(sum(report.duration for report in self.reports if report.when == when))

    def start_line(self) -> str:
        return f'{{"event": "start", "id": {self.name}, "number": {self.number}, "at": "{now()}"}}'

    def end_line(self) -> str:
        reports = self.reports
        if len(reports) == 3 and not self.failed_parts and not self.item.user_properties:
            setup, call, teardown = reports
            if setup.passed and call.passed and teardown.passed and call.when == "call":
                return self._plain_line(setup.duration, call.duration, teardown.duration)
        return json.dumps({"event": "end", **self.fields()})

    def _plain_line(self, setup: float, call: float, teardown: float) -> str:
        """The line of `fields` for the usual case, a tenth of the time: it is paid by every passing test."""
        return (
            f'{{"event": "end", "id": {self.name}, "number": {self.number}, "outcome": "passed", "at": "{now()}", '
            f'"setup": {setup:.6f}, "call": {call:.6f}, "teardown": {teardown:.6f}, "message": "", "details": "", '
            f'"output": "", "line": {_line(self.item, [])}, "properties": []}}'
        )

    def fields(self) -> Event:
        """What an "end" event says of it."""
        outcome = self.outcome
        is_bad = outcome in ("failed", "error")
        failures = self.failed_parts + self.bad_reports
        return {
            "id": self.case,
            "number": self.number,
            "outcome": outcome,
            "at": now(),
            "setup": round(self.seconds("setup"), 6),
            "call": round(self.seconds("call"), 6),
            "teardown": round(self.seconds("teardown"), 6),
            "message": self._message(outcome, failures),
            "details": capped(self._details(failures)) if is_bad else "",
            "output": capped(self._output()) if is_bad else "",
            "line": _line(self.item, failures),
            "properties": [[clean(name), capped(str(value))] for name, value in self.item.user_properties],
        }

    def _message(self, outcome: str, failures: list[Any]) -> str:
        if failures:
            return capped(self.hung or message_of(failures[0]))
        return capped(_reason(self.reports)) if outcome == "skipped" else ""

    def _details(self, failures: list[Any]) -> str:
        texts = [_text_of(report) for report in failures]
        return "\n\n".join(text for text in [*texts, self.stacks] if text)

    def _output(self) -> str:
        # Every report of an item carries all sections until then; those of subtests are apart.
        sections = [section for part in self.failed_parts for section in part.sections]
        sections += self.reports[-1].sections if self.reports else []
        # What the fixtures noted stands among the properties, by title.
        printed = [section for section in dict.fromkeys(sections) if not section[0].startswith(EVIDENCE_TITLE)]
        return "\n".join(f"--- {title} ---\n{text}" for title, text in printed)


def message_of(report: Any) -> str:
    """One line that says what went wrong, as in pytest's short summary."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = getattr(crash, "message", "") or ""
    if not text.strip():
        lines = [line for line in _text_of(report).splitlines() if line.strip()]
        marked = [line[1:].strip() for line in lines if line.startswith("E  ")]
        text = marked[0] if marked else (lines[-1].strip() if lines else "failed")
    return str(text.strip().splitlines()[0])


def _text_of(report: Any) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[-1])
    return str(report.longreprtext)


def _reason(reports: list[Any]) -> str:
    for report in reports:
        if report.skipped:
            if hasattr(report, "wasxfail"):
                return str(report.wasxfail).replace("reason: ", "", 1) or "expected to fail"
            return skip_reason(report)
    return ""


def skip_reason(report: Any) -> str:
    text = _text_of(report).strip().splitlines()
    return text[-1].replace("Skipped: ", "", 1) if text else ""


def _line(item: pytest.Item, failures: list[Any]) -> int:
    """Where the case failed in its own file, else where it is defined there, counted from 1; 0 when unknown."""
    for report in failures:
        lines = [line for path, line in _places(report) if _is_file_of(item, path)]
        if lines:
            return lines[-1]
    file, line, _ = item.location
    if line is None or (failures and not _is_file_of(item, os.path.join(str(item.config.rootpath), file))):
        return 0
    return line + 1


def _places(report: Any) -> Iterator[tuple[str, int]]:
    for entry in getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", None) or ():
        place = getattr(entry, "reprfileloc", None)
        if place is not None:
            yield str(place.path), int(place.lineno)
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        yield str(crash.path), int(crash.lineno)


def _is_file_of(item: pytest.Item, path: str) -> bool:
    places = (item.config.invocation_params.dir, item.config.rootpath)
    return os.path.basename(path) == item.path.name and any(
        os.path.realpath(os.path.join(str(place), path)) == os.path.realpath(str(item.path)) for place in places
    )


# Time limit


class Limit:
    """Ends an attempt that takes too long: by a signal, and when that does not help, by ending the process.

    The alarm raises in the main thread, and only inside setup, call or teardown, where pytest expects a test to raise.
    The watchdog thread waits `grace_seconds` longer, for code that swallows the exception or never comes back from C.
    """

    def __init__(self, selection: Selection, *, is_debugged: bool) -> None:
        self.seconds = selection.case_timeout_seconds
        self.grace_seconds = selection.grace_seconds
        self.is_on = self.seconds > 0 and not is_debugged
        self.message = f"ran longer than case_timeout ({self.seconds:g} s)"
        self.phase = ""
        self.phase_started = 0.0
        self.attempt: Attempt | None = None
        self._expired = False
        self._is_lent = False
        self._is_returned = False
        self._deadline: float | None = None
        self._previous: Any = None
        self._handler = self._on_alarm
        self._clock = time.monotonic
        self._lock = threading.Lock()
        self._over = threading.Event()

    def start(self, on_stuck: Callable[[], None]) -> None:
        """Start the watchdog; it calls `on_stuck`, which ends the process."""
        self._has_alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        threading.Thread(target=self._watch, args=(on_stuck,), name="ci-itest watchdog", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def arm(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._expired = self._is_lent = self._is_returned = False
        self._set(self.seconds)

    def disarm(self) -> None:
        with self._lock:
            self._deadline = None
        if self._has_alarm and not self._is_lent:
            setitimer(signal.ITIMER_REAL, 0)
            if getsignal(signal.SIGALRM) is self._handler:
                set_handler(signal.SIGALRM, signal.SIG_DFL if self._previous is None else self._previous)

    def enter(self, phase: str) -> None:
        """A phase begins; raises when the time was up between two phases."""
        self.phase_started = self._clock()
        if self._expired:
            self._enter_late(phase)
        elif self._is_returned and self._deadline is not None:
            self._is_lent = self._is_returned = False
            self._set_alarm(max(self._deadline - self.grace_seconds - self.phase_started, 0.001))
        self.phase = phase

    def leave(self) -> None:
        self.phase = ""

    def lend(self) -> None:
        """Let pytest-timeout have the alarm for a limit of its own that is shorter than ours."""
        if self._has_alarm:
            setitimer(signal.ITIMER_REAL, 0)
        self._is_lent, self._is_returned = True, False

    def take_back(self) -> bool:
        """Whether the alarm was ours and must stay on; one that was lent is ours again from the next phase on."""
        self._is_returned = self._is_lent
        return not self._is_lent

    def _set(self, seconds: float) -> None:
        with self._lock:
            self._deadline = self._clock() + seconds + self.grace_seconds
        self._set_alarm(seconds)

    def _set_alarm(self, seconds: float) -> None:
        if self._has_alarm:
            previous = set_handler(signal.SIGALRM, self._handler)
            if previous is not self._handler:
                self._previous = previous
            setitimer(signal.ITIMER_REAL, seconds)

    def _enter_late(self, phase: str) -> None:
        if phase == "teardown":
            # The fixtures of a case that was stopped get a period of their own to clean up.
            self._expired = False
            self._set(self.seconds)
        elif self.attempt is not None and not self.attempt.hung:
            self._fail()

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if self._deadline is None:
            return
        self._expired = True
        if self.phase:
            self._fail()

    def _fail(self) -> None:
        __tracebackhide__ = True
        if self.attempt is not None:
            self.attempt.hung = self.message
            self.attempt.stacks = stacks(except_for=threading.get_ident())
        raise pytest.fail.Exception(self.message)

    def _watch(self, on_stuck: Callable[[], None]) -> None:
        while not self._over.is_set():
            deadline = self._deadline
            # With no attempt running, the next deadline is at least this far away.
            wait = self.seconds + self.grace_seconds if deadline is None else deadline - self._clock()
            if wait > 0:
                self._over.wait(wait)
                continue
            with self._lock:
                if self._deadline == deadline:
                    on_stuck()


def stacks(*, except_for: int) -> str:
    """What all threads but one are doing."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    texts = [
        f"Thread {names.get(ident, ident)}:\n" + "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
        if ident not in (except_for, threading.get_ident()) and names.get(ident) != "ci-itest watchdog"
    ]
    return "\n".join(texts)


# Retries


def run_attempt(
    item: pytest.Item,
    nextitem: pytest.Item | None,
    attempt: Attempt,
    is_retried: Callable[[Attempt], bool],
) -> bool:
    """Run setup, call and teardown without reporting them; whether the case is to be run again.

    The fixtures that the case shares with others stay up when it is: teardown is told that a twin of the case is next.
    """
    if hasattr(item, "_request") and not item._request:
        item._initrequest()  # type: ignore[attr-defined]
    try:
        attempt.add(call_and_report(item, "setup", log=False))
        if attempt.reports[0].passed and not item.config.getoption("setuponly", False):
            attempt.add(call_and_report(item, "call", log=False))
        again = attempt.has_failed and is_retried(attempt)
        after = copy.copy(item) if again else nextitem
        attempt.add(call_and_report(item, "teardown", log=False, nextitem=after))
        return attempt.has_failed and is_retried(attempt)
    finally:
        if hasattr(item, "_request"):
            item._request = False
            item.funcargs = None  # type: ignore[attr-defined]


class Fixtures:
    """Shared fixtures whose setup failed: made anew for a retry, until they have failed as often as a case may.

    pytest keeps the failure of a shared fixture and raises it again for every case that needs it.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._failures: Counter[Any] = Counter()
        self._places: dict[Any, Any] = {}
        self._requests: dict[Any, Any] = {}

    def note(self, fixture: Any, request: Any, *, has_failed: bool) -> None:
        """One execution of a fixture. Only failures one after another for the same module, class … count."""
        if fixture.scope == "function" or not (has_failed or fixture in self._failures):
            return
        place = (request.node, getattr(request, "param_index", 0))
        if not has_failed or self._places.get(fixture) != place:
            self._failures.pop(fixture, None)
            self._requests.pop(fixture, None)
        if has_failed:
            self._failures[fixture] += 1
            self._places[fixture] = place
            self._requests[fixture] = request

    def are_broken_for(self, item: pytest.Item) -> bool:
        """Whether the case needs a fixture that is not worth another try."""
        names = getattr(item, "fixturenames", ())
        return any(fixture.argname in names and self._is_broken(fixture) for fixture in self._requests)

    def forget_failures(self) -> None:
        """Clean up what the failed ones left, so that the next request for them makes them anew."""
        for fixture in [fixture for fixture in self._requests if not self._is_broken(fixture)]:
            try:
                fixture.finish(self._requests.pop(fixture))
            except Exception:  # noqa: BLE001 - the user's finalizer; the attempt has failed anyway
                fixture.cached_result = None

    def _is_broken(self, fixture: Any) -> bool:
        return self._failures[fixture] > self._retries


def forget_attempt(item: pytest.Item, property_count: int) -> None:
    """Take from the item what an attempt left on it, so that the next one starts as the first did."""
    item._report_sections.clear()
    del item.user_properties[property_count:]
    if getattr(item, "cls", None) is not None and not hasattr(item, "_testcase"):
        item.__dict__.pop("_instance", None)
        item._obj = None  # type: ignore[attr-defined]
    _forget_failed_collectors(item)
    _forget_subtests(item)


def _forget_failed_collectors(item: pytest.Item) -> None:
    """Take down a package, module or class whose setup failed; pytest would repeat the failure for the next case."""
    state: Any = item.session._setupstate
    chain: list[Any] = []
    for node, (_, failure) in state.stack.items():
        if failure is not None:
            state.teardown_exact(_UpTo(chain))
            return
        chain.append(node)


class _UpTo:
    """Stands for a next item that shares these nodes, as far as teardown asks."""

    def __init__(self, chain: list[Any]) -> None:
        self._chain = chain

    def listchain(self) -> list[Any]:
        return self._chain


def _forget_subtests(item: pytest.Item) -> None:
    """pytest 9 fails a passed case for the failed subtests it has counted, those of earlier attempts as well."""
    try:
        from _pytest.subtests import failed_subtests_key
    except ImportError:
        return
    counts: Any = item.config.stash.get(failed_subtests_key, None) or {}
    counts.pop(item.nodeid, None)
    counts.pop(getattr(item, "id", None), None)


def is_part(report: Any) -> bool:
    """Whether it reports a subtest (of pytest 9, or of the plugin pytest-subtests)."""
    return type(report).__name__.lower() == "subtestreport"


# The plugin


class Shard:
    """The hooks of a process that runs cases, and of the one that watches pytest-xdist's workers."""

    def __init__(self, config: pytest.Config, selection: Selection) -> None:
        self.config = config
        self.selection = selection
        self.paths = Paths(selection.root)
        self.worker = getattr(config, "workerinput", {}).get("workerid", "main")
        self.journal = Journal(selection.results, self.worker)
        is_debugged = bool(config.getoption("usepdb", False) or config.getoption("trace", False))
        self.limit = Limit(selection, is_debugged=is_debugged)
        self.fixtures = Fixtures(selection.retries)
        self.attempt: Attempt | None = None
        self._patterns: tuple[str, ...] = tuple(config.getini("python_files"))
        self._listed: dict[str, bool] = {}
        self._deselected: Counter[str] = Counter()
        self._cases: dict[str, str] = {}
        self._broken_files: set[str] = set()
        self._is_ours = False
        self._may_retry = False
        self._lent_settings: Any = None

    # Collection

    @pytest.hookimpl(hookwrapper=True)
    def pytest_ignore_collect(self, collection_path: Any) -> Wrapper:
        """Keep pytest from importing another shard's files, whatever other plugins say."""
        outcome = yield
        path = str(collection_path)
        if self._is_test_module(path):
            if not self._list(self.paths.relative(path)):
                outcome.force_result(True)
        elif outcome.get_result() and os.path.isdir(path):
            self._list_below(self.paths.relative(path) + "/")

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Any) -> None:
        """List a file that was named on the command line: pytest asks nobody whether to ignore that one."""
        self._list(self.paths.relative(str(module_path)))

    @around(first=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Wrapper:
        """Leave what other plugins collected (doctests, YAML files) to one shard; it was not ours to ignore.

        A recorded order is restored after all plugins have had their way: pytest-randomly shuffles here.
        """
        items[:] = [item for item in items if self._list(self.paths.relative(str(item.path)))]
        if self.selection.pieces:
            items[:] = [item for item in items if self.selection.holds(self._case_of(item))]
        if self.selection.rerun_cases is not None:
            items[:] = [item for item in items if self.selection.runs(self._case_of(item))]
        if self.selection.skips:
            for item in items:
                if why := self.selection.skips.get(self._case_of(item)):
                    item.add_marker(pytest.mark.skip(reason=why))
        outcome = yield
        if self.selection.long_cases and not self.selection.queues:
            # Set by pytest-xdist in its workers, which all must order alike.
            workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT") or 1)
            items[:] = long_first(items, self.selection.long_cases, workers, self._case_of)
        if self.selection.queues and not hasattr(self.config, "workerinput"):
            # Without pytest-xdist one process plays what was recorded, one worker's queue after the other.
            played = [case for queue in self.selection.queues.values() for case in queue]
            places = {case: place for place, case in enumerate(played)}
            items.sort(key=lambda item: places.get(self._case_of(item), len(places)))
        return outcome

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self._deselected.update(clean(self.paths.relative(str(item.path))) for item in items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._cases = {item.nodeid: self._case_of(item) for item in session.items}
        self.journal.event("collected", ids=list(self._cases.values()), deselected=dict(self._deselected))

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run what is asked for, probe by probe, instead of everything once."""
        if self.selection.probes < 0:
            return None
        from ci_itest_probes import Probes  # beside this file, on the same PYTHONPATH

        return bool(Probes(session, self.selection.probes, case_of=self._cases).serve())

    def pytest_collectreport(self, report: Any) -> None:
        """A file that cannot be imported stands in the results as a case of its own."""
        if report.passed or (self._watches_workers and not _is_worker(report.nodeid)):
            return
        file = "" if self._watches_workers else self._file_of(report.nodeid)
        if file not in self._broken_files and self._listed.get(file, True):
            self._broken_files.add(file)
            if not self.selection.holds(f"{file}::{COLLECTION_NAME}"):
                return  # one of the shards that have a piece of the file says so
            self._write_collection(file, report)

    def _write_collection(self, file: str, report: Any) -> None:
        self.journal.event(
            "end",
            id=f"{file}::{COLLECTION_NAME}",
            number=1,
            outcome="error" if report.failed else "skipped",
            at=now(),
            setup=0.0,
            call=0.0,
            teardown=0.0,
            message=capped(message_of(report) if report.failed else skip_reason(report)),
            details=capped(_text_of(report)) if report.failed else "",
            output=capped("\n".join(f"--- {title} ---\n{text}" for title, text in report.sections)),
            line=0,
            properties=[],
        )

    def _is_test_module(self, path: str) -> bool:
        name = os.path.basename(path)
        if not name.endswith(".py") or name in ("conftest.py", "__init__.py"):
            return False
        if any(_matches(path, name, pattern) for pattern in self._patterns):
            return True
        return self.paths.relative(path) in self.selection.planned

    def _list(self, file: str) -> bool:
        """Whether the file is ours; said once in the journal."""
        mine = self._listed.get(file)
        if mine is None:
            mine = self._listed[file] = self.selection.takes(file)
            self.journal.event("listed", file=clean(file), mine=mine)
        return mine

    def _list_below(self, folder: str) -> None:
        """Our files in a folder that the suite's own settings ignore: seen, and rightly not run."""
        for file in sorted(self.selection.files):
            if file.startswith(folder):
                self._list(file)

    def _case_of(self, item: pytest.Item) -> str:
        rest = item.nodeid.partition("::")[2] or item.name
        if self.config.getoption("loadgroup", False):
            rest = without_group(rest)
        return clean(f"{self.paths.relative(str(item.path))}::{rest}")

    def _case_of_node_id(self, nodeid: str) -> str:
        """The same for a process that has only the names of the cases."""
        rest = nodeid.partition("::")[2]
        if self.config.getoption("dist", "") == "loadgroup":
            rest = without_group(rest)
        return clean(f"{self._file_of(nodeid)}::{rest}")

    def _file_of(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return clean(self.paths.relative(os.path.join(str(self.config.rootpath), path.replace("/", os.sep))))

    # Running

    def pytest_sessionstart(self) -> None:
        if self.limit.is_on and not self._watches_workers:
            self.limit.start(self._end_stuck)

    def pytest_sessionfinish(self) -> None:
        self.limit.stop()

    @around(first=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Wrapper:
        self._is_ours = False
        self._begin(item, 1)
        has_ended = False
        try:
            outcome = yield
            has_ended = _failure_of(outcome) is None
            return outcome
        finally:
            # With an exception (Ctrl-C, pytest.exit) the case has started and not ended, which is what happened.
            if has_ended and self.attempt is not None and self.attempt.reports:
                self._end()
            self._release()

    @around(first=True)
    def pytest_runtest_setup(self) -> Wrapper:
        self.limit.enter("setup")
        try:
            return (yield)
        finally:
            self.limit.leave()

    @around(first=True)
    def pytest_runtest_call(self) -> Wrapper:
        self.limit.enter("call")
        try:
            return (yield)
        finally:
            self.limit.leave()

    @around(first=True)
    def pytest_runtest_teardown(self) -> Wrapper:
        self.limit.enter("teardown")
        try:
            return (yield)
        finally:
            self.limit.leave()

    @around()
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Wrapper:
        failure: type[BaseException] | None = BaseException
        try:
            outcome = yield
            failure = _failure_of(outcome)
            return outcome
        except BaseException as error:
            failure = type(error)
            raise
        finally:
            has_failed = failure is not None and not issubclass(failure, pytest.skip.Exception)
            self.fixtures.note(fixturedef, request, has_failed=has_failed)

    def run_with_retries(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """pytest's own protocol, with a second chance: failures that are retried are reported as reruns."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._is_ours = True
        property_count = len(item.user_properties)
        for number in range(1, self.selection.retries + 2):
            if number > 1:
                forget_attempt(item, property_count)
                self._begin(item, number)
            assert self.attempt is not None
            self._may_retry = number <= self.selection.retries
            attempt = self.attempt
            again = run_attempt(item, nextitem, attempt, self._is_retried)
            self._end()
            self._report(item, attempt, again=again)
            if not again:
                break
            self.fixtures.forget_failures()
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _is_retried(self, attempt: Attempt) -> bool:
        item = attempt.item
        if not self._may_retry or item.session.shouldstop or item.session.shouldfail:
            return False
        if attempt.hung or any(_THEIR_TIMEOUT.search(message_of(report)) for report in attempt.bad_reports):
            return False
        return attempt.outcome != "error" or not self.fixtures.are_broken_for(item)

    @staticmethod
    def _report(item: pytest.Item, attempt: Attempt, *, again: bool) -> None:
        reports = attempt.reports
        if again:
            reports = (attempt.bad_reports or attempt.reports[1:])[:1]
            reports[0].outcome = "rerun"
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)

    def _begin(self, item: pytest.Item, number: int) -> None:
        case = self._cases.get(item.nodeid) or self._case_of(item)
        self.attempt = Attempt(item, case, number)
        self.journal.write(self.attempt.start_line())
        if self.limit.is_on:
            self.limit.arm(self.attempt)
            if number > 1:
                self._renew_their_timeout(item)

    def _end(self) -> None:
        """Write the attempt down; nothing that comes after it belongs to it."""
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            self.journal.write(attempt.end_line())

    def _release(self) -> None:
        self.attempt = None
        self._lent_settings = None
        if self.limit.is_on:
            self.limit.disarm()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        attempt = self.attempt
        if attempt is None or report.nodeid != attempt.item.nodeid:
            return
        if is_part(report):
            attempt.add_part(report)
            if self._is_ours and self._may_retry and report.failed:
                report.outcome = "rerun"
        elif not self._is_ours:
            attempt.add(report)
            if report.outcome == "rerun":
                # Another plugin runs the case again: the next reports are of a new attempt.
                self._end()
                self._begin(attempt.item, attempt.number + 1)

    @around()
    def pytest_report_to_serializable(self, report: Any) -> Wrapper:
        """Half a character in a message must not end the worker: pytest-xdist cannot send one."""
        outcome = yield
        if report.outcome != "passed" or getattr(report, "user_properties", None):
            data = outcome.get_result() if _IS_OLD else outcome
            if isinstance(data, dict):
                data.update(sendable(data))
        return outcome

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Any:
        if report.outcome != "rerun":
            return None
        return ("", "", "") if is_part(report) else ("rerun", "R", ("RERUN", {"yellow": True}))

    # Time limits

    def _end_stuck(self) -> None:
        """Write down the case that cannot be interrupted, and end the process (called by the watchdog)."""
        try:
            attempt = self.attempt
            if attempt is not None:
                event = self._stuck_event(attempt)
                self.journal.event("end", **event)
                self._say(f"ci-itest: {attempt.case} {event['message']}:\n{event['details']}\n")
        finally:
            os._exit(HUNG_EXIT)

    def _stuck_event(self, attempt: Attempt) -> Event:
        phase = self.limit.phase or "call"
        elapsed = time.monotonic() - self.limit.phase_started
        event = {"id": attempt.case, "number": attempt.number, "outcome": "failed", "at": now()}
        for when in ("setup", "call", "teardown"):
            event[when] = round(attempt.seconds(when) + (elapsed if when == phase else 0.0), 6)
        event["message"] = f"{self.limit.message} and could not be interrupted"
        event["details"] = capped(stacks(except_for=0))
        event.update(output=capped(self._captured()), line=_line(attempt.item, []), properties=[])
        return event

    def _captured(self) -> str:
        """What the case has printed so far; the main thread is stuck and cannot be in the way."""
        capture: Any = self.config.pluginmanager.getplugin("capturemanager")
        try:
            capture.suspend_global_capture(in_=False)
            return "".join(capture.read_global_capture())
        except Exception:  # noqa: BLE001 - the process ends in a moment; its last words matter more
            return ""

    @staticmethod
    def _say(text: str) -> None:
        os.write(2, text.encode("utf-8", "replace"))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, settings: Any) -> bool | None:
        """Of our limit and pytest-timeout's, the shorter one holds: there is only one alarm."""
        if not self.limit.is_on or self.attempt is None:
            return None
        if 0 < (settings.timeout or 0) < self.limit.seconds:
            self._lent_settings = None if settings.func_only else settings
            self.limit.lend()
            return None
        return True

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_cancel_timer(self) -> bool | None:
        if self.limit.is_on and self.limit.take_back():
            return True
        return None

    def _renew_their_timeout(self, item: pytest.Item) -> None:
        """Give a retry the whole of pytest-timeout's time, which it counts for all attempts together."""
        settings: Any = self._lent_settings
        if settings is not None:
            hooks: Any = item.config.hook
            self.limit.lend()
            hooks.pytest_timeout_cancel_timer(item=item)
            hooks.pytest_timeout_set_timer(item=item, settings=settings)

    # The process that watches pytest-xdist's workers

    @property
    def _watches_workers(self) -> bool:
        return bool(self.config.pluginmanager.hasplugin("dsession"))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> Any:
        if not self.selection.queues:
            return None
        from ci_itest_replay import RecordedScheduling  # beside this file, on the same PYTHONPATH

        workers: Any = self.config.getoption("tx")
        return RecordedScheduling(self.selection.queues, numbered=len(workers), case_of=self._case_of_node_id)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        worker = getattr(report, "node", None)
        name = str(getattr(getattr(worker, "gateway", None), "id", ""))
        self.journal.event(
            "crashed",
            id=self._case_of_node_id(crashitem),
            worker=name,
            message=f"worker {name} died while running it{_how_it_died(worker)}",
            at=now(),
        )


_SHARD = pytest.StashKey[Shard]()


def _failure_of(outcome: Any) -> type[BaseException] | None:
    """What a hook raised, as pytest 7 tells a wrapper; pytest 8 raises it there."""
    excinfo = getattr(outcome, "excinfo", None) if _IS_OLD else None
    return excinfo[0] if excinfo else None


def _how_it_died(worker: Any) -> str:
    """` (signal 9)`, ` (exit code 3)`; "" where the worker is not a child of ours."""
    try:
        code = worker.gateway._io.popen.wait(1.0)
    except Exception:  # noqa: BLE001 - private to execnet: any change there costs this detail only
        return ""
    return f" (signal {-code})" if code < 0 else f" (exit code {code})"


def without_group(name: str) -> str:
    """The name before pytest-xdist added the case's group to it ("test_x[a]@group")."""
    at = name.rfind("@")
    return name[:at] if at > name.rfind("]") else name


def _is_worker(nodeid: str) -> bool:
    """pytest-xdist reports workers that collected different cases under the worker's name."""
    return re.fullmatch(r"gw\d+", nodeid) is not None


def _matches(path: str, name: str, pattern: str) -> bool:
    """As pytest matches `python_files`: the name, or the whole path where the pattern has a separator."""
    if "/" not in pattern and os.sep not in pattern:
        return fnmatch.fnmatch(name, pattern)
    pattern = pattern.replace("/", os.sep)
    return fnmatch.fnmatch(path, pattern if os.path.isabs(pattern) else f"*{os.sep}{pattern}")
