"""go test, through gotestsum: a shard is given packages, and a package's folder stands for a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from signal import Signals

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.files import files_to_run, listed_files
from ci_itest.runners.foreign import ForeignRunner, program_on_path, said_by

_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_CASE = re.compile(rb"^func (?:Test|Example|Fuzz)\w*\(", re.MULTILINE)
_PANIC = re.compile(r"^panic: .*^goroutine \d+ ", re.MULTILINE | re.DOTALL)
_OUTSIDE = "TestMain"
"""The name that gotestsum gives to what failed outside the tests of a package."""

_MOST_RERUN = 1000
"""gotestsum gives up on retries above ten failures by itself."""


class GoRunner(ForeignRunner):
    """The `Runner` for go test."""

    name = "go"
    title = "go test"
    retries_itself = True

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        """The packages that have tests, as folders."""
        files = listed_files(settings, root=root, usual=_is_test)
        return tuple(sorted({str(PurePosixPath(file).parent) for file in files}))

    def count_cases(self, file: Path) -> int:
        try:
            return sum(len(_CASE.findall(path.read_bytes())) for path in file.glob("*_test.go"))
        except OSError:
            return 0

    def launch(self, request: ShardRequest) -> Launch:
        gotestsum, versions = _installed(request)
        settings = request.settings
        tags = ("-tags", settings.markers) if settings.markers else ()
        chosen = ("-run", _pattern(_names(request))) if request.is_again else ()
        packages = " ".join(_package(file) for file in files_to_run(request))
        return Launch(
            command=(
                gotestsum,
                "--junitfile",
                str(request.scratch / "go.xml"),
                "--junitfile-testsuite-name=full",
                "--junitfile-testcase-classname=full",
                "--format=standard-verbose",
                "--no-color",
                *_reruns(settings.retries),
                f"--packages={packages}",
                "--",
                "-count=1",
                f"-p={max(request.workers, 1)}",
                *tags,
                *chosen,
                *_seeded(settings.arguments, request.seed),
            ),
            environment={},
            versions=versions,
            reports=(f"{request.scratch}/go.xml",),
            ended_by=Signals.SIGINT,
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        """What a package does outside its tests gotestsum calls TestMain, of no class."""
        folders = _folders(request.root, tuple(sorted({*request.files, *request.planned})))
        package = reported.classname or next(iter(reported.suites), "")
        return folders.get(package, ""), reported.name

    def was_cut_short(self, name: str, *, message: str, details: str) -> bool:
        """A test that failed says so at its end; os.Exit, a signal and a panic leave it without one."""
        if name == _OUTSIDE or _PANIC.search(details):
            return True
        return f"=== RUN   {name}\n" in f"{details}\n" and f"--- FAIL: {name} (" not in details


def _is_test(name: str) -> bool:
    """As Go sees it: a folder whose name begins with `_` or is `testdata` holds no package."""
    folders = PurePosixPath(name).parts[:-1]
    return name.endswith("_test.go") and not any(part == "testdata" or part.startswith("_") for part in folders)


def _package(folder: str) -> str:
    """As an argument; gotestsum divides them by blanks, and Go has no package with one in its path."""
    return "." if folder == "." else f"./{folder}"


def _names(request: ShardRequest) -> Iterator[str]:
    return (case.partition("::")[2] for case in request.only)


def _pattern(names: Iterable[str]) -> str:
    """For `-run`, which takes a pattern for each level of subtests: all that is wanted, and perhaps more."""
    levels: list[set[str]] = []
    for name in names:
        for depth, part in enumerate(name.split("/")):
            if depth == len(levels):
                levels.append(set())
            levels[depth].add(re.escape(part))
    return "/".join(f"^({'|'.join(sorted(level))})$" for level in levels)


def _seeded(arguments: Sequence[str], seed: str) -> Iterator[str]:
    """The arguments with a seed where they shuffle: go would draw one that no replay knows."""
    for argument in arguments:
        is_drawn = argument.removeprefix("-") in ("-shuffle=on", "shuffle=on")
        yield f"-shuffle={seed}" if is_drawn and seed else argument


def _reruns(retries: int) -> tuple[str, ...]:
    return (f"--rerun-fails={retries}", f"--rerun-fails-max-failures={_MOST_RERUN}") if retries else ()


def _installed(request: ShardRequest) -> tuple[str, tuple[tuple[str, str], ...]]:
    """gotestsum, and the versions of Go and it.

    Raises:
        RunnerError: One of them is not there, or does not run.
    """
    go, gotestsum = (program_on_path(name, request) for name in ("go", "gotestsum"))
    if go is None:
        raise RunnerError("There is no go on PATH.", hint="Install Go (in a workflow: actions/setup-go).")
    if gotestsum is None:
        raise RunnerError(
            "There is no gotestsum on PATH; it runs go test and writes JUnit.",
            hint="Install it: go install gotest.tools/gotestsum@latest (and put $(go env GOPATH)/bin on PATH)",
        )
    version = said_by([gotestsum, "--version"], request).rpartition(" ")[2]
    return gotestsum, (("go", said_by([go, "env", "GOVERSION"], request)), ("gotestsum", version))


@lru_cache(maxsize=8)
def _folders(root: Path, folders: tuple[str, ...]) -> dict[str, str]:
    """Import path of each package to its folder, by the go.mod nearest above it."""
    found = {}
    for folder in folders:
        module_folder, module = _module(root, folder)
        inside = os.path.relpath(root / folder, module_folder).replace(os.sep, "/")
        found[module if inside == "." else f"{module}/{inside}"] = folder
    return found


def _module(root: Path, folder: str) -> tuple[Path, str]:
    """Folder and name of the module that a package belongs to; the root and "" where no go.mod says."""
    start = (root / folder).resolve()
    for parent in (start, *start.parents):
        try:
            match = _MODULE.search((parent / "go.mod").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        if match:
            return parent, match[1]
    return root.resolve(), ""
