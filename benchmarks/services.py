"""Services: how soon PostgreSQL and Redis serve, six services at once, and what the tool costs before the first.

Beside testcontainers-python and Docker Compose, on the same engine and images, rounds interleaved. The figure that
counts is the least of all rounds, since every round of every tool meets the same machine. `--rounds` (7) of each unless
its part of `--seconds` (420) is over before, at least two; `--quick`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.clock import Clock
from benchmarks.peers import python_with
from benchmarks.services_parts import COMPOSE, HTTP, OURS, TESTCONTAINERS
from benchmarks.table import Row, show
from ci_itest.containers.engine import Engine
from ci_itest.containers.images import ensure_image
from tests.helpers.suites import suite_environment

ROOT = Path(__file__).resolve().parents[1]
MIRROR = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
COMPOSE_PROGRAM = Path(sys.executable).parent / "docker-compose"
PATIENT = {"ready_timeout": 300.0}  # the machine may be busy
TWO: dict[str, Any] = {"postgres": {"image": "postgres:15", **PATIENT}, "redis": {"image": "redis:7", **PATIENT}}
RABBITMQ = {"image": "rabbitmq:3", **PATIENT}
SIX: dict[str, Any] = {**TWO, "rabbitmq": RABBITMQ, **{name: {**HTTP, **PATIENT} for name in ("minio", "api", "web")}}


def peer_python() -> Path:
    """A Python that has testcontainers."""
    return python_with("services", ("testcontainers[postgres,redis]>=4.9", "psycopg[binary]", "redis", "sqlalchemy"))


def last_line(command: list[str], **variables: str) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def ours(services: dict[str, Any], *, kept: str = "") -> tuple[float, dict[str, float]]:
    """Seconds until all serve, and each service's own.

    Args:
        kept: Folder of what earlier runs kept, as on a machine that lives on; "" for none.
    """
    program = OURS.replace("{then}", "")
    run = f"bench-{secrets.token_hex(4)}"
    took, each = json.loads(last_line([sys.executable, "-c", program, MIRROR, run, json.dumps(services), kept]))
    return float(took), each


def testcontainers() -> float:
    program = TESTCONTAINERS.format(then="")
    return float(last_line([str(peer_python()), "-c", program], TESTCONTAINERS_RYUK_DISABLED="true"))


def compose() -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "compose.yml"
        file.write_text(COMPOSE)
        command = [str(COMPOSE_PROGRAM), "--file", str(file), "--project-name", f"bench-{secrets.token_hex(4)}"]
        began = time.monotonic()
        try:
            subprocess.run([*command, "up", "--detach", "--wait"], check=True, capture_output=True)
            return time.monotonic() - began
        finally:
            subprocess.run([*command, "down", "--volumes", "--timeout", "0"], check=True, capture_output=True)


def words(seconds: list[float]) -> str:
    return f"{min(seconds):.2f} s (median {statistics.median(seconds):.2f})"


def two_services(rounds: int, kept: str, clock: Clock) -> list[Row]:
    ways: dict[str, Callable[[], float]] = {
        "ci-itest": lambda: ours(TWO, kept=kept)[0],
        "ci-itest, first start": lambda: ours(TWO)[0],
        "testcontainers-python": testcontainers,
        "compose, interval 1s": compose,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in clock.rounds(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
        print(f"round {number}: " + ", ".join(f"{name} {took[-1]:.2f} s" for name, took in seconds.items()), flush=True)
    peers = {name: took for name, took in seconds.items() if not name.startswith("ci-itest")}
    words_of_peers = "; ".join(f"{name} {words(took)}" for name, took in peers.items())

    def row(figure: str, own: list[float]) -> Row:
        ratio = min(min(took) for took in peers.values()) / min(own)
        median = min(statistics.median(took) for took in peers.values()) / statistics.median(own)
        value = f"{words(own)}: {ratio:.1f} times faster (median {median:.1f})"
        return Row(figure, value, "2 times faster", ratio >= 2, words_of_peers)

    return [
        row("PostgreSQL and Redis ready, images there", seconds["ci-itest"]),
        row("the same, on a machine that never started PostgreSQL", seconds["ci-itest, first start"]),
    ]


def six_services(rounds: int, kept: str, clock: Clock) -> list[Row]:
    once = {name: ours({name: one}, kept=kept)[0] for name, one in SIX.items()}
    slowest = max(once, key=lambda name: once[name])
    together, alone = [], [once[slowest]]
    for number in clock.rounds(rounds):
        together.append(ours(SIX, kept=kept)[0])
        alone.append(ours({slowest: SIX[slowest]}, kept=kept)[0])
        print(f"round {number}: six {together[-1]:.2f} s, {slowest} alone {alone[-1]:.2f} s", flush=True)
    ratio = min(together) / min(alone)
    value = f"{words(together)}: {ratio:.2f} times {slowest} alone ({words(alone)})"
    peers = f"one after another {sum(once.values()):.1f} s"
    return [Row("six services ready", value, "1.3 times the slowest", ratio <= 1.3, peers)]


def overhead(rounds: int, clock: Clock) -> list[Row]:
    """From the start of the process to the first request for a container, as the engine dates it."""
    seconds, processor = [], []
    for _ in clock.rounds(rounds):
        with tempfile.TemporaryDirectory() as folder:
            root, run = Path(folder), f"bench-{secrets.token_hex(4)}"
            (root / "tests").mkdir()
            (root / "tests" / "test_it.py").write_text("def test_it(): pass\n")
            (root / "ci-itest.toml").write_text(
                f'shards = 1\nworkers = 1\n[services]\nredis = "redis:7"\n[images]\nmirror = "{MIRROR}"\n'
            )
            command = [sys.executable, "-I", "-m", "ci_itest"]
            variables = suite_environment()
            plan = [*command, "plan", "--run-id", run]
            subprocess.run(plan, cwd=root, env=variables, check=True, capture_output=True)
            created = watched_creation(run)
            before, began = os.times(), time.time()
            child = subprocess.Popen(
                [*command, "run-shard", "--shard", "1"],
                cwd=root,
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            seconds.append(created() - began)
            child.wait()
            after = os.times()
            processor.append(
                after.children_user - before.children_user + after.children_system - before.children_system
            )
    value = f"{words(seconds)}; whole shard {min(processor):.2f} s of processor time"
    return [
        Row("from the tool's start to the first container", value, "1 s", min(seconds) <= 1.0, "pip install 10-17 s")
    ]


def watched_creation(run: str) -> Callable[[], float]:
    """When the first container of a run is created, by the engine's own clock."""
    # `--since` replays what was before the stream was open, so that nothing is missed.
    command = ["docker", "events", "--since", str(int(time.time())), "--filter", f"label=ci-itest.run={run}"]
    watching = subprocess.Popen(
        [*command, "--filter", "event=create", "--format", "{{.TimeNano}}"], stdout=subprocess.PIPE, text=True
    )

    def first() -> float:
        assert watching.stdout is not None
        line = watching.stdout.readline()
        watching.kill()
        watching.wait()
        watching.stdout.close()
        return int(line) / 1e9

    return first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=420.0, help="how long all of it may take")
    parser.add_argument("--quick", action="store_true", help="two rounds of each")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    engine = Engine.connect(os.environ)
    for image in {str(one["image"]) for one in SIX.values()}:
        ensure_image(image, engine=engine, mirror=MIRROR, note=lambda _words: None)
    peer_python()
    with tempfile.TemporaryDirectory(prefix="services-bench-") as kept:
        ours(TWO, kept=kept)  # what every later run on such a machine finds
        rows = two_services(rounds, kept, Clock(0.55 * arguments.seconds))
        rows += six_services(rounds, kept, Clock(0.3 * arguments.seconds))
    show("services", [*rows, *overhead(rounds, Clock(0.15 * arguments.seconds))])


if __name__ == "__main__":
    main()
