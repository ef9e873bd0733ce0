"""pytest, with xdist inside the shard where the tests' own installation has it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ci_itest
from ci_itest.errors import RunnerError
from ci_itest.model.cases import COLLECTION_NAME, Attempt, CaseId, Outcome
from ci_itest.model.run import ListedFile
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import Counts, Launch, RunnerResult, ShardRequest
from ci_itest.runners.pytest_files import shown_cases, test_files
from ci_itest.wire import json_lines, write_whole

PLUGIN_FOLDER = Path(ci_itest.__file__).parent / "pytest_plugin" / "shard"
PLUGIN_MODULE = "ci_itest_shard"
SELECTION = "selection.json"
MAX_RESULT_BYTES = 512 * 1024 * 1024

_FINE_EXITS = (0, 1, 5)
_EXITS = {
    2: "pytest was interrupted.",
    3: "pytest had an internal error.",
    4: "pytest was used wrongly: an option or a path it does not know.",
}
_QUESTION = "import importlib.util as u, sys; print(*(bool(u.find_spec(n)) for n in ('pytest', 'xdist')))"


class PytestRunner:
    """The `Runner` for pytest 7 and newer on the Python of the tests."""

    name = "pytest"

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return test_files(settings.tests, root=root)

    def count_cases(self, file: Path) -> int:
        return shown_cases(file)

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        folder = Path(_python(settings, root=root, environment=environment)).parent
        path = environment.get("PATH", "")
        inside = {"VIRTUAL_ENV": str(folder.parent)} if (folder.parent / "pyvenv.cfg").is_file() else {}
        return {**environment, **inside, "PATH": f"{folder}:{path}" if path else str(folder)}

    def launch(self, request: ShardRequest) -> Launch:
        python = _python(request.settings, root=request.root, environment=request.environment)
        has_xdist = _has_xdist(python, request)
        _write_selection(request)
        markers = ("-m", request.settings.markers) if request.settings.markers else ()
        workers = ("-n", str(request.workers), "--dist", "worksteal") if has_xdist else ()
        fixed = ("-p", PLUGIN_MODULE, "--continue-on-collection-errors", "--color=no")
        arguments = (*fixed, *markers, *workers, *request.settings.arguments, *request.settings.tests)
        return Launch(
            command=(python, "-m", "pytest", *arguments),
            environment=_additions(request),
            note=_without_xdist(request) if not has_xdist else "",
        )

    def read(self, results: Path, *, suite: str) -> RunnerResult:
        reading = _Reading(suite)
        for path in sorted(results.glob("*.jsonl")):
            reading.take(path.stem, json_lines(path.read_bytes()[:MAX_RESULT_BYTES]))
        return reading.result()

    def count(self, results: Path) -> Counts:
        collected: set[str] = set()
        last: dict[str, bool] = {}
        for path in sorted(results.glob("*.jsonl")):
            for event in json_lines(path.read_bytes()):
                if event.get("event") == "collected":
                    collected.update(_texts(event.get("ids")))
                elif event.get("event") == "end":
                    last[str(event.get("id"))] = event.get("outcome") in ("failed", "error")
        return Counts(collected=len(collected), ended=len(last), failed=sum(last.values()))

    def explain_exit(self, code: int) -> str:
        if code in _FINE_EXITS:
            return ""
        return _EXITS.get(code, f"pytest ended by signal {-code}." if code < 0 else f"pytest ended with code {code}.")


class _Reading:
    """Events of all processes of one shard, put together."""

    def __init__(self, suite: str) -> None:
        self._suite = suite
        self._listed: dict[str, bool] = {}
        self._collected: dict[CaseId, None] = {}
        self._deselected: dict[str, int] = {}
        self._has_collected = False
        self._attempts: list[Attempt] = []
        self._open: dict[CaseId, str] = {}
        self._crashed: list[tuple[CaseId, str, str]] = []
        self._queues: dict[str, list[str]] = {}

    def take(self, worker: str, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            match event.get("event"):
                case "listed":
                    file = str(event.get("file", ""))
                    self._listed[file] = self._listed.get(file, False) or event.get("mine") is True
                case "collected":
                    self._take_collected(event)
                case "start":
                    case = self._case(event)
                    self._open[case] = worker
                    if event.get("number") == 1:
                        self._queues.setdefault(worker, []).append(case.node_id)
                case "end":
                    attempt = self._attempt(event, worker)
                    self._open.pop(attempt.case, None)
                    self._attempts.append(attempt)
                case "crashed":
                    self._crashed.append((self._case(event), str(event.get("worker")), str(event.get("message"))))

    def result(self) -> RunnerResult:
        attempts = [*self._attempts, *self._crash_attempts()]
        return RunnerResult(
            listed=tuple(self._listed_file(file, mine) for file, mine in sorted(self._listed.items())),
            collected=tuple(self._collected),
            attempts=tuple(_renumbered(attempts)),
            running=tuple(self._open),
            queues=tuple((worker, tuple(cases)) for worker, cases in sorted(self._queues.items())),
        )

    def _take_collected(self, event: Mapping[str, Any]) -> None:
        # Every worker collects the same; the union stands for all of them.
        self._has_collected = True
        for node_id in _texts(event.get("ids")):
            self._collected.setdefault(self._case_of(node_id))
        deselected = event.get("deselected")
        if isinstance(deselected, dict):
            self._deselected.update({str(file): int(count) for file, count in deselected.items()})

    def _crash_attempts(self) -> Iterable[Attempt]:
        """A case whose worker died has failed: nobody else could write down its end."""
        for case, worker, message in self._crashed:
            if self._open.pop(case, None) is not None:
                yield Attempt(case, Outcome.ERROR, worker=worker, message=message)

    def _listed_file(self, file: str, is_mine: bool) -> ListedFile:
        if not is_mine:
            return ListedFile(file, is_mine=False)
        broken = any(attempt.case == CaseId(self._suite, file, COLLECTION_NAME) for attempt in self._attempts)
        if not self._has_collected and not broken:
            return ListedFile(file, is_mine=True)
        count = sum(1 for case in self._collected if case.file == file)
        return ListedFile(file, is_mine=True, case_count=count, deselected_count=self._deselected.get(file, 0))

    def _case(self, event: Mapping[str, Any]) -> CaseId:
        return self._case_of(str(event.get("id", "")))

    def _case_of(self, node_id: str) -> CaseId:
        file, _, name = node_id.partition("::")
        return CaseId(self._suite, file, name)

    def _attempt(self, event: Mapping[str, Any], worker: str) -> Attempt:
        return Attempt(
            self._case(event),
            _outcome(event.get("outcome")),
            number=_number(event.get("number"), least=1),
            started_at=str(event.get("at", "")),
            setup_seconds=_seconds(event.get("setup")),
            call_seconds=_seconds(event.get("call")),
            teardown_seconds=_seconds(event.get("teardown")),
            worker="" if worker == "main" else worker,
            message=str(event.get("message", "")),
            details=str(event.get("details", "")),
            output=str(event.get("output", "")),
            line=_number(event.get("line"), least=0),
            properties=_pairs(event.get("properties")),
        )


def _renumbered(attempts: Iterable[Attempt]) -> Iterable[Attempt]:
    """Attempts of a case counted from 1 in the order they ended, also when two workers tried it."""
    made: dict[CaseId, int] = {}
    for attempt in attempts:
        made[attempt.case] = made.get(attempt.case, 0) + 1
        yield replace(attempt, number=made[attempt.case])


def _outcome(value: object) -> Outcome:
    """An outcome that is none of ours is an error: nothing unknown may count as passed."""
    try:
        return Outcome(str(value))
    except ValueError:
        return Outcome.ERROR


def _number(value: object, *, least: int) -> int:
    return max(value, least) if isinstance(value, int) and not isinstance(value, bool) else least


def _seconds(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e7 else 0.0  # type: ignore[operator, arg-type]


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = value if isinstance(value, list) else []
    return tuple((str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2)


def _python(settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]) -> str:
    """The Python of the tests: the setting, the active environment, .venv in the root, else python3 on PATH.

    Raises:
        RunnerError: There is none.
    """
    if settings.python:
        named = shutil.which(settings.python, path=environment.get("PATH")) or root / settings.python
        if not Path(named).exists():
            raise RunnerError(f"There is no Python {settings.python}.", hint="Correct the setting `python`.")
        return str(Path(named).absolute())
    active = environment.get("VIRTUAL_ENV")
    for folder in (*((Path(active),) if active else ()), root / ".venv"):
        if (folder / "bin" / "python").exists():
            return str((folder / "bin" / "python").absolute())
    found = shutil.which("python3", path=environment.get("PATH"))
    if found is None:
        raise RunnerError("There is no python3 on PATH.", hint="Set `python` to the Python that runs your tests.")
    return found


def _has_xdist(python: str, request: ShardRequest) -> bool:
    """Whether that Python has pytest-xdist; RunnerError when it has no pytest."""
    code, output = output_of([python, "-c", _QUESTION], directory=request.root, environment=request.environment)
    answers = output.split()[-2:]
    if code != 0 or answers[:1] != ["True"]:
        raise RunnerError(
            f"{python} has no pytest.",
            hint="Install the tests' requirements there, or set `python` to the Python that has them.",
        )
    return answers[1:] == ["True"]


def _write_selection(request: ShardRequest) -> None:
    selection = {
        "schema": 1,
        "root": str(request.root),
        "files": list(request.files),
        "planned": list(request.planned),
        "index": request.index,
        "count": request.count,
        "results": str(request.results),
        "retries": request.settings.retries,
        "case_timeout_seconds": float(request.settings.case_timeout),
        "rerun_cases": None,
    }
    write_whole(request.results / SELECTION, json.dumps(selection, indent=1).encode())


def _additions(request: ShardRequest) -> dict[str, str]:
    earlier = request.environment.get("PYTHONPATH", "")
    return {
        "PYTHONPATH": f"{PLUGIN_FOLDER}:{earlier}" if earlier else str(PLUGIN_FOLDER),
        "CI_ITEST_SHARD": str(request.results / SELECTION),
        "CI_ITEST_VERSION": ci_itest.__version__,
    }


def _without_xdist(request: ShardRequest) -> str:
    if request.workers == 1:
        return ""
    return "pytest-xdist is not installed with the tests: they run one after another. Install it to use all workers."
