"""What the adapters of Node's test runners share: where a package is installed, and how their reporter is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci_itest.errors import RunnerError
from ci_itest.model.settings import SuiteSettings
from ci_itest.runners.base import Launch, ReportedCase, ShardRequest
from ci_itest.runners.files import files_as_recorded, listed_files, shown_by
from ci_itest.runners.foreign import ForeignRunner, does_not_run, program_on_path, said_by, with_folders_first
from ci_itest.wire import write_whole

REPORTERS = Path(__file__).parent / "js"
SELECTION = "selection.json"
TEST_FILE = re.compile(r"\.(test|spec)\.[cm]?[jt]sx?$")
_OLDEST_NODE = 18
_CASE = re.compile(rb"^\s*(?:it|test)(?:\.\w+)*\s*[(`]", re.MULTILINE)
_LONGEST_PATTERN = 60_000
_JOINT = " > "


@dataclass(frozen=True, slots=True)
class Package:
    """An npm package as it is installed for the tests.

    Attributes:
        folder: Of the package.
        program: Its script, to be run with Node.
    """

    name: str
    version: str
    folder: Path
    program: Path

    @property
    def major(self) -> int:
        return int(re.match(r"\d*", self.version)[0] or 0)  # type: ignore[index]


class NodeRunner(ForeignRunner):
    """The parts of `Runner` that are the same for Vitest, Jest and Playwright: a reporter of ours tells the journal.

    Attributes:
        usual_files: Found in the path of a test file, where the settings have no patterns.
    """

    usual_files = TEST_FILE

    def list_files(self, settings: SuiteSettings, *, root: Path, suite: str) -> tuple[str, ...]:
        return listed_files(settings, root=root, usual=lambda name: self.usual_files.search(name) is not None)

    def count_cases(self, file: Path) -> int:
        return shown_by(_CASE, file)

    def tool_environment(self, settings: object, *, root: Path, environment: Mapping[str, str]) -> dict[str, str]:
        return with_folders_first(environment, [folder / "node_modules" / ".bin" for folder in _upwards(root)])

    def name_case(self, reported: ReportedCase, request: ShardRequest) -> tuple[str, str]:
        return reported.file, reported.name


def installed(name: str, *, root: Path, program: str, oldest: int, install: str) -> Package:
    """The package nearest to the root, here or in a folder above (workspaces install at their top).

    Raises:
        RunnerError: It is not installed, or older than our reporter understands.
    """
    for folder in _upwards(root):
        manifest = folder / "node_modules" / name / "package.json"
        if manifest.is_file():
            package = _package(name, manifest, program)
            if package.major < oldest:
                raise RunnerError(
                    f"{name} {package.version} is installed in {folder}; {oldest} is the oldest that works.",
                    hint=f"Upgrade it: npm install --save-dev {install}@latest",
                )
            return package
    extra = " Yarn's Plug'n'Play is not supported: set nodeLinker: node-modules." if _has_pnp(root) else ""
    raise RunnerError(
        f"{name} is not installed: there is no node_modules/{name} in {root} or above.{extra}",
        hint=f"Install what package.json names (npm ci), or the runner itself: npm install --save-dev {install}",
    )


def node(request: ShardRequest) -> tuple[str, str]:
    """Node of the tests' PATH and its version.

    Raises:
        RunnerError: There is none, or it is too old.
    """
    found = program_on_path("node", request)
    if found is None:
        raise RunnerError("There is no node on PATH.", hint="Install Node.js (in a workflow: actions/setup-node).")
    version = said_by([found, "--version"], request).removeprefix("v")
    if not version[:1].isdigit():
        raise does_not_run(found, version)
    if int(version.partition(".")[0]) < _OLDEST_NODE:
        raise RunnerError(f"{found} is Node {version}; {_OLDEST_NODE} is the oldest that works.")
    return found, version


def launch(request: ShardRequest, package: Package, arguments: Sequence[str], **variables: str) -> Launch:
    """The package's program with these arguments, its reporter told what the shard is."""
    program, version = node(request)
    selection = request.results / SELECTION
    write_whole(
        selection,
        json.dumps(
            {
                "schema": 1,
                "root": str(request.root),
                "files": list(request.files),
                "only": list(request.only) or None,
                "order": list(files_as_recorded(request)),
            }
        ).encode(),
    )
    return Launch(
        command=(program, str(package.program), *arguments),
        environment={"CI_ITEST_SHARD": str(selection), "NO_COLOR": "1", **variables},
        versions=(("node", version), (package.name, package.version)),
        pipe="CI_ITEST_JOURNAL",
    )


def names_pattern(request: ShardRequest) -> str:
    """A regular expression of JavaScript for the full names of `only`; "" for all, and where it would be too long.

    Then the whole files run, and the reporter leaves out what nobody asked for.
    """
    if not request.is_again:
        return ""
    names = {case.partition("::")[2] for case in request.only}
    if any(name.startswith(("<", "[")) for name in names):
        return ""
    pattern = "|".join(sorted(_name_pattern(name) for name in names))
    return f"^({pattern})$" if len(pattern) < _LONGEST_PATTERN else ""


def _name_pattern(name: str) -> str:
    """Runners join the titles of a case by a blank, or by our own joint; a number of ours is left out."""
    plain = re.sub(r" \(#\d+\)$", "", name)
    return "( > | )".join(escaped(part) for part in plain.split(_JOINT))


def escaped(text: str) -> str:
    """Text that stands for itself in a regular expression of JavaScript."""
    special = re.sub(r"[.*+?^${}()|\[\]\\/]", r"\\\g<0>", text)
    return special.replace("\n", "\\n").replace("\r", "\\r")


def _package(name: str, manifest: Path, program: str) -> Package:
    try:
        fields = json.loads(manifest.read_text(encoding="utf-8"))
        entry = fields["bin"] if isinstance(fields["bin"], str) else fields["bin"][program]
        return Package(name, str(fields["version"]), manifest.parent, manifest.parent / entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunnerError(
            f"{manifest} cannot be used: {error!r}.", hint="Install the packages again: npm ci"
        ) from error


def _upwards(root: Path) -> tuple[Path, ...]:
    whole = root.resolve()
    return (whole, *whole.parents)


def _has_pnp(root: Path) -> bool:
    return any((folder / ".pnp.cjs").is_file() for folder in _upwards(root))
