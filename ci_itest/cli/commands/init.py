"""`ci-itest init`: settings and a workflow for a repository that has none."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

import click

from ci_itest.cli.console import say
from ci_itest.errors import NothingToRunError, UsageError

WORKFLOWS = Path(".github") / "workflows"


@click.command("init")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder the settings are for.  [default: here]",
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--no-workflow", is_flag=True, help="Write the settings alone.")
def command(root: Path, yes: bool, no_workflow: bool) -> int:
    """Look at the repository, and write ci-itest.toml and a workflow.

    Both are shown first. No file that is there already is changed.
    """
    from ci_itest.flows.discover import discover
    from ci_itest.flows.starting_files import starting_settings
    from ci_itest.wire import write_whole

    _refuse_a_second(root)
    found = discover(root)
    if not found.suites:
        raise NothingToRunError(
            f"No test was found below {root.resolve()} that a known runner takes.",
            hint='Write ci-itest.toml by hand; any command that leaves JUnit can be a suite (runner = "command").',
        )
    files = {root / "ci-itest.toml": starting_settings(found)}
    if not no_workflow:
        files |= _workflow(found, root)
    for path, text in files.items():
        for line in difflib.unified_diff([], text.splitlines(), "/dev/null", _shown(path), lineterm=""):
            click.secho(line, fg="green" if line.startswith("+") else None)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Nothing was written: there is nobody to ask.", hint="--yes writes what is shown.")
        click.confirm("Write this?", abort=True, err=True)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())
        say(f"Wrote {_shown(path)}.")
    say("Next: `ci-itest doctor` looks whether everything is there, `ci-itest run` runs it here.")
    return 0


def _shown(path: Path) -> str:
    """A path as somebody in this folder writes it."""
    return os.path.relpath(path)


def _refuse_a_second(root: Path) -> None:
    from ci_itest.config.sources import FILE_NAME, PYPROJECT, find_settings_file
    from ci_itest.errors import CiItestError

    if (root / FILE_NAME).exists():
        raise UsageError(f"There is {root / FILE_NAME} already.", hint="`ci-itest doctor` looks at it.")
    try:
        found = find_settings_file(root)
    except CiItestError:
        return  # a pyproject.toml that cannot be read holds no settings of ours
    if found.name == PYPROJECT:
        raise UsageError(f"{root / PYPROJECT} holds settings already.", hint="`ci-itest doctor` looks at them.")


def _workflow(found: object, root: Path) -> dict[Path, str]:
    """The workflow at the repository's top; none where one uses the action already."""
    from ci_itest import __version__
    from ci_itest.flows.discover import Discovered
    from ci_itest.flows.starting_files import starting_workflow
    from ci_itest.flows.worktree import checkout_of
    from ci_itest.process import output_of

    assert isinstance(found, Discovered)
    checkout = checkout_of(root, environment=os.environ)
    top = checkout.top if checkout else root.resolve()
    folder = top / WORKFLOWS
    for file in sorted(folder.glob("*.y*ml")):
        if "ci-itest/ci-itest" in file.read_text(errors="replace"):
            say(f"{file.relative_to(top)} uses ci-itest already; it stays as it is.")
            return {}
    names = ("integration.yml", "ci-itest.yml", "ci-itest-integration.yml")
    free = next((name for name in names if not (folder / name).exists()), None)
    if free is None:
        raise UsageError(f"{folder} has {', '.join(names)} already.", hint="--no-workflow writes the settings alone.")
    inside = root.resolve().relative_to(top.resolve()).as_posix()
    code, head = output_of(
        ["git", "symbolic-ref", "--short", "refs/remotes/origin/HEAD"], directory=root, environment=os.environ
    )
    branch = head.strip().partition("/")[2] if code == 0 else ""
    text = starting_workflow(
        found, release=f"v{__version__}", branch=branch or "main", root="" if inside == "." else inside
    )
    return {folder / free: text}
