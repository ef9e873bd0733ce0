"""Services: how soon PostgreSQL and Redis serve, six services at once, and what the tool costs before the first.

Beside testcontainers-python and Docker Compose, on the same engine and images, rounds interleaved. The figure that
counts is the least of all rounds, since every round of every tool meets the same machine. `--rounds` (7), `--quick`.
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

from benchmarks.peers import python_with
from benchmarks.services_parts import COMPOSE, HTTP, OURS, TESTCONTAINERS
from benchmarks.table import Row, show
from ci_itest.containers.engine import Engine
from ci_itest.containers.images import ensure_image

ROOT = Path(__file__).resolve().parents[1]
MIRROR = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
COMPOSE_PROGRAM = Path(sys.executable).parent / "docker-compose"
TWO: dict[str, Any] = {"postgres": {"image": "postgres:15"}, "redis": {"image": "redis:7"}}
SIX: dict[str, Any] = {**TWO, "rabbitmq": {"image": "rabbitmq:3"}, "minio": HTTP, "api": HTTP, "web": HTTP}


def peer_python() -> Path:
    """A Python that has testcontainers."""
    return python_with("services", ("testcontainers[postgres,redis]>=4.9", "psycopg[binary]", "redis", "sqlalchemy"))


def last_line(command: list[str], **variables: str) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def ours(services: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """Seconds until all serve, and each service's own."""
    program = OURS.replace("{then}", "")
    run = f"bench-{secrets.token_hex(4)}"
    took, each = json.loads(last_line([sys.executable, "-c", program, MIRROR, run, json.dumps(services)]))
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


def two_services(rounds: int) -> list[Row]:
    ways: dict[str, Callable[[], float]] = {
        "ci-itest": lambda: ours(TWO)[0],
        "testcontainers-python": testcontainers,
        "compose, interval 1s": compose,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
        print(f"round {number + 1}: " + ", ".join(f"{name} {took[-1]:.2f} s" for name, took in seconds.items()))
    own, *others = (min(took) for took in seconds.values())
    ratio = min(others) / own
    median_ratio = min(statistics.median(seconds[name]) for name in list(ways)[1:]) / statistics.median(
        seconds["ci-itest"]
    )
    peers = "; ".join(f"{name} {words(took)}" for name, took in list(seconds.items())[1:])
    value = f"{words(seconds['ci-itest'])}: {ratio:.1f} times faster (median {median_ratio:.1f})"
    return [Row("PostgreSQL and Redis ready, images there", value, "2 times faster", ratio >= 2, peers)]


def six_services(rounds: int) -> list[Row]:
    together = [ours(SIX)[0] for _ in range(rounds)]
    alone = {name: min(ours({name: one})[0] for _ in range(max(rounds // 2, 2))) for name, one in SIX.items()}
    slowest = max(alone, key=lambda name: alone[name])
    ratio = min(together) / alone[slowest]
    value = f"{words(together)}: {ratio:.2f} times {slowest} alone ({alone[slowest]:.2f} s)"
    peers = f"one after another {sum(alone.values()):.1f} s"
    return [Row("six services ready", value, "1.3 times the slowest", ratio <= 1.3, peers)]


def overhead(rounds: int) -> list[Row]:
    """From the start of the process to the first request for a container, as the engine dates it."""
    seconds, processor = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            root, run = Path(folder), f"bench-{secrets.token_hex(4)}"
            (root / "tests").mkdir()
            (root / "tests" / "test_it.py").write_text("def test_it(): pass\n")
            (root / "ci-itest.toml").write_text(
                f'shards = 1\nworkers = 1\n[services]\nredis = "redis:7"\n[images]\nmirror = "{MIRROR}"\n'
            )
            command = [sys.executable, "-I", "-m", "ci_itest"]
            variables = {**os.environ, "VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}
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
    parser.add_argument("--quick", action="store_true", help="two rounds of each")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    engine = Engine.connect(os.environ)
    for image in {str(one["image"]) for one in SIX.values()}:
        ensure_image(image, engine=engine, mirror=MIRROR, note=lambda _words: None)
    peer_python()
    show("services", [*two_services(rounds), *six_services(rounds), *overhead(rounds)])


if __name__ == "__main__":
    main()
