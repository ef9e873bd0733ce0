"""PostgreSQL with 50 migrated tables and Redis, until both serve: ours from a snapshot, others by migrating."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.clock import Clock
from benchmarks.peers import python_with
from benchmarks.table import Row
from ci_itest.containers.cache.store import BlobStore
from ci_itest.containers.engine import Engine
from ci_itest.containers.images import ensure_image
from ci_itest.containers.owner import Owner
from ci_itest.containers.presets import service_specs
from ci_itest.containers.services import running
from ci_itest.containers.supply import Supply, supplying
from ci_itest.flows.snapshots import Preparation
from ci_itest.model.settings import PrepareSettings, ServiceSettings

MIRROR = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "127.0.0.1:5599")
MIGRATION = ";\n".join(
    f"create table t{number} (id bigserial primary key, parent bigint, name text, note text, at timestamptz);"
    f"create index on t{number} (parent); create index on t{number} (name); create index on t{number} (at)"
    for number in range(50)
)
COUNT = "select count(*) from pg_tables where schemaname = 'public'"

TESTCONTAINERS = """
import sys, time
import psycopg
from testcontainers.postgres import PostgresContainer
from testcontainers.redis import RedisContainer
began = time.monotonic()
with PostgresContainer("postgres:15", driver=None) as db, RedisContainer("redis:7") as cache:
    assert cache.get_client().ping()
    with psycopg.connect(db.get_connection_url()) as client:
        client.execute(open(sys.argv[1]).read())
        assert client.execute(sys.argv[2]).fetchone() == (50,)
    print(time.monotonic() - began)
"""

COMPOSE = {
    "services": {
        "db": {
            "image": "postgres:15",
            "environment": {"POSTGRES_PASSWORD": "x"},
            "ports": ["127.0.0.1::5432"],
            "healthcheck": {
                "test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"],
                "interval": "1s",
                "retries": 120,
            },
        },
        "cache": {
            "image": "redis:7",
            "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "interval": "1s", "retries": 120},
        },
    }
}


def snapshot_row(*, rounds: int, seconds: float) -> Row:
    """The benchmark's row; the first run of ours, which makes the snapshot, is told apart."""
    engine = Engine.connect(os.environ)
    for image in ("postgres:15", "redis:7"):
        ensure_image(image, engine=engine, mirror=MIRROR, note=lambda _words: None)
    with tempfile.TemporaryDirectory(prefix="images-snapshot-") as name:
        folder = Path(name)
        (folder / "migration.sql").write_text(MIGRATION)
        first = _ours(engine, folder)
        took: dict[str, list[float]] = {"ours": [], "testcontainers": [], "compose": []}
        for _ in Clock(seconds).rounds(rounds):
            took["ours"].append(_ours(engine, folder))
            for peer, run in (("testcontainers", _testcontainers), ("compose", _compose)):
                if (lasted := run(folder)) is not None:
                    took[peer].append(lasted)
    engine.close()
    medians = {way: statistics.median(values) for way, values in took.items() if values}
    own = medians.pop("ours")
    is_three = all(other >= 3 * own for other in medians.values())
    peers = ", ".join(f"{way} {seconds:.2f} ({seconds / own:.1f}x)" for way, seconds in medians.items())
    return Row(
        "PostgreSQL with 50 migrated tables and Redis, from a snapshot, s",
        f"{own:.2f} (fastest {min(took['ours']):.2f}; first run, which makes it, {first:.2f})",
        "<= 0.9, >= 3x faster",
        own <= 0.9 and is_three if medians else None,
        peers,
    )


def _ours(engine: Engine, folder: Path) -> float:
    """From the first look for the snapshot until both serve and the tables are there."""
    specs = service_specs({"db": ServiceSettings(image="postgres:15"), "cache": ServiceSettings(image="redis:7")})
    step = PrepareSettings(run="migrate", inputs=("migration.sql",), snapshot="db")
    with ExitStack() as stack:
        began = time.monotonic()
        supply = stack.enter_context(
            supplying(Supply(engine, mirror=MIRROR, store=BlobStore(folder / "cache"), say=_say))
        )
        preparation = Preparation([step], supply=supply, engine=engine, say=_say)
        preparation.look(specs, root=folder, project="images-benchmark", makes=True)
        services = preparation.started(
            specs,
            lambda wanted: stack.enter_context(
                running(
                    wanted,
                    engine=engine,
                    owner=Owner.of_this_process(run="images-benchmark", shard="main-1"),
                    ensure=supply.ensure,
                    log_directory=folder / "logs",
                    report=lambda _event: None,
                    mask=lambda text: text,
                )
            ),
        )
        with psycopg.connect(services.endpoints["db"].url) as client:
            if preparation.to_run():
                client.execute(MIGRATION.encode())
        preparation.keep(services)
        with psycopg.connect(services.endpoints["db"].url) as client:
            assert client.execute(COUNT).fetchone() == (50,)
        return time.monotonic() - began


def _say(words: str) -> None:
    print(words, file=sys.stderr)


def _testcontainers(folder: Path) -> float | None:
    python = python_with("images", ("testcontainers==4.15.0", "psycopg[binary]", "redis"))
    done = subprocess.run(
        [python, "-c", TESTCONTAINERS, str(folder / "migration.sql"), COUNT],
        env={**os.environ, "TESTCONTAINERS_RYUK_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        _say(f"testcontainers: {done.stderr.strip()[-300:]}")
        return None
    return float(done.stdout.split()[-1])


def _compose(folder: Path) -> float | None:
    program = Path(sys.executable).with_name("docker-compose")
    if not program.exists() and shutil.which("docker-compose") is None:
        return None
    file = folder / "compose.json"
    file.write_text(json.dumps(COMPOSE))
    command = [str(program) if program.exists() else "docker-compose", "-p", "imagesbenchmark", "-f", str(file)]

    def told(*arguments: str) -> str:
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout

    began = time.monotonic()
    try:
        told("up", "--wait", "--quiet-pull")
        port = told("port", "db", "5432").strip().rpartition(":")[2]
        with psycopg.connect(f"postgresql://postgres:x@127.0.0.1:{port}/postgres") as client:
            client.execute(MIGRATION.encode())
            assert client.execute(COUNT).fetchone() == (50,)
        return time.monotonic() - began
    except subprocess.CalledProcessError as error:
        _say(f"compose: {error.stderr.strip()[-300:]}")
        return None
    finally:
        subprocess.run([*command, "down", "--volumes", "--timeout", "0"], capture_output=True, check=False)
