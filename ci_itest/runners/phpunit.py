"""PHPUnit 9 and newer: one process a file, as many side by side as the shard has workers."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.exits import unexplained
from ci_itest.runners.files import file_of_path, listed_files, shown_by
from ci_itest.runners.journal import JournalReader

_CASE = re.compile(rb"^\s*(?:public\s+)?function\s+test\w*\s*\(|@test\b|#\[Test\]", re.MULTILINE)
_VERSION = re.compile(r"PHPUnit (\d+)\.(\d+)\S*")
_OLDEST = 9
_WORKER = "CI_ITEST_WORKER"
"""Variable with the number of the process among those side by side, from 0: for a database of its own."""


class PhpUnitRunner(JournalReader):
    """The `Runner` for PHPUnit. Its command line takes one file, and its list of suites stands in its configuration."""

    name = "phpunit"
    keeps_journal = False
    retries_itself = False

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return listed_files(settings, root=root, usual=lambda name: name.endswith("Test.php"))

    def count_cases(self, file: Path) -> int:
        return shown_by(_CASE, file)

    def groups(self, file: Path) -> Mapping[str, str]:
        return {}

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        own = root.resolve() / "vendor" / "bin"
        path = environment.get("PATH", os.defpath)
        return {**environment, "PATH": f"{own}{os.pathsep}{path}" if own.is_dir() else path}

    def launch(self, request: ShardRequest) -> Launch:
        program, version = _installed(request)
        settings = request.settings
        groups = ("--group", settings.markers) if settings.markers else ()
        chosen = ("--filter", _filter(request)) if request.is_again else ()
        seed = ("--random-order-seed", request.seed) if request.seed else ()
        words = shlex.join([program, "--no-coverage", "--colors=never", *groups, *chosen, *seed, *settings.arguments])
        listing = request.scratch / "files"
        listing.write_bytes(b"".join(_entry(place, file) for place, file in enumerate(_files(request))))
        junit = shlex.quote(str(request.scratch))
        # A process that ends with 255 (a fatal error of PHP) would make xargs start no further one.
        each = f'{words} --log-junit {junit}/"$1".xml "$2" || exit 1'
        parallel = f"-P {max(request.workers, 1)} --process-slot-var={_WORKER}"
        text = f"xargs -0 -n 2 {parallel} sh -c {shlex.quote(each)} phpunit < {shlex.quote(str(listing))}"
        return Launch(
            command=("sh", "-c", text),
            environment={},
            versions=(("phpunit", version),),
            reports=(f"{request.scratch}/*.xml",),
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        file = file_of_path(reported.file or next(iter(reversed(reported.suites)), ""), request)
        if not file:
            place = PurePosixPath(reported.report).stem
            running = tuple(_files(request))
            file = running[int(place)] if place.isdigit() and int(place) < len(running) else ""
        own = reported.classname.replace("\\", ".").rpartition(".")[2]
        name = reported.name if own in ("", PurePosixPath(file).stem) else f"{own}::{reported.name}"
        return file, name if reported.ordinal == 1 else f"{name} (#{reported.ordinal})"

    def explain_exit(self, code: int, *, has_failures: bool) -> str:
        return unexplained("PHPUnit", code, has_failures=has_failures)


def _files(request: ShardRequest) -> Iterator[str]:
    wanted = {case.partition("::")[0] for case in request.only}
    return (file for file in request.files if not wanted or file in wanted)


def _entry(place: int, file: str) -> bytes:
    return f"{place}\0{file}\0".encode("utf-8", "surrogateescape")


def _filter(request: ShardRequest) -> str:
    """Methods of the cases that are to run; of one with data all sets run, and what nobody asked for is left out."""
    names = {case.partition("::")[2].rpartition("::")[2] for case in request.only}
    methods = {re.escape(re.split(r" with data set | \(#", name)[0]) for name in names}
    return f"/::({'|'.join(sorted(methods))})( with data set .*)?$/s"


def _installed(request: ShardRequest) -> tuple[str, str]:
    """PHPUnit and its version.

    Raises:
        RunnerError: PHP or PHPUnit is not there, does not run, or is too old.
    """
    path = request.environment.get("PATH", os.defpath)
    if shutil.which("php", path=path) is None:
        raise RunnerError("There is no php on PATH.", hint="Install PHP (in a workflow: shivammathur/setup-php).")
    program = shutil.which("phpunit", path=path)
    if program is None:
        raise RunnerError(
            f"PHPUnit is not installed: there is no vendor/bin/phpunit in {request.root}, and no phpunit on PATH.",
            hint="Install what composer.json names (composer install), or: composer require --dev phpunit/phpunit",
        )
    code, words = output_of([program, "--version"], directory=request.root, environment=request.environment)
    version = _VERSION.search(words)
    if code != 0 or version is None:
        raise RunnerError(f"{program} does not run. It said: {words[-300:]}")
    if int(version[1]) < _OLDEST:
        raise RunnerError(f"{program} is {version[0]}; PHPUnit {_OLDEST} is the oldest that works.")
    return program, version[0].removeprefix("PHPUnit ")
