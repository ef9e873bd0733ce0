"""What a killed process and its guard leave is swept; what a living one holds is never touched."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_itest import process
from ci_itest.containers.engine import Engine
from ci_itest.containers.leftovers import Leftovers, sweep
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import running
from ci_itest.waiting import wait_until
from tests.helpers.containers import Events, held_by, no_mask, specs

pytestmark = pytest.mark.docker

SHARD = """
import os, sys, threading
from pathlib import Path
from ci_itest.containers.engine import Engine
from ci_itest.containers.guard import Guard
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import running
from tests.helpers.containers import Events, no_mask, specs

run, shard, mirror, logs = sys.argv[1:]
owner = Owner.of_this_process(run=run, shard=shard)
with running(specs(cache="redis:7"), engine=Engine.connect(os.environ), owner=owner, mirror=mirror,
             log_directory=Path(logs), report=Events(), mask=no_mask,
             guard=Guard(os.open(os.devnull, os.O_WRONLY))) as services:
    print("up", services.endpoints["cache"].port, flush=True)
    threading.Event().wait(120)
"""


@contextmanager
def another_shard(run: str, mirror: str, logs: Path) -> Iterator[process.Child]:
    """A process that runs a shard of its own with one service, which is up."""
    lines: list[str] = []
    with process.started(
        [sys.executable, "-c", SHARD, run, "main-2", mirror, str(logs)],
        directory=Path.cwd(),
        environment=os.environ,
        line=lines.append,
    ) as child:
        up = "waiting for the other shard"
        wait_until(lambda: "" if lines and lines[-1].startswith("up") else f"{up}: {lines}", within_seconds=30)
        yield child


def kill(child: process.Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    child.wait(5)


def test_what_a_killed_process_left_is_swept(engine: Engine, mirror: str, run_name: str, tmp_path: Path) -> None:
    with another_shard(run_name, mirror, tmp_path) as child:
        kill(child)
    assert len(held_by(engine, run_name)) == 2

    swept = sweep(engine)

    assert held_by(engine, run_name) == []
    assert swept.containers >= 1
    assert swept.networks >= 1
    assert swept.words.startswith("Removed what an interrupted run had left: ")


def test_an_interrupted_process_leaves_nothing_to_sweep(
    engine: Engine, mirror: str, run_name: str, tmp_path: Path
) -> None:
    with another_shard(run_name, mirror, tmp_path) as child:
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(10) is not None

    assert held_by(engine, run_name) == []
    assert (tmp_path / "cache.log").exists()


def test_two_shards_on_one_engine_never_touch_one_another(
    engine: Engine, mirror: str, run_name: str, tmp_path: Path
) -> None:
    with another_shard(run_name, mirror, tmp_path / "theirs"):
        theirs = held_by(engine, run_name)
        ours = Owner.of_this_process(run=run_name, shard="main-1")
        with running(
            specs(cache="redis:7"),
            engine=engine,
            owner=ours,
            mirror=mirror,
            log_directory=tmp_path / "ours",
            report=Events(),
            mask=no_mask,
        ):
            sweep(engine)
            assert len(held_by(engine, run_name)) == 4
        sweep(engine)

        assert sorted(held_by(engine, run_name)) == sorted(theirs)

    sweep(engine)
    assert held_by(engine, run_name) == []


def test_only_what_its_owner_does_not_hold_any_more_is_swept(engine: Engine, run_name: str) -> None:
    living, gone = (Owner.of_this_process(run=run_name, shard=shard) for shard in ("main-1", "main-2"))
    kept = engine.create_network(f"{run_name}-kept", labels=living.labels())
    engine.create_network(f"{run_name}-gone", labels=gone.labels())
    foreign = engine.create_network(f"{run_name}-foreign", labels={"ci-itest.run": run_name})

    try:
        swept = sweep(engine, is_alive=lambda owner: owner != gone)

        assert sorted(held_by(engine, run_name)) == sorted([kept, foreign])
        assert swept == Leftovers(networks=1)
    finally:
        engine.remove_network(kept)
        engine.remove_network(foreign)


def test_volumes_are_swept_as_well(engine: Engine, run_name: str) -> None:
    labels = Owner.of_this_process(run=run_name, shard="main-1").labels()
    options = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    code, _ = process.output_of(
        ["docker", "volume", "create", *options, run_name], directory=Path.cwd(), environment=os.environ
    )
    assert code == 0

    swept = sweep(engine, is_alive=lambda owner: owner.run != run_name)

    assert swept == Leftovers(volumes=1)
    assert held_by(engine, run_name) == []
