"""A hundred thousand cases: how long the plan takes, and how long a shard takes to collect its sixteenth."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.peers import PeerMissingError, python_with
from benchmarks.sharding_data import DataSet, Seconds
from benchmarks.sharding_peers import PYTEST_SPLIT, split
from benchmarks.table import Row
from ci_itest.model.settings import SuiteSettings
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import divide
from ci_itest.runners.base import ShardRequest
from ci_itest.runners.pytest import PytestRunner

CASES = 100_000
FILES = 2_000
SHARDS = 64
COLLECT_SHARDS = 16

_CHILD = """
import json, resource, sys, time
from ci_itest.model.cases import CaseId
from ci_itest.planning.costs import Costs
from ci_itest.planning.division import divide
from ci_itest.planning.suite import SuiteFacts, work_of
known = json.load(open(sys.argv[1]))
seconds = {CaseId("main", *case.split("::", 1)): value for case, value in known.items()}
files = sorted({case.file for case in seconds})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answer = {"before_kb": before}
for setup in (0.0, 0.05):
    start = time.process_time()
    works = work_of(SuiteFacts(files, seconds, {}, "case"))
    division = divide(works, shard_count=int(sys.argv[2]), costs=Costs(default_file_setup=setup))
    seconds_taken = time.process_time() - start
    answer[str(setup)] = {"cpu_seconds": seconds_taken, "ratio": division.longest_seconds / division.bound}
    del works, division
answer["rss_kb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(answer))
"""


def plan_rows(data: DataSet) -> list[Row]:
    """From expected seconds to the division, in a process of its own; CPU seconds, so that neighbours do not count."""
    seconds = _many_cases(data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "seconds.json"
        file.write_text(json.dumps(seconds))
        output = subprocess.run(
            [sys.executable, "-c", _CHILD, str(file), str(SHARDS)], check=True, capture_output=True, text=True
        ).stdout
    answer = json.loads(output)
    slowest = max(answer["0.0"]["cpu_seconds"], answer["0.05"]["cpu_seconds"])
    megabytes = answer["rss_kb"] / 1024
    worst = max(answer["0.0"]["ratio"], answer["0.05"]["ratio"])
    return [
        Row(
            f"plan {CASES} cases x {SHARDS} shards: CPU s, MB of the process",
            f"{slowest:.2f} s, {megabytes:.0f} MB (slowest shard {worst:.4f} of the bound)",
            "<= 1.5 s, <= 300 MB",
            slowest <= 1.5 and megabytes <= 300,
            _their_time(seconds),
        )
    ]


def _their_time(seconds: Seconds) -> str:
    try:
        (answer,) = split(
            [{"items": sorted(seconds), "durations": dict(seconds), "shards": SHARDS, "algorithm": "least_duration"}]
        )
    except PeerMissingError as error:
        return str(error)
    return f"least_duration {answer['cpu_seconds']:.2f} s"


def _many_cases(data: DataSet) -> Seconds:
    """Cases drawn from the largest real suite, dealt to files of uneven size."""
    largest = max(data.newest_of_each(), key=lambda version: version.case_count)
    values = sorted(data.seconds(largest).values())
    chance = random.Random(1)
    weights = [chance.paretovariate(1.5) for _ in range(FILES)]
    files = chance.choices(range(FILES), weights, k=CASES)
    return {
        f"tests/part_{file % 40:02}/test_{file:04}.py::test_{number:06}[value]": chance.choice(values)
        for number, file in enumerate(files)
    }


def collect_rows() -> list[Row]:
    """Only what a shard does before its first case."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = _write_suite(root)
        mine, output = _collect_ours(root, files)
        theirs = _collect_theirs(root)
    return [
        Row(
            f"collect 1/{COLLECT_SHARDS} of {CASES} generated tests in a shard: CPU s",
            f"{mine:.1f} s ({output})",
            "<= 8 s",
            mine <= 8,
            theirs,
        )
    ]


def _write_suite(root: Path) -> list[str]:
    each = CASES // FILES
    body = "".join(f"def test_{number}():\n    assert {number} >= 0\n\n\n" for number in range(each))
    files = []
    for number in range(FILES):
        file = f"tests/part_{number % 40:02}/test_{number:04}.py"
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(body)
        files.append(file)
    (root / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    return files


def _collect_ours(root: Path, files: list[str]) -> tuple[float, str]:
    from ci_itest.planning.work import FileWork

    division = divide(
        [FileWork(file, ("",), (1.0,), (1.0,), (1,)) for file in files], shard_count=COLLECT_SHARDS, costs=Costs()
    )
    mine = tuple(division.files[piece.file].file for piece in division.shards[0])
    request = ShardRequest(
        suite="main",
        settings=SuiteSettings(arguments=("-p", "no:xdist", "--collect-only", "-q"), python=sys.executable),
        root=root,
        index=1,
        count=COLLECT_SHARDS,
        files=mine,
        planned=tuple(files),
        results=root / "results",
        environment=dict(os.environ),
    )
    launch = PytestRunner().launch(request)
    # CPU seconds grow with what else the cores do; the least of three is nearest to the program's own.
    runs = [_cpu_seconds(list(launch.command), root, {**os.environ, **launch.environment}) for _ in range(3)]
    seconds, output = min(runs)
    return seconds, _last_words(output)


def _collect_theirs(root: Path) -> str:
    try:
        python = python_with("pytest-split", PYTEST_SPLIT)
    except PeerMissingError as error:
        return str(error)
    command = [str(python), "-m", "pytest", "--collect-only", "-q", "--splits", str(COLLECT_SHARDS), "--group", "1"]
    seconds, output = _cpu_seconds([*command, "tests"], root, dict(os.environ))
    return f"pytest-split {seconds:.1f} s ({_last_words(output)})"


def _cpu_seconds(command: list[str], root: Path, environment: dict[str, str]) -> tuple[float, str]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode not in (0, 5):
        raise SystemExit(
            f"{' '.join(command[:6])} ended with {ended.returncode} after "
            f"{time.monotonic() - started:.0f} s:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout


def _last_words(output: str) -> str:
    lines = [line.strip("= ") for line in output.splitlines() if "collected" in line]
    return lines[-1].split(" in ")[0] if lines else "?"
