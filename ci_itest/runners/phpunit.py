"""PHPUnit 9 and newer: as many processes side by side as the shard has workers, and another one where one died."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.files import file_of_path, files_to_run, listed_files, only_one, shown_by
from ci_itest.runners.foreign import (
    ForeignRunner,
    does_not_run,
    numbered,
    program_on_path,
    said_by,
    with_folders_first,
)

_CASE = re.compile(rb"^\s*(?:public\s+)?function\s+test\w*\s*\(|@test\b|#\[Test\]", re.MULTILINE)
_VERSION = re.compile(r"PHPUnit (\d+)\.(\d+)\S*")
_OLDEST = 9
_PROCESSES = Path(__file__).parent / "php" / "phpunit.php"
_CONFIGURATIONS = ("phpunit.xml", "phpunit.dist.xml", "phpunit.xml.dist")
_ONE_BY_ONE = re.compile(r"executionOrder=|\bstopOn\w+=\"true\"")
_ONE_BY_ONE_OPTIONS = ("--order-by", "--random-order", "--stop-on", "--configuration", "-c")


class PhpUnitRunner(ForeignRunner):
    """The `Runner` for PHPUnit. Its command line takes one file, and its list of suites stands in its configuration."""

    name = "phpunit"
    title = "PHPUnit"

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return listed_files(settings, root=root, usual=lambda name: name.endswith("Test.php"))

    def count_cases(self, file: Path) -> int:
        return shown_by(_CASE, file)

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        return with_folders_first(environment, [root.resolve() / "vendor" / "bin"])

    def launch(self, request: ShardRequest) -> Launch:
        php, program, version = _installed(request)
        settings = request.settings
        groups = ("--group", settings.markers) if settings.markers else ()
        chosen = ("--filter", _filter(request)) if request.is_again else ()
        seed = ("--random-order-seed", request.seed) if request.seed else ()
        listing = b"".join(file.encode("utf-8", "surrogateescape") + b"\0" for file in files_to_run(request))
        (request.scratch / "files").write_bytes(listing)
        processes = (str(_PROCESSES), str(request.scratch), str(max(request.workers, 1)), _mode(version, request))
        options = ("--no-coverage", "--colors=never", *groups, *chosen, *seed, *settings.arguments)
        return Launch(
            command=(php, *processes, program, *options),
            environment={},
            versions=(("phpunit", version),),
            reports=(f"{request.scratch}/*.xml",),
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        file = file_of_path(reported.file, request) or _file_of_class(reversed(reported.suites), request)
        own = reported.classname.replace("\\", ".").rpartition(".")[2]
        name = reported.name if own in ("", PurePosixPath(file).stem) else f"{own}::{reported.name}"
        return file, numbered(name, reported)

    def was_cut_short(self, name: str, *, message: str, details: str) -> bool:
        return message.startswith("Its process ")


def _file_of_class(classes: Iterable[str], request: ShardRequest) -> str:
    """The file called like one of the classes: what PHPUnit says of a class as a whole it says of no file."""
    for name in classes:
        own = name.rpartition("\\")[2]
        if file := only_one(file for file in request.files if PurePosixPath(file).stem == own):
            return file
    return ""


def _mode(version: str, request: ShardRequest) -> str:
    """How a process is told of several files; ONE where it must not have several.

    Where PHPUnit draws the order, a replay can only repeat that within a file; where it stops at the first failure,
    the other files would not run.
    """
    texts = (request.root / name for name in _CONFIGURATIONS)
    configured = any(_ONE_BY_ONE.search(path.read_text(errors="replace")) for path in texts if path.is_file())
    if configured or any(argument.startswith(_ONE_BY_ONE_OPTIONS) for argument in request.settings.arguments):
        return "ONE"
    major, minor = (int(part) for part in version.split(".")[:2])
    if major == _OLDEST:
        return "SUITE"
    return "PATHS" if (major, minor) >= (10, 4) else "ONE"


def _filter(request: ShardRequest) -> str:
    """Methods of the cases that are to run; of one with data all sets run, and what nobody asked for is left out."""
    names = {case.partition("::")[2].rpartition("::")[2] for case in request.only}
    methods = {re.escape(re.split(r" with data set | \(#", name)[0]) for name in names}
    return f"/::({'|'.join(sorted(methods))})( with data set .*)?$/s"


def _installed(request: ShardRequest) -> tuple[str, str, str]:
    """PHP, PHPUnit and its version.

    Raises:
        RunnerError: PHP or PHPUnit is not there, does not run, or is too old.
    """
    php = program_on_path("php", request)
    if php is None:
        raise RunnerError("There is no php on PATH.", hint="Install PHP (in a workflow: shivammathur/setup-php).")
    program = program_on_path("phpunit", request)
    if program is None:
        raise RunnerError(
            f"PHPUnit is not installed: there is no vendor/bin/phpunit in {request.root}, and no phpunit on PATH.",
            hint="Install what composer.json names (composer install), or: composer require --dev phpunit/phpunit",
        )
    words = said_by([program, "--version"], request)
    version = _VERSION.search(words)
    if version is None:
        raise does_not_run(program, words)
    if int(version[1]) < _OLDEST:
        raise RunnerError(f"{program} is {version[0]}; PHPUnit {_OLDEST} is the oldest that works.")
    return php, program, version[0].removeprefix("PHPUnit ")
