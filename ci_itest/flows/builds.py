"""`[build]`: done before anything is started, and once where the shards of a run share a machine."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from ci_itest import process
from ci_itest.config.templates import names_in
from ci_itest.errors import BuildError, FileError
from ci_itest.flows.commands import Log
from ci_itest.model.settings import BuildSettings, SuiteSettings
from ci_itest.wire import write_whole


def build(
    step: BuildSettings,
    *,
    suite: str,
    directory: Path,
    environment: Mapping[str, str],
    log: Log,
    shared: Path | None = None,
) -> None:
    """Run the `[build]` command, or take over how it ended in another shard of the run.

    Args:
        shared: Folder that all shards of the run on this machine know; the first of them builds, the others wait.

    Raises:
        BuildError: It failed or took too long, with its last lines; also in the shards that waited for it.
    """
    if shared is None:
        problem = _problem(step, directory=directory, environment=environment, log=log)
    else:
        with _only_one(shared, step) as outcome:
            if not outcome.is_file():
                problem = _problem(step, directory=directory, environment=environment, log=log)
                write_whole(outcome, json.dumps({"problem": problem}).encode())
            else:
                problem = str(json.loads(outcome.read_text(encoding="utf-8"))["problem"])
    if problem:
        raise BuildError(f"The build of suite {suite} failed, so none of it was tested: {problem}")


def build_environment(settings: SuiteSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """What a build sees: the variables of `[environment]` that speak of no service, since none runs yet."""
    plain = {name: value for name, value in settings.environment.items() if not names_in(value)}
    return {**environment, **plain}


def _problem(step: BuildSettings, *, directory: Path, environment: Mapping[str, str], log: Log) -> str:
    """Why the build is not done, in words; "" when it is."""
    ended = process.run(
        step.run, directory=directory, environment=environment, line=log.line, within_seconds=step.timeout
    )
    if ended.timed_out:
        return f"`{step.run}` took longer than {step.timeout:g} s. Its last lines:\n{log.last_lines}"
    if ended.exit_code != 0:
        return f"`{step.run}` ended with code {ended.exit_code}. Its last lines:\n{log.last_lines}"
    return ""


@contextlib.contextmanager
def _only_one(shared: Path, step: BuildSettings) -> Iterator[Path]:
    """Where the outcome of this build is written down, while no other shard builds the same."""
    name = hashlib.sha256(step.run.encode()).hexdigest()[:16]
    try:
        shared.mkdir(parents=True, exist_ok=True)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield shared / f"{name}.json"
    except OSError as error:
        raise FileError(f"Cannot use {shared}: {error.strerror}.") from error
