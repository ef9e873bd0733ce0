"""Replay: recorded orders played again, order-dependent failures reproduced, polluters found, bundles weighed.

Everything runs through the command line, on suites made here, beside `pytest --lf` and detect-test-pollution in a
throw-away venv. `--rounds` sets how many shards are recorded and replayed (20), `--quick` a few of everything.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.peers import PeerMissingError, python_with
from benchmarks.table import Row, show
from ci_itest.flows.bundles import BundleFolder
from ci_itest.flows.recordings import recording_of
from ci_itest.runners.registry import runner_named
from ci_itest.wire import json_lines

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "shards = 1\nworkers = {workers}\nretries = 0\n[history]\nstore = 'history.sqlite'\n"
VICTIM = "tests/test_basket.py::test_is_empty"

POLLUTED = """
import random, shop, time

def test_waits_a_little(): time.sleep(random.random() / 50)
def test_fills(): shop.BASKET.append("tea")
def test_goes_on(): time.sleep(random.random() / 50)
def test_is_empty(): assert shop.BASKET == []
"""
BUSY = """
import pytest, random, time

@pytest.mark.parametrize("n", range(8))
def test_some(n): time.sleep(random.random() / 30)
"""
MANY = """
import pytest, shop

@pytest.mark.parametrize("n", range(200))
def test_other(n):
    if n in {polluters}: shop.BASKET.append(n)

def test_is_empty(): assert len(shop.BASKET) < {enough}
"""
REDIS = """
import os, socket

def test_answers():
    host, port = os.environ["REDIS"].split(":")
    with socket.create_connection((host, int(port)), timeout=5) as talk:
        talk.sendall(b"PING\\r\\n")
        assert talk.recv(100).startswith(b"+PONG")
"""


@dataclass(frozen=True)
class Ran:
    """A command that ended: its output, wall and processor seconds (its children's included)."""

    code: int
    output: str
    wall: float
    cpu: float


def ran(command: Sequence[str], *, root: Path, **variables: str) -> Ran:
    before, start = os.times(), time.monotonic()
    environment = {**os.environ, "VIRTUAL_ENV": str(Path(sys.executable).parent.parent), **variables}
    done = subprocess.run(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Ran(done.returncode, done.stdout, time.monotonic() - start, cpu)


def ci_itest(*arguments: str, root: Path) -> Ran:
    return ran([sys.executable, "-I", "-m", "ci_itest", *arguments], root=root)


def suite(root: Path, files: dict[str, str], *, workers: int = 1, more: str = "") -> Path:
    whole = {
        "shop.py": "BASKET = []\n",
        "pytest.ini": "[pytest]\npythonpath = .\n",
        "ci-itest.toml": SETTINGS.format(workers=workers) + more,
        **files,
    }
    for name, text in whole.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def queues(bundle: Path) -> dict[str, tuple[str, ...]]:
    found = recording_of(BundleFolder(bundle), runner_of=lambda _suite: runner_named("pytest"))
    return dict(found.result.queues)


def newest_bundle(root: Path) -> Path:
    (bundle,) = (root / ".ci-itest" / "latest" / "bundles").iterdir()
    return bundle


def orders(top: Path, rounds: int) -> list[Row]:
    """Red shards with three workers, recorded and replayed once each."""
    files = {f"tests/test_busy_{number}.py": BUSY for number in range(4)} | {"tests/test_basket.py": POLLUTED}
    # The polluter and its victim share a worker, as files do in most suites; where the files go is left to chance.
    root = suite(top / "orders", files, workers=3)
    config = root / "ci-itest.toml"
    config.write_text(config.read_text().replace("retries", 'arguments = ["--dist=loadfile"]\nretries'))
    exact = reproduced = red = 0
    ci_itest("plan", "--run-id", "local-orders", root=root)
    for number in range(rounds):
        bundle = root / ".ci-itest" / "runs" / str(number) / "bundles" / "ci-itest-main-1-a1"
        red += ci_itest("run-shard", "--shard", "1", "--bundle", str(bundle), root=root).code == 1
        recorded = queues(bundle)
        replayed = ci_itest("replay", str(bundle), root=root)
        exact += queues(Path(replayed.output.strip().splitlines()[-1])) == recorded
        reproduced += replayed.code == 1 and f"failed there and here: {VICTIM}" in replayed.output
    again = last_failed(root, min(rounds, 3))
    return [
        Row(
            "worker queues reproduced exactly",
            f"{exact} of {rounds}",
            f"{rounds} of {rounds}",
            exact == rounds,
            "none can",
        ),
        Row(
            "order-dependent failure reproduced at the first replay",
            f"{reproduced} of {red}",
            f"{red} of {red}",
            reproduced == red > 0,
            f"pytest --lf: {again} of {min(rounds, 3)}",
        ),
    ]


def last_failed(root: Path, rounds: int) -> int:
    """How often the same failure comes again when pytest runs what failed last."""
    count = 0
    for _ in range(rounds):
        ran([sys.executable, "-m", "pytest", "-q", "tests/test_basket.py"], root=root)
        again = ran([sys.executable, "-m", "pytest", "-q", "--lf", "tests/test_basket.py"], root=root)
        count += again.code == 1
    return count


def bisections(top: Path) -> list[Row]:
    rows = []
    for polluters, target in (((120,), 3.0), ((37, 120), 10.0)):
        enough = len(polluters)
        files = {"tests/test_basket.py": MANY.format(polluters=polluters, enough=enough)}
        root = suite(top / f"bisect-{enough}", files)
        ci_itest("run", root=root)
        found = ci_itest("replay", "--bisect", "test_is_empty", root=root)
        named = re.findall(r"^  tests/test_basket\.py::test_other\[(\d+)\]$", found.output, re.M)
        is_right = [int(name) for name in named] == list(polluters)
        probes = "".join(re.findall(r"^(\d+ probes)", found.output, re.M))
        words = f"{found.wall:.1f} s wall, {found.cpu:.1f} s CPU, {probes}" + ("" if is_right else ", WRONG")
        rows.append(
            Row(
                f"bisect, 200 tests, {enough} polluter{'s' if enough > 1 else ''}",
                words,
                f"≤ {target:g} s",
                is_right and found.wall <= target,
                pollution(root),
            )
        )
    return rows


def pollution(root: Path) -> str:
    """detect-test-pollution on the same suite."""
    try:
        programs = python_with("pollution", ("detect-test-pollution==1.2.0", "pytest")).parent
    except PeerMissingError:
        return "detect-test-pollution: not to be had here"
    done = ran(
        [str(programs / "detect-test-pollution"), "--failing-test", VICTIM, "--tests", "tests"],
        root=root,
        VIRTUAL_ENV=str(programs.parent),
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
    )
    end = "found" if "the polluting test is" in done.output else done.output.strip().splitlines()[-1][:40]
    return f"detect-test-pollution: {end}, {done.wall:.1f} s wall, {done.cpu:.1f} s CPU"


def weight(top: Path, cases: int) -> Row:
    many = "import pytest\n@pytest.mark.parametrize('order', range(100))\ndef test_a_customer_orders(order): pass\n"
    files = {f"tests/test_orders_{number}.py": many for number in range(cases // 100)}
    root = suite(top / "weight", files, workers=2)
    ci_itest("run", root=root)
    bundle = newest_bundle(root)
    documents = sum((bundle / name).stat().st_size for name in ("shard.json", "environment.json"))
    documents += (bundle / "results" / "selection.json").stat().st_size
    archive = top / "bundle.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in bundle.rglob("*"):
            if file.relative_to(bundle).parts[0] not in ("junit", "logs"):
                packed.write(file, file.relative_to(bundle))
    size = archive.stat().st_size
    scaled = size * 5000 / cases
    words = f"{size / 1000:.0f} kB uploaded for {cases:,} cases, their results (journals) included; "
    words += f"the documents alone {documents / 1000:.0f} kB"
    return Row("bundle without JUnit, logs and attachments", words, "≤ 200 kB for 5,000 cases", scaled <= 200_000)


def start_up(top: Path, rounds: int) -> Row:
    """From the command to the first test of a shard with a service whose image is here."""
    mirror = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
    more = f"[services]\ncache = 'redis:7'\n[environment]\nREDIS = '{{cache.address}}'\n[images]\nmirror = '{mirror}'\n"
    root = suite(top / "start", {"tests/test_cache.py": REDIS}, more=more)
    if ci_itest("run", root=root).code != 0:
        return Row("replay command to first test, warm images", "no Docker engine here", "≤ 5 s", None)
    seconds = []
    for _ in range(rounds):
        start = time.time()
        done = ci_itest("replay", ".ci-itest/latest/1", root=root)
        results = Path(done.output.strip().splitlines()[-1]) / "results"
        events = [event for path in results.glob("*.jsonl") for event in json_lines(path.read_bytes())]
        first = min(str(event["at"]) for event in events if event.get("event") == "start")
        seconds.append(datetime.fromisoformat(first).timestamp() - start)
    best = min(seconds)
    return Row("replay command to first test, warm images", f"{best:.1f} s (best of {rounds})", "≤ 5 s", best <= 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rounds, cases = (2, 500) if options.quick else (options.rounds, 5000)
    top = Path(tempfile.mkdtemp(prefix="ci-itest-replay-"))
    try:
        rows = [*orders(top, rounds), *bisections(top), weight(top, cases), start_up(top, 3)]
    finally:
        shutil.rmtree(top, ignore_errors=True)
    show("replay", rows)


if __name__ == "__main__":
    main()
