"""What a process held is gone soon after `kill -9`, with nobody left of it but its guard."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_itest import process
from ci_itest.containers.block import Block
from ci_itest.containers.engine import ContainerRequest, Engine
from ci_itest.containers.guard import guarding
from ci_itest.containers.images import ensure_image
from ci_itest.containers.owner import Owner
from ci_itest.waiting import wait_until
from tests.helpers.containers import held_by

REDIS = "redis:7"

SHARD = """
import os, sys, threading
from pathlib import Path
from ci_itest import process
from ci_itest.containers.engine import Engine
from ci_itest.containers.guard import guarding
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import running
from tests.helpers.containers import Events, no_mask, specs

run, mirror, logs = sys.argv[1:]
owner = Owner.of_this_process(run=run, shard="main-1")
print("begun", flush=True)
with running(specs(cache="redis:7", other="redis:7"), engine=Engine.connect(os.environ), owner=owner, mirror=mirror,
             log_directory=Path(logs), report=lambda event: print(event.service, event.state, flush=True),
             mask=no_mask):
    print("up", flush=True)
    threading.Event().wait(120)
"""

WITH_CHILDREN = """
import os, threading
from pathlib import Path
from ci_itest import process
from ci_itest.containers.guard import guarding

with guarding(os.environ) as guard:
    for command in ("exec sleep 300", "trap '' TERM; while :; do sleep 1; done"):
        child = process.started(command, directory=Path("/"), environment=os.environ, line=print).__enter__()
        guard.group(child.pid).__enter__()
        print("child", child.pid, flush=True)
    print("up", flush=True)
    threading.Event().wait(120)
"""


@contextmanager
def program(text: str, *arguments: str, until: str, **variables: str) -> Iterator[tuple[process.Child, list[str]]]:
    """A process of ours that has printed this line."""
    lines: list[str] = []
    with process.started(
        [sys.executable, "-c", text, *arguments],
        directory=Path.cwd(),
        environment={**os.environ, **variables},
        line=lines.append,
    ) as child:
        wait_until(lambda: "" if until in lines else f"no {until!r}: {lines}", within_seconds=30)
        yield child, lines


def kill(child: process.Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait(5)


def guards_of(pid: int) -> list[Path]:
    """Processes that guard for this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            continue  # ended meanwhile
        if arguments[-1] == str(pid).encode() and any(b"containers.guard" in part for part in arguments):
            found.append(folder)
    return found


def left_of(others: list[Path]) -> str:
    """ "" when this process has no guard but those others."""
    left = set(guards_of(os.getpid())) - set(others)
    return f"still there: {sorted(left)}" if left else ""


def group_is_gone(pid: int) -> str:
    """ "" when no living process of that group is left."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(pid) and fields[0] != "Z":
            return f"{path.parent.name} lives in group {pid}"
    return ""


@pytest.mark.docker
@pytest.mark.parametrize("line", ["begun", "cache starting", "cache ready", "up"])
def test_a_kill_leaves_nothing_on_the_engine(
    engine: Engine, mirror: str, run_name: str, tmp_path: Path, line: str
) -> None:
    ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None)

    with program(SHARD, run_name, mirror, str(tmp_path), until=line) as (child, _):
        kill(child)

    wait_until(lambda: "" if not guards_of(child.pid) else "the guard is at it", within_seconds=30)
    assert held_by(engine, run_name) == []


@pytest.mark.docker
def test_the_guard_of_one_shard_touches_nothing_of_another(
    engine: Engine, mirror: str, run_name: str, tmp_path: Path
) -> None:
    ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None)
    with (
        program(SHARD, f"{run_name}-b", mirror, str(tmp_path / "b"), until="up") as (_, _),
        program(SHARD, f"{run_name}-a", mirror, str(tmp_path / "a"), until="up") as (child, _),
    ):
        kill(child)
        wait_until(lambda: "" if not guards_of(child.pid) else "the guard is at it", within_seconds=30)

        left, untouched = held_by(engine, f"{run_name}-a"), held_by(engine, f"{run_name}-b")
        running = [engine.state(one.id).is_running for one in engine.containers((f"ci-itest.run={run_name}-b",))]

    assert left == []
    assert len(untouched) == 3
    assert running == [True, True]


def test_children_of_a_killed_process_end_with_their_whole_group() -> None:
    with program(WITH_CHILDREN, until="up") as (child, lines):
        groups = [int(line.split()[1]) for line in lines if line.startswith("child")]
        kill(child)

        for group in groups:
            wait_until(lambda group=group: group_is_gone(group), within_seconds=30)  # type: ignore[misc]

    assert len(groups) == 2


def test_the_guard_is_nobodys_child_and_no_orphan_of_the_job() -> None:
    with program(WITH_CHILDREN, until="up", RUNNER_TRACKING_ID="github_1") as (child, _):
        wait_until(lambda: "" if guards_of(child.pid) else "no guard yet", within_seconds=10)
        (guard,) = guards_of(child.pid)
        environment = (guard / "environ").read_bytes()
        fields = (guard / "stat").read_text().rpartition(")")[2].split()
        kill(child)

    assert b"RUNNER_TRACKING_ID" not in environment
    assert fields[1] != str(child.pid)
    assert fields[3] != str(os.getsid(0))


def test_a_guard_ends_with_a_block_that_left_nothing() -> None:
    others = guards_of(os.getpid())  # of fixtures that are up for the whole session of these tests
    with guarding(os.environ):
        wait_until(lambda: "" if set(guards_of(os.getpid())) - set(others) else "no guard yet", within_seconds=10)

    wait_until(lambda: left_of(others), within_seconds=10)


@pytest.mark.docker
def test_what_was_not_released_goes_when_the_block_is_left(engine: Engine, mirror: str, run_name: str) -> None:
    block = Block.of(Owner.of_this_process(run=run_name, shard="main-1"))
    image = ensure_image(REDIS, engine=engine, mirror=mirror, note=lambda _words: None)

    with guarding(os.environ) as guard:
        guard.cover(block.selector)
        network = engine.create_network(block.name, labels=block.labels)
        engine.run_container(ContainerRequest(block.name, image, block.labels, network, "cache"))
        assert len(held_by(engine, run_name)) == 2

    wait_until(lambda: " ".join(held_by(engine, run_name)), within_seconds=30)


@pytest.mark.docker
def test_what_was_released_stays(engine: Engine, run_name: str) -> None:
    block, others = Block.of(Owner.of_this_process(run=run_name, shard="main-1")), guards_of(os.getpid())

    with guarding(os.environ) as guard:
        guard.cover(block.selector)
        network = engine.create_network(block.name, labels=block.labels)
        guard.release(block.selector)
    wait_until(lambda: left_of(others), within_seconds=10)

    assert held_by(engine, run_name) == [network]
    engine.remove_network(network)
