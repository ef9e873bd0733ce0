"""What only some runners know, and what a command must say of itself."""

from __future__ import annotations

from collections.abc import Callable

from ci_itest.errors import SettingsError
from ci_itest.model.settings import CommandSettings, SuiteSettings

KeyPath = tuple[str, ...]
Place = Callable[[KeyPath], str]


def check_runner(made: SuiteSettings, path: KeyPath, place: Place) -> None:
    """Raise SettingsError for a setting that the suite's runner does not have."""
    if made.runner != "pytest" and made.keep_together != "file":
        raise SettingsError(
            f"{place((*path, 'keep_together'))}: {made.runner} is given whole files.",
            hint='Set keep_together = "file"; the other values are for pytest.',
        )
    if made.runner == "pytest" and made.test_files:
        raise SettingsError(
            f"{place((*path, 'test_files'))}: pytest has its own setting for the names of test files.",
            hint="Use python_files in pytest's configuration.",
        )
    if (made.runner == "command") != (made.command is not None):
        name = "runner" if made.command is None else "command"
        raise SettingsError(
            f'{place((*path, name))}: runner = "command" and the table [command] belong together.',
            hint='Write runner = "command" and [command] with run = "…".',
        )


def check_command(made: CommandSettings, path: KeyPath, place: Place) -> None:
    """Raise SettingsError for a command that nobody could run."""
    if not made.run:
        raise SettingsError(
            f"{place(path)}: `[command]` has no command.", hint='Write run = "rspec {files} --out {junit}/r.xml".'
        )
    if made.files == "arguments" and "{files}" not in made.run:
        raise SettingsError(
            f"{place((*path, 'run'))}: the command has no place for the files.",
            hint='Write {files} where they go, or set files = "stdin" or "variable".',
        )
    if made.each and (made.files != "arguments" or made.junit):
        raise SettingsError(
            f"{place((*path, 'each'))}: a call for each file takes `{{files}}` and writes into `{{junit}}`.",
            hint='Leave `junit` away, and set files = "arguments".',
        )
    if not made.junit and "{junit}" not in made.run:
        raise SettingsError(
            f"{place((*path, 'run'))}: nothing says where the command leaves its JUnit files.",
            hint='Write {junit} in `run`, or junit = ["target/surefire-reports/*.xml"].',
        )
