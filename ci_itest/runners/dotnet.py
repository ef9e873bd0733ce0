"""dotnet test, through JunitXml.TestLogger: a shard is given the files of test classes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.files import files_to_run, listed_files, shown_by
from ci_itest.runners.foreign import ForeignRunner, numbered, program_on_path, said_by

_FILE = re.compile(r"Tests?\.cs$")
_CASE = re.compile(rb"^\s*\[(?:Fact|Theory|Test|TestCase|TestMethod|DataTestMethod)\b", re.MULTILINE)
_NAMESPACE = re.compile(r"^\s*namespace\s+([\w.]+)", re.MULTILINE)
_CLASS = re.compile(r"^\s*(?:\[[^\]]*\]\s*)*(?:(?:public|internal|sealed|partial)\s+)*class\s+(\w+)", re.MULTILINE)
_LOGGER = "JunitXml.TestLogger"


class DotnetRunner(ForeignRunner):
    """The `Runner` for dotnet test with xUnit, NUnit or MSTest."""

    name = "dotnet"
    title = "dotnet test"

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        """Files named like test classes, but for those that declare none to be run (abstract base classes)."""
        return listed_files(
            settings, root=root, usual=lambda name: bool(_FILE.search(name) and classes_in(root / name))
        )

    def count_cases(self, file: Path) -> int:
        return shown_by(_CASE, file)

    def tool_environment(
        self, settings: SuiteSettings, *, root: Path, environment: Mapping[str, str]
    ) -> dict[str, str]:
        return {**environment, "DOTNET_NOLOGO": "1", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}

    def launch(self, request: ShardRequest) -> Launch:
        """`tests` names folders of a project; dotnet looks for its project or solution in the root.

        Raises:
            RunnerError: There is no dotnet, or no project refers to the logger that writes JUnit.
        """
        program = program_on_path("dotnet", request)
        if program is None:
            raise RunnerError(
                "There is no dotnet on PATH.", hint="Install the SDK (in a workflow: actions/setup-dotnet)."
            )
        if not _has_logger(request.root):
            raise RunnerError(
                f"No project in {request.root} refers to {_LOGGER}, which writes JUnit.",
                hint=f"Add it to the test project: dotnet add package {_LOGGER}",
            )
        version = said_by([program, "--version"], request)
        settings = request.settings
        chosen = "|".join(f"FullyQualifiedName~{name}." for name in _classes(request))
        filters = f"({settings.markers})&({chosen})" if settings.markers else chosen
        logger = f"junit;LogFilePath={request.scratch}/{{assembly}}.{{framework}}.xml;MethodFormat=Class"
        return Launch(
            command=(program, "test", "--logger", logger, "--filter", filters, *settings.arguments),
            environment={},
            versions=(("dotnet", version),),
            reports=(f"{request.scratch}/*.xml",),
        )

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        """JunitXml.TestLogger writes the class with its namespace, and in the name the method with its arguments."""
        owners = _owners(request.root, tuple(sorted({*request.files, *request.planned})))
        owner = reported.classname.partition("+")[0]
        own = reported.classname.rpartition(".")[2]
        name = reported.name.removeprefix(f"{reported.classname}.").removeprefix(f"{own}.")
        name = f"{own}.{name}"
        return owners.get(owner, ""), numbered(name, reported)


def _classes(request: ShardRequest) -> Iterator[str]:
    """Full names of the classes in the files that are to run."""
    for file in files_to_run(request):
        yield from classes_in(request.root / file)


@lru_cache(maxsize=8)
def _owners(root: Path, files: tuple[str, ...]) -> dict[str, str]:
    """Full name of each test class to its file."""
    return {name: file for file in files for name in classes_in(root / file)}


def classes_in(file: Path) -> tuple[str, ...]:
    """Full names of the classes in the text of a file that are not abstract; () for one that cannot be read."""
    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ()
    namespace = _NAMESPACE.search(text)
    prefix = f"{namespace[1]}." if namespace else ""
    return tuple(f"{prefix}{name}" for name in _CLASS.findall(text))


def _has_logger(root: Path) -> bool:
    places = (path for pattern in ("*.csproj", "*.props") for path in root.rglob(pattern))
    return any(_LOGGER in path.read_text(encoding="utf-8-sig", errors="replace") for path in places)
