"""pytest, with xdist inside the shard where the tests' own installation has it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ci_itest
from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.planning.partition import claiming_shard
from ci_itest.process import output_of
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.exits import killed_words
from ci_itest.runners.journal import JournalReader
from ci_itest.runners.pytest_files import shown_cases, suite_files
from ci_itest.runners.pytest_groups import xdist_groups
from ci_itest.wire import write_whole

PLUGIN_FOLDER = Path(ci_itest.__file__).parent / "pytest_plugin" / "shard"
PLUGIN_MODULE = "ci_itest_shard"
SELECTION = "selection.json"
HUNG_EXIT = 92
"""Exit code of the shard plugin when a case could not be interrupted and no worker process stood between."""

_FINE_EXITS = (0, 1, 5)
_EXITS = {
    2: "pytest was interrupted.",
    3: "pytest had an internal error.",
    4: "pytest was used wrongly: an option or a path it does not know, or a conftest that cannot be imported.",
    HUNG_EXIT: "A case ran longer than case_timeout and could not be interrupted, so pytest was ended with it. "
    "With pytest-xdist installed only the case's worker would have been.",
}
_OLDEST_PYTHON = (3, 9)
_OLDEST_PYTEST = (7,)
_WORKSTEAL_SINCE = (3, 2)
# Every hung or crashed case costs a worker. pytest-xdist gives up after four for each worker of the beginning.
_SPARE_WORKERS = 32

_QUESTION = """
import json, sys
answer = {"python": list(sys.version_info[:2]), "python-whole": sys.version.split()[0]}
try:
    from importlib.metadata import PackageNotFoundError, distributions, version
except ImportError:
    pass
else:
    for name in ("pytest", "pytest-xdist"):
        try:
            answer[name] = version(name)
        except PackageNotFoundError:
            answer[name] = ""
    found = [d for d in distributions() if any(e.group == "pytest11" for e in d.entry_points)]
    answer["plugins"] = sorted({d.metadata["Name"].lower(): d.version for d in reversed(found)}.items())
print("\\n" + json.dumps(answer))
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """What the Python of the tests has: versions, () for what is not there; `all` with their full texts."""

    python: tuple[int, ...]
    pytest: tuple[int, ...]
    xdist: tuple[int, ...]
    all: tuple[tuple[str, str], ...] = ()


class PytestRunner(JournalReader):
    """The `Runner` for pytest 7 and newer on the Python of the tests."""

    name = "pytest"
    keeps_journal = True
    retries_itself = True

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return suite_files(settings.tests, root=root, arguments=settings.arguments)

    def count_cases(self, file: Path) -> int:
        return shown_cases(file)

    def groups(self, file: Path) -> Mapping[str, str]:
        return xdist_groups(file)

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        folder = Path(_python(settings, root=root, environment=environment)).parent
        path = environment.get("PATH", "")
        inside = {"VIRTUAL_ENV": str(folder.parent)} if (folder.parent / "pyvenv.cfg").is_file() else {}
        return {**environment, **inside, "PATH": f"{folder}{os.pathsep}{path}" if path else str(folder)}

    def launch(self, request: ShardRequest) -> Launch:
        python = _python(request.settings, root=request.root, environment=request.environment)
        installed = _usable(python, _installed(python, request))
        xdist = () if _switches_off_xdist(request) else installed.xdist
        _write_selection(request)
        markers = ("-m", request.settings.markers) if request.settings.markers else ()
        fixed = ("-p", PLUGIN_MODULE, "--continue-on-collection-errors", "--color=no")
        own = (*_workers(request, xdist), *request.settings.arguments, *_alone(request, installed))
        arguments = (*fixed, *markers, *own, *_places(request))
        return Launch(
            command=(python, "-m", "pytest", *arguments),
            environment=_additions(request),
            note="" if xdist else _without_xdist(request, is_installed=bool(installed.xdist)),
            versions=installed.all,
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        return reported.file, reported.name

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        if code in _FINE_EXITS:
            return ""
        return killed_words("pytest", code) or _EXITS.get(code, f"pytest ended with code {code}.")


def _places(request: ShardRequest) -> Iterable[str]:
    """What pytest is given: folders, and of the files named themselves this shard's.

    pytest collects a named file without asking whether to ignore it, so another shard's must not be named.

    Raises:
        RunnerError: Nothing is left, and without a place pytest would look everywhere.
    """
    places = [place for place in request.settings.tests if _is_for_shard(place, request)]
    if not places:
        raise RunnerError(f"Shard {request.index}/{request.count} of {request.suite} has no test file.")
    return places


def _is_for_shard(place: str, request: ShardRequest) -> bool:
    if not (request.root / place).is_file():
        return True
    file = Path(os.path.normpath(place)).as_posix()
    if file in request.planned:
        return file in request.files
    return claiming_shard(file, shard_count=request.count) == request.index


def _workers(request: ShardRequest, xdist: tuple[int, ...]) -> tuple[str, ...]:
    """One worker is used as well: when a case kills or hangs it, the rest of the shard still runs."""
    if not xdist or not request.workers:
        return ()
    # pytest loads nothing by itself then; this one we need.
    named = ("-p", "xdist") if request.environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") else ()
    division = "worksteal" if xdist >= _WORKSTEAL_SINCE else "load"
    spare = f"--max-worker-restart={_SPARE_WORKERS + request.workers}"
    return (*named, "-n", str(request.workers), "--dist", division, spare)


def _alone(request: ShardRequest, installed: Installed) -> tuple[str, ...]:
    """Last, to outweigh a number of workers in the user's own arguments, which may name other options of xdist."""
    is_there = installed.xdist and not _switches_off_xdist(request)
    named = request.environment.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") and not request.workers
    return (*(("-p", "xdist") if named else ()), "-n", "0") if is_there and not request.workers else ()


def _switches_off_xdist(request: ShardRequest) -> bool:
    arguments = " ".join((*request.settings.arguments, request.environment.get("PYTEST_ADDOPTS", "")))
    return "no:xdist" in arguments


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


def _installed(python: str, request: ShardRequest) -> Installed:
    """What that Python says it has; RunnerError when it cannot be started."""
    code, output = output_of([python, "-c", _QUESTION], directory=request.root, environment=request.environment)
    lines = output.strip().splitlines()
    answer = _answer(lines[-1]) if code == 0 and lines else {}
    if not answer:
        said = f" It said: {lines[-1]}" if lines else ""
        raise RunnerError(f"{python} does not run.{said}", hint="Set `python` to the Python that runs your tests.")
    whole = {"python": answer.get("python-whole"), **{name: answer.get(name) for name in ("pytest", "pytest-xdist")}}
    whole |= {str(name): version for name, version in answer.get("plugins", ())}
    return Installed(
        tuple(answer["python"]),
        _version(answer.get("pytest")),
        _version(answer.get("pytest-xdist")),
        tuple((name, str(version)) for name, version in whole.items() if version),
    )


def _answer(line: str) -> dict[str, Any]:
    """What `_QUESTION` printed; {} for anything else."""
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) and isinstance(answer.get("python"), list) else {}


def _version(text: object) -> tuple[int, ...]:
    """Major and minor number; () for no version."""
    parts = str(text or "").split(".")[:2]
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in parts if part)


def _usable(python: str, installed: Installed) -> Installed:
    """The same, when the shard plugin can work with it.

    Raises:
        RunnerError: No pytest, or an older one or an older Python than the plugin knows.
    """
    if installed.python < _OLDEST_PYTHON:
        raise RunnerError(f"{python} is Python {_dots(installed.python)}; 3.9 is the oldest that works.")
    if not installed.pytest:
        raise RunnerError(
            f"{python} has no pytest.",
            hint=f"Install the tests' requirements there (`{python} -m pip install pytest pytest-xdist`), "
            "or set `python` to the Python that has them.",
        )
    if installed.pytest < _OLDEST_PYTEST:
        raise RunnerError(f"{python} has pytest {_dots(installed.pytest)}; 7.0 is the oldest that works.")
    return installed


def _dots(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


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
        "rerun_cases": list(request.only) or None,
        "seed": request.seed,
        "probes": request.probes,
        "skips": dict(request.skips),
        "pieces": _pieces(request),
        "long_cases": list(request.long_cases),
        "queues": {worker: list(cases) for worker, cases in request.queues},
    }
    write_whole(request.results / SELECTION, json.dumps(selection, indent=1).encode())
    # Lines are appended: those of an earlier run in the same folder would count as this one's.
    for path in request.results.glob("*.jsonl"):
        path.unlink()


def _pieces(request: ShardRequest) -> dict[str, list[tuple[str, str]]]:
    pieces: dict[str, list[tuple[str, str]]] = {}
    for unit in request.pieces:
        pieces.setdefault(unit.file, []).append((unit.first, unit.until))
    return pieces


def _additions(request: ShardRequest) -> dict[str, str]:
    earlier = request.environment.get("PYTHONPATH", "")
    return {
        "PYTHONPATH": f"{PLUGIN_FOLDER}{os.pathsep}{earlier}" if earlier else str(PLUGIN_FOLDER),
        "CI_ITEST_SHARD": str(request.results / SELECTION),
        "CI_ITEST_VERSION": ci_itest.__version__,
    }


def _without_xdist(request: ShardRequest, *, is_installed: bool) -> str:
    why = "is switched off" if is_installed else "is not installed with the tests"
    loss = "they run one after another, and a case that crashes ends the shard"
    advice = "" if is_installed else f" Install it to use {_count(request.workers)}."
    return f"pytest-xdist {why}: {loss}.{advice}"


def _count(workers: int) -> str:
    return "a worker process" if workers == 1 else f"{workers} workers"
