"""`ci-itest replay`: a shard that ran in CI or here, again on this machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ci_itest.cli import building
from ci_itest.cli.console import LiveConsole, Report, is_live, say
from ci_itest.errors import CiItestError, ExitCode, UsageError

if TYPE_CHECKING:
    from ci_itest.flows.bundles import BundleFolder
    from ci_itest.flows.recordings import Recording, Wanted
    from ci_itest.flows.replay import Here, Match, Replayed
    from ci_itest.flows.worktree import Checkout
    from ci_itest.github.api import GitHubApi
    from ci_itest.model.recording import Surroundings
    from ci_itest.runners.base import ShardRequest

SHOWN = 10
SLOWEST = 15


@dataclass(frozen=True, slots=True)
class Source:
    """Where the recordings were found.

    Attributes:
        refs: What origin may be asked for, to get the recorded commit.
        is_trusted: Whether nobody from outside the repository wrote what is replayed.
        root: Folder of the settings, where the path of a local run shows it.
    """

    recordings: tuple[Recording, ...]
    refs: tuple[str, ...] = ()
    is_trusted: bool = True
    root: Path | None = None


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
@click.option("--times", is_flag=True, help="Compare each case's seconds with the recorded ones.")
@click.option("--yes", is_flag=True, help="Do not ask before code of a fork is run.")
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
    times: bool,
    yes: bool,
    root: Path | None,
) -> int:
    """Run a shard again as it ran: same commit, images, order on every worker, seeds, time zone and locale.

    TARGET is a workflow run (its address or id), a pull request's address, a run's folder below .ci-itest/runs, or a
    bundle; with /SHARD or /SUITE/SHARD at its end for another shard than the first red one. Without it the newest
    local run is meant.

    Exit code: that of the shard here.
    """
    from ci_itest.flows.recordings import chosen, wanted
    from ci_itest.flows.replay import Wish, comparison, job_of

    if debugger and not only:
        raise UsageError("--debugger needs a case to stop in.", hint="Name it with --only CASE.")
    choice = wanted(target)
    source = _source(choice)
    recording = chosen(source.recordings, choice)
    if not source.is_trusted and not yes:
        _ask()
    result = recording.result
    say(f"Replaying shard {result.label} of {result.run_id}, attempt {result.run_attempt}.")
    rounds = until_fail or repeat
    with _tree(recording, source, stays_here=here, root=root) as place:
        _show_table(comparison(recording, place))
        wish = Wish(only=only, keeps_secrets=source.is_trusted)
        outcomes = []
        for number in range(1, rounds + 1):
            folder = _folder(recording, number)
            job = job_of(recording, place, folder=folder, wish=wish)
            outcomes.append(_run(recording, job, _instead(shell, debugger), holds=keep))
            if shell or debugger:
                return outcomes[-1].result.runner_exit
            if rounds > 1:
                say(f"round {number} of {rounds}: {_words(outcomes[-1])}")
            if until_fail and outcomes[-1].has_failed:
                break
    _tell(recording, outcomes, times=times, is_alone=bool(only))
    click.echo(str(folder.path))
    return _exit_code(outcomes)


def _source(choice: Wanted) -> Source:
    from ci_itest.flows.recordings import recordings_at, unpack
    from ci_itest.runners.registry import runner_named

    def runner_of(_: str) -> Any:
        return runner_named("pytest")

    path = Path(choice.run)
    if path.is_file():
        folder = unpack(path, _kept("bundles") / path.stem)
        return Source(recordings_at(folder, runner_of=runner_of))
    if path.exists() or not _looks_remote(choice.run):
        return Source(recordings_at(path, runner_of=runner_of), root=_root_of_local(path))
    return _downloaded(choice, runner_of)


def _looks_remote(text: str) -> bool:
    return text.isdigit() or "://" in text


def _root_of_local(path: Path) -> Path | None:
    """`backend` of `backend/.ci-itest/runs/…`."""
    whole = path.absolute()
    return next((parent.parent for parent in (whole, *whole.parents) if parent.name == ".ci-itest"), None)


def _kept(name: str) -> Path:
    folder = Path(".ci-itest") / "replays" / name
    folder.mkdir(parents=True, exist_ok=True)
    (Path(".ci-itest") / ".gitignore").write_text("*\n")
    return folder


def _downloaded(choice: Wanted, runner_of: Callable[[str], Any]) -> Source:
    """The bundles of a workflow run, fetched with the user's own credentials."""
    from ci_itest.flows.recordings import recordings_at, unpack
    from ci_itest.flows.worktree import origin_of
    from ci_itest.github.references import run_reference

    checkout = _checkout(Path())
    origin = origin_of(checkout) if checkout else ""
    reference = run_reference(choice.run, origin=origin)
    if reference is None:
        raise UsageError(
            f"{choice.run} is no run that can be found.",
            hint="Give the address of a workflow run or a pull request; a bare id works inside a checkout of its "
            "repository.",
        )
    mine = run_reference("1", origin=origin)
    if mine and mine.repository.lower() != reference.repository.lower():
        raise UsageError(
            f"That run is of {reference.repository}, and this is a checkout of {mine.repository}.",
            hint="Change into a checkout of its repository.",
        )
    api = building.user_api(reference.host, reference.api_url, reference.repository)
    run_id = reference.run_id or _newest_red_run(api, reference.pull_number)
    run = api.run(run_id)
    folder = _kept(run_id)
    found = 0
    for artifact in _newest_bundles(api, run_id, attempt=reference.attempt, choice=choice):
        archive = folder / f"{artifact.name}.zip"
        api.download(artifact, archive)
        unpack(archive, folder / "bundles" / artifact.name)
        archive.unlink()
        found += 1
    if not found:
        raise UsageError(
            f"Run {run_id} of {reference.repository} has no bundle of a shard.",
            hint="Its shards leave artifacts named ci-itest-SUITE-SHARD-aATTEMPT; did it use ci-itest?",
        )
    numbers = run.pull_requests or ((reference.pull_number,) if reference.pull_number else ())
    refs = tuple(f"refs/pull/{number}/{part}" for number in numbers for part in ("merge", "head"))
    return Source(recordings_at(folder, runner_of=runner_of), refs=refs, is_trusted=not run.is_of_fork)


def _newest_bundles(api: GitHubApi, run_id: str, *, attempt: int, choice: Wanted) -> list[Any]:
    """One artifact for each shard, of the attempt that was asked for or the newest that ran the shard."""
    from ci_itest.flows.bundles import bundle_parts

    newest: dict[tuple[str, int], tuple[int, Any]] = {}
    for artifact in api.artifacts(run_id):
        parts = bundle_parts(artifact.name)
        if parts is None or (attempt and parts.attempt > attempt):
            continue
        if (choice.shard and parts.index != choice.shard) or (choice.suite and parts.suite != choice.suite):
            continue
        key = (parts.suite, parts.index)
        if key not in newest or newest[key][0] < parts.attempt:
            newest[key] = (parts.attempt, artifact)
    return [artifact for _, (_, artifact) in sorted(newest.items())]


def _newest_red_run(api: GitHubApi, number: int) -> str:
    runs = api.runs(head_sha=api.pull_request(number).head_sha)
    red = [run for run in runs if run.conclusion == "failure"]
    if not red:
        raise UsageError(f"No workflow run on the newest commit of pull request {number} failed.")
    return max(red, key=lambda run: run.started_at).id


def _ask() -> None:
    say("This run is of a fork: its tests are code that nobody of this repository has reviewed.")
    say("They run as you, with your files in reach; variables that look like secrets are taken away from them.")
    if not sys.stdin.isatty() or not click.confirm("Run them?", err=True):
        raise UsageError("The replay of a fork's run was not confirmed.", hint="--yes confirms it.")


@contextmanager
def _tree(recording: Recording, source: Source, *, stays_here: bool, root: Path | None) -> Iterator[Here]:
    """The files to run on: the recorded commit's, or the user's own."""
    from ci_itest.flows.worktree import worktree

    base = root or source.root or Path()
    checkout = _checkout(base)
    inside = recording.surroundings.root if recording.surroundings else ""
    stays = stays_here or recording.is_local or checkout is None
    if checkout and not stays and checkout.commit == recording.result.commit and checkout.is_clean:
        stays = True
    folders = (
        nullcontext(None)
        if stays or checkout is None
        else worktree(checkout, recording.result.commit, refs=source.refs)
    )
    with folders as tree:
        environment = dict(os.environ)
        if tree is None:
            where = root or source.root or (checkout.top / inside if checkout and inside else Path())
            commit, is_clean = (checkout.commit, checkout.is_clean) if checkout else ("", False)
        else:
            where = tree / inside
            commit, is_clean = recording.result.commit, True
            _lend_environment(environment, (checkout.top / inside) if checkout else base)
        yield _here(where.resolve(), environment, commit, is_clean=is_clean)


def _lend_environment(environment: dict[str, str], root: Path) -> None:
    """The worktree has no `.venv`; the user's own stands in for it."""
    if "VIRTUAL_ENV" not in environment and (root / ".venv" / "bin" / "python").exists():
        environment["VIRTUAL_ENV"] = str(root / ".venv")


def _here(root: Path, environment: dict[str, str], commit: str, *, is_clean: bool) -> Here:
    from ci_itest.flows.replay import Here

    config = building.read_settings(root, None, ())
    return Here(
        root=root,
        environment=environment,
        commit=commit,
        is_clean=is_clean,
        platform=sys.platform,
        machine=platform.machine(),
        cores=building.cores(),
        mirror=config.settings.images.mirror,
        has_image=_digest_of,
    )


def _digest_of(image: str) -> str:
    """By which a registry serves the image that this engine has; "" without it, or without an engine."""
    try:
        found = building.connect_engine().image(image)
    except CiItestError:
        return ""
    return found.digest if found else ""


def _checkout(folder: Path) -> Checkout | None:
    from ci_itest.flows.worktree import checkout_of

    return checkout_of(folder, environment=os.environ)


def _folder(recording: Recording, number: int) -> BundleFolder:
    from ci_itest.flows.bundles import BundleFolder

    result = recording.result
    return BundleFolder((_kept("results") / f"{result.run_id}-{result.suite}-{result.index}-{number}").resolve())


def _run(recording: Recording, job: Any, instead: Callable[[ShardRequest], int] | None, *, holds: bool) -> Replayed:
    import shutil

    from ci_itest.flows.replay import replay
    from ci_itest.flows.run_shard import Tools
    from ci_itest.runners.registry import runner_named

    shutil.rmtree(job.folder.path, ignore_errors=True)
    with _showing(is_quiet=instead is not None or holds) as report:
        tools = Tools(
            connect=building.connect_engine,
            runner=runner_named(job.settings.runner),
            report=report,
            now=building.now,
            instead=instead,
            hold=_hold if holds else None,
        )
        return replay(recording, job, tools, surroundings=_surroundings)


def _surroundings(folder: BundleFolder) -> Surroundings:
    from ci_itest.model.recording import Surroundings
    from ci_itest.wire import read_document

    return read_document(folder.environment, Surroundings)


@contextmanager
def _showing(*, is_quiet: bool) -> Iterator[Report]:
    if is_live(os.environ, sys.stderr) and not is_quiet:
        console = LiveConsole(sys.stderr)
        with console.showing():
            yield console
    else:
        yield building.plain_console(shows_output=False)


def _instead(shell: bool, debugger: bool) -> Callable[[ShardRequest], int] | None:
    if shell:
        return _shell
    return _debug if debugger else None


def _shell(request: ShardRequest) -> int:
    from ci_itest.process import foreground

    program = os.environ.get("SHELL") or "/bin/sh"
    _show_addresses(request)
    say("Everything is up. Leave the shell to take it down.")
    return foreground([program], directory=request.root, environment=request.environment)


def _debug(request: ShardRequest) -> int:
    from ci_itest.process import foreground
    from ci_itest.runners.registry import runner_named

    arguments = (*request.settings.arguments, "-p", "no:xdist", "--pdb", "--capture=no")
    settings = replace(
        request.settings, arguments=arguments, retries=0, case_timeout=type(request.settings.case_timeout)(0)
    )
    launch = runner_named(settings.runner).launch(replace(request, settings=settings))
    return foreground(launch.command, directory=request.root, environment={**request.environment, **launch.environment})


def _hold(request: ShardRequest) -> None:
    _show_addresses(request)
    say("Services and app stay up until you press Enter.")
    sys.stdin.readline()


def _show_addresses(request: ShardRequest) -> None:
    for name in request.settings.environment:
        say(f"  {name}={request.environment.get(name, '')}")


def _show_table(rows: tuple[Match, ...]) -> None:
    marks = {True: "✓", False: "✕", None: "·"}
    lines = [("", "", "there", "here"), *((marks[row.is_same], row.what, row.there, row.here) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        say("  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]]).rstrip())
    say("")


def _words(outcome: Replayed) -> str:
    from ci_itest.cli.commands.run_shard import verdicts_of
    from ci_itest.model.cases import Verdict

    verdicts = verdicts_of(outcome.result)
    if outcome.result.stop_reason:
        return outcome.result.message.partition("\n")[0]
    return f"{verdicts[Verdict.FAILED]} of {sum(verdicts.values())} cases failed"


def _tell(recording: Recording, outcomes: list[Replayed], *, times: bool, is_alone: bool) -> None:
    last = outcomes[-1]
    say("")
    if last.result.message:
        say(last.result.message)
    for name, there, mine in last.images:
        say(f"not the same: {name} ran {there[:19]} there and {mine[:19]} here")
    for name, there, mine in last.versions:
        say(f"not the same: {name} {there} there, {mine} here")
    if len(outcomes) > 1:
        failed = sum(outcome.has_failed for outcome in outcomes)
        say(f"{failed} of {len(outcomes)} rounds failed.")
    _tell_cases("failed there and here", last.reproduced)
    _tell_cases("failed there, passed here", last.passed_here)
    _tell_cases("failed only here", last.new)
    _tell_cases("ran there, not here", last.not_run)
    if last.is_same_order:
        say(f"Every worker ran what it ran there, in the same order ({len(last.times)} cases).")
    if is_alone and last.passed_here and not last.reproduced:
        say("It passes alone: leave --only out to play the whole order of its worker.")
    if not recording.is_red and not last.has_failed:
        say("Nothing failed there, and nothing here.")
    if times:
        _show_times(last)


def _tell_cases(what: str, cases: tuple[str, ...]) -> None:
    for case in cases[:SHOWN]:
        say(f"{what}: {case}")
    if len(cases) > SHOWN:
        say(f"{what}: {len(cases) - SHOWN} more")


def _show_times(outcome: Replayed) -> None:
    say("")
    say("    there      here  case")
    for case in sorted(outcome.times, key=lambda case: case.there, reverse=True)[:SLOWEST]:
        say(f"{case.there:7.2f} s {case.here:7.2f} s  {case.case}")


def _exit_code(outcomes: list[Replayed]) -> int:
    from ci_itest.cli.commands.run_shard import verdicts_of
    from ci_itest.flows.run_shard import exit_code_of

    codes = [exit_code_of(outcome.result, verdicts_of(outcome.result)) for outcome in outcomes]
    worst = max(codes, key=lambda code: (code not in (ExitCode.OK, ExitCode.TESTS_FAILED), code))
    return int(worst)
