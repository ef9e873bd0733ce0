"""The command `ci-itest`: subcommands loaded when they are asked for, one place where errors become exit codes."""

from __future__ import annotations

import importlib
import signal
import sys
from types import FrameType
from typing import Any

import click

from ci_itest import __version__
from ci_itest.errors import CiItestError, ExitCode
from ci_itest.garbage import collect_seldom

COMMANDS = {
    "init": "Look at the repository; write ci-itest.toml and a workflow.",
    "doctor": "Say whether everything a run needs is there.",
    "new": "Write the first draft of a test, in the style of the suite.",
    "run": "Plan, run every shard on this machine, merge and report.",
    "plan": "Divide the suite over shards and write plan.json.",
    "run-shard": "Run one shard of a plan and leave its bundle.",
    "merge": "Merge the shards' bundles, or any JUnit files, into one verdict and report it.",
    "report": "Open the last report in a browser.",
    "replay": "Run a shard of CI, or of a run here, again on this machine.",
    "post": "Post the comment of a fork's run, whose own token may only read.",
    "decide": "Say whether this event needs the suite at all.",
    "history": "Bring durations of other tools in, or take ours out.",
    "flaky": "Show which cases fail by themselves; learn that anew.",
    "quarantine": "Keep failures of flaky cases from failing builds for a while.",
    "serve": "Serve history, quarantine and the flaky-test dashboard.",
    "lock": "Pin the images of the settings to their content.",
    "cache": "Look at the images that are kept as files, and prune them.",
    "services": "Start the suite's services for work on this machine; status, logs, down, sweep.",
    "config": "Show every setting, its value and where it came from.",
    "completion": "Print the script that completes commands in a shell.",
}
"""Subcommands and what each does; the module is `ci_itest.cli.commands.<name>`, loaded only to run it."""


class _LazyGroup(click.Group):
    """Lists subcommands without importing them, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ci_itest.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            nearest = difflib.get_close_matches(args[0], list(COMMANDS), n=1)
            hint = f" Did you mean '{nearest[0]}'?" if nearest else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from error


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option("-V", "--version", "wants_version", is_flag=True, help="Show the version and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --version: as JSON, with Python, system and libraries.")
@click.pass_context
def group(ctx: click.Context, wants_version: bool, as_json: bool) -> None:
    """Integration tests in CI: real services, balanced shards, one honest report.

    Try `ci-itest run` in a repository with a ci-itest.toml.
    """
    if wants_version:
        click.echo(_versions() if as_json else f"ci-itest, version {__version__}")
        ctx.exit()
    if as_json:
        raise click.UsageError("--json goes with --version, or after a command that knows it.", ctx)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(ExitCode.USAGE)


def _versions() -> str:
    """What a report of a fault should name, as JSON."""
    import json
    import platform
    import re
    from importlib import metadata

    needed = [text for text in metadata.requires("ci-itest") or [] if "extra ==" not in text]
    names = [re.split(r"[^\w.-]", text)[0] for text in needed]
    return json.dumps(
        {
            "version": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "libraries": {name: metadata.version(name) for name in sorted(names)},
        },
        indent=2,
    )


def main() -> None:
    """Entry point: never returns, ends the process with one of `ExitCode`."""
    _stop_on_first_signal()
    collect_seldom()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and say its exit code; errors a user can put right are shown without a traceback."""
    try:
        result = group.main(args=arguments, prog_name="ci-itest", standalone_mode=False)
    except CiItestError as error:
        _show(error.message, error.hint)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        _show("Stopped.", "")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return ExitCode.FILES
    except Exception:  # noqa: BLE001 - ours to fix: shown whole
        import traceback

        from ci_itest.github.commands import neutralise

        click.echo(neutralise(traceback.format_exc()), err=True)
        _show(
            f"This is a fault in ci-itest {__version__}, not in your tests.",
            "Please report it with the traceback above.",
        )
        return ExitCode.INTERNAL
    return result if isinstance(result, int) else ExitCode.OK


def _show(message: str, hint: str) -> None:
    from ci_itest.github.commands import neutralise

    click.secho(neutralise(f"error: {message}"), fg="red", err=True)
    if hint:
        click.echo(neutralise(f"  → {hint}"), err=True)


def _stop_on_first_signal() -> None:
    """The first SIGINT or SIGTERM unwinds the program, so that it cleans up; later ones do not break into that.

    A cancelled GitHub job gets SIGINT, SIGTERM 7.5 s later, and is killed after 2.5 s more.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
