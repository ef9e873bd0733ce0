"""`ci-itest replay`: a shard that ran in CI or here, again on this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ci_itest.cli import building
from ci_itest.cli.console import say
from ci_itest.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from ci_itest.cli.replaying import Source
    from ci_itest.flows.bundles import BundleFolder
    from ci_itest.flows.matching import Here
    from ci_itest.flows.recordings import Recording, Wanted
    from ci_itest.flows.replay import Replayed
    from ci_itest.flows.shard_jobs import ShardJob
    from ci_itest.model.recording import Surroundings
    from ci_itest.model.run import ShardResult
    from ci_itest.runners.base import ShardRequest


@click.command("replay")
@click.argument("target", default=".ci-itest/latest")
@click.option(
    "--only", multiple=True, metavar="CASE", help="Run this case alone (repeatable); a part of its name will do."
)
@click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Replay so many times.")
@click.option(
    "--until-fail", type=click.IntRange(min=1), metavar="N", help="Replay until a case fails, N times at most."
)
@click.option("--here", is_flag=True, help="Replay on the working tree as it is, not on the recorded commit.")
@click.option("--keep", is_flag=True, help="Keep services and app up after the tests, until Enter is pressed.")
@click.option("--shell", is_flag=True, help="A shell with services, app and environment up, instead of the tests.")
@click.option("--debugger", is_flag=True, help="Stop in pytest's debugger where a case fails (one process).")
@click.option(
    "--bisect", metavar="CASE", help="Find the earlier cases that make this one fail; a part of its name will do."
)
@click.option("--times", is_flag=True, help="Compare each case's seconds with the recorded ones.")
@click.option("--yes", is_flag=True, help="Do not ask before a stranger's code is run.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the settings.  [default: as recorded]",
)
def command(
    target: str,
    only: tuple[str, ...],
    repeat: int,
    until_fail: int | None,
    here: bool,
    keep: bool,
    shell: bool,
    debugger: bool,
    bisect: str | None,
    times: bool,
    yes: bool,
    root: Path | None,
) -> int:
    """Run a shard again as it ran: same commit, images, order on every worker, seeds, time zone and locale.

    TARGET is a workflow run (its address or id), a pull request's address, a run's folder below .ci-itest/runs, or a
    bundle; with /SHARD or /SUITE/SHARD at its end for another shard than the first red one. Without it the newest
    local run is meant.

    Exit code: that of the shard here; of --bisect 0 when earlier cases were found, else 1.
    """
    from ci_itest.cli.hands_on import instead_of_tests
    from ci_itest.cli.replay_words import round_words, show_table, tell
    from ci_itest.cli.replaying import fewer_cores, place_of, source_of
    from ci_itest.flows.matching import comparison
    from ci_itest.flows.recordings import chosen, wanted
    from ci_itest.flows.replay import Wish, job_of

    if debugger and not only:
        raise UsageError("--debugger needs a case to stop in.", hint="Name it with --only CASE.")
    if bisect and (only or until_fail or repeat > 1 or keep or shell or debugger or times):
        raise UsageError(
            "--bisect runs cases as it needs them; of the other options only --here, --root and --yes help."
        )
    choice = wanted(target)
    source = source_of(choice)
    recording = chosen(source.found, choice)
    if source.stranger and not yes:
        _ask(source)
    result = recording.result
    say(f"Replaying shard {result.label} of {result.run_id}, attempt {result.run_attempt}.")
    rounds = until_fail or repeat
    outcomes: list[Replayed] = []
    with place_of(recording, source, stays_here=here, root=root) as place:
        show_table(comparison(recording, place))
        if bisect:
            again = _again(choice, recording, yes=yes, here=here, root=root)
            return _bisect(recording, place, bisect, again=again, is_strange=bool(source.stranger))
        for number in range(1, rounds + 1):
            folder = _folder(recording, number)
            wish = Wish(only=only, home=_home(is_strange=bool(source.stranger)))
            job = job_of(recording, place, folder=folder, wish=wish)
            with fewer_cores(job.cores):
                outcomes.append(_run(recording, job, instead_of_tests(shell, debugger), holds=keep))
            if shell or debugger:
                return _exit_of_instead(outcomes[-1])
            if rounds > 1:
                say(f"round {number} of {rounds}: {round_words(outcomes[-1])}")
            if outcomes[-1].result.stop_reason or (until_fail and outcomes[-1].has_failed):
                break
    tell(recording, outcomes, times=times)
    click.echo(str(folder.path))
    return _exit_code(outcomes)


def _again(choice: Wanted, recording: Recording, *, yes: bool, here: bool, root: Path | None) -> str:
    """The command that replays this very shard, whatever is run in between (`latest` moves on)."""
    path = Path(choice.run)
    if path.is_dir() or choice.run.startswith(".ci-itest"):
        target = os.path.relpath(recording.folder.path)
    else:
        target = f"{choice.run}/{recording.result.suite}/{recording.result.index}"
    options = [*(["--yes"] if yes else []), *(["--here"] if here else []), *(["--root", str(root)] if root else [])]
    return shlex.join(["ci-itest", "replay", target, *options])


def _home(*, is_strange: bool) -> str:
    """The folder that stands for the user's own where a stranger's code runs."""
    from ci_itest.cli.replaying import kept

    return str(kept("home").resolve()) if is_strange else ""


def _bisect(recording: Recording, place: Here, name: str, *, again: str, is_strange: bool) -> int:
    from ci_itest.cli.replay_words import tell_bisection
    from ci_itest.cli.replaying import fewer_cores
    from ci_itest.flows.bisect import bisect, earlier_cases
    from ci_itest.flows.replay import Wish, job_of, known_cases

    (case,) = known_cases(recording, [name])
    own, everywhere = earlier_cases(recording, case)
    wish = Wish(only=(*everywhere, *own, case), home=_home(is_strange=is_strange))
    job = job_of(recording, place, folder=_folder(recording, 0), wish=wish)
    shutil.rmtree(job.folder.path, ignore_errors=True)
    say(f"Looking for what makes {case} fail.")
    tools = building.shard_tools(job.settings, building.plain_console(shows_output=False))
    with fewer_cores(job.cores):
        bisection, result = bisect(recording, job, tools, case, told=say)
    is_found = tell_bisection(bisection, result, again=again)
    click.echo(str(job.folder.path))
    if result.stop_reason:
        return _exit_code_of(result)
    return ExitCode.OK if is_found else ExitCode.TESTS_FAILED


def _exit_of_instead(outcome: Replayed) -> int:
    """The shell's or the debugger's own, where it came to it."""
    if outcome.result.stop_reason:
        say(outcome.result.message)
        return _exit_code([outcome])
    return outcome.result.runner_exit


def _ask(source: Source) -> None:
    say(f"{source.stranger}.")
    say("It says which commands run, as you, with your files in reach. Variables that look like secrets are taken from")
    say("them, and HOME is an empty folder.")
    if not sys.stdin.isatty() or not click.confirm("Run it?", err=True):
        raise UsageError("The replay of a stranger's shard was not confirmed.", hint="--yes confirms it.")


def _folder(recording: Recording, number: int) -> BundleFolder:
    from ci_itest.cli.replaying import kept
    from ci_itest.flows.bundles import BundleFolder

    result = recording.result
    # The bundle may be a stranger's, and the folder is emptied.
    name = re.sub(r"[^\w-]", "_", f"{result.run_id}-{result.suite}-{result.index}-{number}")
    return BundleFolder((kept("results") / name).resolve())


def _run(
    recording: Recording, job: ShardJob, instead: Callable[[ShardRequest], int] | None, *, holds: bool
) -> Replayed:
    from ci_itest.cli.hands_on import hold
    from ci_itest.flows.replay import replay

    shutil.rmtree(job.folder.path, ignore_errors=True)
    with building.showing(may_be_live=instead is None and not holds) as report:
        tools = replace(building.shard_tools(job.settings, report), instead=instead, hold=hold if holds else None)
        return replay(recording, job, tools, surroundings=_surroundings)


def _surroundings(folder: BundleFolder) -> Surroundings:
    from ci_itest.model.recording import Surroundings
    from ci_itest.wire import read_document

    return read_document(folder.environment, Surroundings)


def _exit_code(outcomes: list[Replayed]) -> int:
    codes = [_exit_code_of(outcome.result) for outcome in outcomes]
    return max(codes, key=lambda code: (code not in (ExitCode.OK, ExitCode.TESTS_FAILED), code))


def _exit_code_of(result: ShardResult) -> int:
    from ci_itest.cli.commands.run_shard import verdicts_of
    from ci_itest.flows.run_shard import exit_code_of

    return int(exit_code_of(result, verdicts_of(result)))
