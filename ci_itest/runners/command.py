"""Any command that takes files and leaves JUnit: RSpec, Maven, Gradle, Bazel, cargo nextest, bats …"""

from __future__ import annotations

import glob
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ci_itest.errors import RunnerError, SettingsError
from ci_itest.masking import is_secret_name
from ci_itest.model.settings import CommandSettings, SuiteSettings
from ci_itest.process import output_of
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.files import file_of_path, files_to_run, listed_files, only_one
from ci_itest.runners.foreign import ForeignRunner, numbered
from ci_itest.wire import write_whole

_LIST_SECONDS = 120.0
_SOURCE_FOLDERS = ("java", "kotlin", "groovy", "scala")
_MAX_ARGUMENTS_BYTES = 120_000
"""Linux takes 128 KiB in one argument, and the command is one of the shell's."""


class CommandRunner(ForeignRunner):
    """The `Runner` for the command that the settings give."""

    name = "command"
    title = "The command"

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        command = _command(settings)
        if not command.list:
            if not settings.test_files and any((root / place).is_dir() for place in settings.tests):
                raise SettingsError(
                    f"Suite {suite} does not say which files of {', '.join(settings.tests)} are tests.",
                    hint='Set test_files = ["**/*_spec.rb"], or `list` in [command].',
                )
            return listed_files(settings, root=root, usual=lambda _: False)
        return _listed(command.list, root=root, suite=suite)

    def count_cases(self, file: Path) -> int:
        return 0

    def launch(self, request: ShardRequest) -> Launch:
        command = _command(request.settings)
        text, variables, stdin = _filled(command, request)
        return Launch(
            command=("sh", "-c", text),
            environment={"CI_ITEST_WORKERS": str(max(request.workers, 1)), **variables},
            reports=(
                f"{glob.escape(str(request.scratch))}/**/*",
                *(f"{glob.escape(str(request.root))}/{pattern}" for pattern in command.junit),
            ),
            stdin=stdin,
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        """File by the report's own words, by the class, or because only one file ran."""
        file = _file_of(reported, request)
        name = reported.name
        if reported.classname and not _says_no_more(reported.classname, file):
            name = f"{reported.classname}::{name}"
        return file, numbered(name, reported)


def _listed(command: str, *, root: Path, suite: str) -> tuple[str, ...]:
    """What the command prints on stdout; RunnerError with its other output when it fails.

    It runs in the job that plans, which has a token: it sees no variable that leads to one.
    """
    environment = {name: value for name, value in os.environ.items() if not _is_private(name)}
    with tempfile.TemporaryDirectory(prefix="ci-itest-") as folder:
        listing = Path(folder) / "files"
        code, complaint = output_of(
            ["sh", "-c", f"{{ {command}\n}} > {shlex.quote(str(listing))}"],
            directory=root,
            environment=environment,
            within_seconds=_LIST_SECONDS,
        )
        if code != 0:
            raise RunnerError(
                f"`{command}` cannot list the files of suite {suite} (code {code}).\n{complaint[-2000:]}".rstrip()
            )
        lines = listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return tuple(sorted({_plain(line) for line in lines if line.strip()}))


def _is_private(name: str) -> bool:
    return is_secret_name(name) or name.startswith(("CI_ITEST_", "GITHUB_", "ACTIONS_", "RUNNER_"))


def _command(settings: SuiteSettings) -> CommandSettings:
    if settings.command is None:
        raise SettingsError('runner = "command" has no table [command].')
    return settings.command


def _plain(line: str) -> str:
    line = line.strip()
    return os.path.normpath(line) if "/" in line and "//" not in line and ":" not in line else line


def _filled(command: CommandSettings, request: ShardRequest) -> tuple[str, dict[str, str], Path | None]:
    """The shell's text, variables, and what stands on stdin.

    Raises:
        RunnerError: The files do not fit into one command line.
    """
    files = files_to_run(request)
    if command.each:
        return _one_by_one(command, request, files), {}, None
    if command.files == "stdin":
        listing = request.scratch.parent / f"{request.scratch.name}-files"
        write_whole(listing, "".join(f"{_item(command.item, file)}\n" for file in files).encode())
        return _call(command, request, (), _junit(request)), {}, listing
    if command.files == "variable":
        variables = {command.variable: command.join.join(_item(command.item, file) for file in files)}
        return _call(command, request, (), _junit(request)), variables, None
    text = _call(command, request, files, _junit(request))
    if len(text.encode()) > _MAX_ARGUMENTS_BYTES:
        raise RunnerError(
            f"The {len(files)} files of shard {request.index}/{request.count} do not fit into one command line.",
            hint='Hand them over with files = "stdin", or one by one with each = true.',
        )
    return text, {}, None


def _one_by_one(command: CommandSettings, request: ShardRequest, files: Sequence[str]) -> str:
    """A script that calls the command for each file and ends with the code of the last call that failed."""
    calls = [
        f"( {_call(command, request, (file,), _junit(request, str(place)))}\n) || status=$?"
        for place, file in enumerate(files)
    ]
    script = request.scratch.parent / f"{request.scratch.name}-calls"
    write_whole(script, "\n".join(["status=0", *calls, "exit $status", ""]).encode("utf-8", "surrogateescape"))
    return f". {shlex.quote(str(script))}"


def _call(command: CommandSettings, request: ShardRequest, files: Sequence[str], junit: Path) -> str:
    words = command.join.join(_item(command.item, file, quoted=shlex.quote) for file in files)
    text = command.run.replace("{junit}", shlex.quote(str(junit))).replace("{files}", words)
    names = _names(request, files) if request.is_again and command.case else ()
    cases = " ".join(command.case.replace("{case}", shlex.quote(name)) for name in names)
    return text.replace("{cases}", cases) if "{cases}" in command.run else f"{text} {cases}".rstrip()


def _junit(request: ShardRequest, name: str = "") -> Path:
    folder = request.scratch / "junit" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _names(request: ShardRequest, files: Sequence[str]) -> Iterator[str]:
    """Names of the cases that are to run again, of these files; of all where none is named."""
    for case in request.only:
        file, _, name = case.partition("::")
        if not files or file in files:
            yield name.rpartition("::")[2]


def _item(template: str, file: str, *, quoted: Callable[[str], str] = str) -> str:
    """What stands for a file.

    Args:
        quoted: Applied to what comes out of the file's name; what the settings say stands.
    """
    path = PurePosixPath(file)
    words = {"{file}": file, "{name}": path.name, "{stem}": path.stem, "{class}": java_class(file)}
    for place, word in words.items():
        template = template.replace(place, quoted(word))
    return template


def java_class(file: str) -> str:
    """`src/test/java/com/acme/CartIT.java` to `com.acme.CartIT`: what stands behind the folder of the language."""
    parts = PurePosixPath(file).with_suffix("").parts
    starts = [place + 1 for place, part in enumerate(parts[:-1]) if part in _SOURCE_FOLDERS]
    return ".".join(parts[starts[-1] if starts else 0 :])


def _file_of(reported: ReportedCase, request: ShardRequest) -> str:
    running = files_to_run(request)
    if _command(request.settings).each:
        place = Path(reported.report).relative_to(request.scratch / "junit").parts[0]
        return running[int(place)]
    for written in (reported.file, reported.classname, *reversed(reported.suites), reported.name):
        if found := file_of_path(written, request):
            return found
    for written in (reported.classname, *reversed(reported.suites)):
        if found := _file_of_class(written, request):
            return found
    return running[0] if len(running) == 1 else ""


def _file_of_class(written: str, request: ShardRequest) -> str:
    """The file that a dotted or coloned class stands for: `com.acme.CartIT$Nested`, `spec.cart_spec`, `shop::cart`."""
    dotted = written.replace("::", ".").replace("$", ".")
    known = {
        file: {java_class(file), ".".join(PurePosixPath(file).with_suffix("").parts)}
        for file in (*request.files, *request.planned)
    }
    exact = only_one([file for file, names in known.items() if dotted in names])
    return exact or only_one([file for file, names in known.items() if any(_is_of(dotted, name) for name in names)])


def _is_of(dotted: str, name: str) -> bool:
    """Whether a class is a file's own by the file's dotted name: the same, inside it, or its end."""
    return bool(dotted) and (f"{dotted}.".startswith(f"{name}.") or f".{name}".endswith(f".{dotted}"))


def _says_no_more(classname: str, file: str) -> bool:
    """Whether the class only repeats the file."""
    if not file:
        return False
    bare = str(PurePosixPath(file).with_suffix(""))
    return classname in (file, bare, java_class(file), bare.replace("/", "."), PurePosixPath(file).stem)
