"""The guard: shards killed by SIGKILL at random moments, and what is left of them on the engine after 1.5 s.

Beside testcontainers-python, killed once when its containers are up. `--kills` (50) unless
`--seconds` (420) are over before, `--seed`, `--quick`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.clock import Clock
from benchmarks.services import MIRROR, TWO, ours, peer_python
from benchmarks.services_parts import OURS, TESTCONTAINERS
from benchmarks.table import Row, show
from ci_itest.containers.engine import Engine
from ci_itest.containers.images import ensure_image

_ALLOWED_SECONDS = 1.5
_GIVEN_UP_SECONDS = 30.0


def left(engine: Engine, run: str) -> int:
    label = (f"ci-itest.run={run}",)
    return len(engine.containers(label)) + len(engine.networks(label)) + len(engine.volumes(label))


@dataclass(frozen=True)
class Killed:
    """What became of a killed shard: held at its death, left 1.5 s later, seconds until nothing was."""

    held: int
    left: int
    gone_seconds: float


def killed_after(seconds: float, engine: Engine) -> Killed:
    run = f"bench-{secrets.token_hex(4)}"
    program = OURS.replace("{then}", "time.sleep(60)")
    child = subprocess.Popen(
        [sys.executable, "-c", program, MIRROR, run, json.dumps(TWO), ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    died = time.monotonic()
    held = left(engine, run)
    last_seen = 0.0
    after_allowed = -1
    while after_allowed or time.monotonic() - last_seen - died < 1.0:
        now = time.monotonic() - died
        count = left(engine, run)
        if count:
            last_seen = time.monotonic() - died
        if after_allowed < 0 and now >= _ALLOWED_SECONDS:
            after_allowed = count
        if now > _GIVEN_UP_SECONDS or (after_allowed >= 0 and not count):
            break
        time.sleep(0.05)
    return Killed(held, max(after_allowed, 0), last_seen)


def testcontainers_left(engine: Engine) -> int:
    """How many containers a killed process leaves without the library's reaper."""
    child = subprocess.Popen(
        [str(peer_python()), "-c", TESTCONTAINERS.format(then="time.sleep(60)")],
        env={**os.environ, "TESTCONTAINERS_RYUK_DISABLED": "true"},
        stdout=subprocess.PIPE,
        text=True,
    )
    before = {one.id for one in engine.containers(("org.testcontainers=true",))}
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    child.stdout.close()
    time.sleep(_ALLOWED_SECONDS)
    leaked = {one.id for one in engine.containers(("org.testcontainers=true",))} - before
    for container in leaked:
        engine.remove_container(container)
    return len(leaked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=420.0, help="how long the kills may take; eight in any case")
    parser.add_argument("--quick", action="store_true", help="eight kills")
    arguments = parser.parse_args()
    kills = 8 if arguments.quick else arguments.kills
    engine = Engine.connect(os.environ)
    for one in TWO.values():
        ensure_image(one["image"], engine=engine, mirror=MIRROR, note=lambda _words: None)
    chance = random.Random(arguments.seed)
    began = time.monotonic()
    ours(TWO)
    whole_seconds = time.monotonic() - began  # the machine may be busy: moments fall into all of a start, and after it
    outcomes: list[Killed] = []
    for number in Clock(arguments.seconds, least=8).rounds(kills):
        moment = chance.uniform(0.0, whole_seconds)
        outcomes.append(one := killed_after(moment, engine))
        words = f"{one.held} held, {one.left} left, gone after {one.gone_seconds:.2f} s"
        print(f"kill {number} after {moment:.2f} s: {words}", flush=True)
    count = sum(one.left for one in outcomes)
    gone = [one.gone_seconds for one in outcomes if one.held]
    value = f"{count} after {len(outcomes)} kills, {len(gone)} of which held something"
    if gone:
        value += f"; gone after {statistics.median(gone):.2f} s, at most {max(gone):.2f} s"
    peers = f"testcontainers-python without its reaper: {testcontainers_left(engine)} containers of one kill"
    show("guard", [Row("left on the engine 1.5 s after kill -9", value, "0", count == 0, peers)])


if __name__ == "__main__":
    main()
