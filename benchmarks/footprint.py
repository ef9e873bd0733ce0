"""What ci-itest itself costs: CPU of the command line, a plan, a shard beside bare pytest; install to first report.

    make bench NAME=footprint ARGUMENTS=--quick     # one round of each, 1,000 files instead of 10,000

CPU is that of the processes and their children, user and system together: a busy machine makes it only a little longer.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import UV
from benchmarks.table import Row, show

PROJECT = Path(__file__).resolve().parents[1]
SHOP = PROJECT / "examples" / "shop"
TESTS_PYTHON = SHOP / ".venv" / "bin" / "python"
"""Has pytest and pytest-xdist; our own development environment brings a dozen plugins more."""
CASES_A_FILE = 5
EXAMPLE_SECONDS = 1.5
"""Aim for a plan of a few files, most of it imports; each file may add 0.3 ms."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a command took, of the clock and of the processor."""

    wall_seconds: float
    cpu_seconds: float


def cost_of(*command: str | Path, folder: Path) -> Cost:
    """What a command costs that ends with 0.

    Raises:
        CalledProcessError: It ends otherwise.
    """
    before, began = _children_seconds(), time.monotonic()
    subprocess.run([str(part) for part in command], cwd=folder, env=_environment(), check=True, capture_output=True)
    return Cost(time.monotonic() - began, _children_seconds() - before)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    """This process's without what would steer the command line or pytest."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CI_ITEST_", "GITHUB_", "PYTEST_")) and name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }


def least(rounds: int, *command: str | Path, folder: Path) -> float:
    """The least CPU of some rounds: what lies above it is the machine's."""
    return min(cost_of(*command, folder=folder).cpu_seconds for _ in range(rounds))


def suite(folder: Path, *, files: int) -> Path:
    """A suite of tests that do nothing, a hundred files a folder."""
    cases = "\n\n".join(f"def test_case_{number}():\n    assert True" for number in range(CASES_A_FILE))
    for number in range(files):
        file = folder / "tests" / f"part_{number // 100}" / f"test_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{cases}\n")
    settings = f'python = "{TESTS_PYTHON}"\ntests = ["tests"]\nworkers = 1\n[history]\nstore = "history.sqlite"\n'
    (folder / "ci-itest.toml").write_text(settings)
    return folder


def commands_cost(ours: Sequence[str | Path], rounds: int) -> Row:
    seconds = least(rounds, *ours, "--help", folder=PROJECT)
    bare = least(rounds, sys.executable, "-c", "pass", folder=PROJECT)
    return Row(
        "CPU of ci-itest --help", f"{seconds:.2f} s", "≤ 0.10 s", seconds <= 0.10, f"python -c pass: {bare:.2f} s"
    )


def plan_cost(ours: Sequence[str | Path], work: Path, rounds: int, *, files: int) -> list[Row]:
    history = f"history.store={work / 'plans.sqlite'}"
    plan = (*ours, "plan", "--set", history, "--out")
    of_example = min(
        cost_of(*plan, work / f"example-{number}.json", folder=SHOP).cpu_seconds for number in range(rounds)
    )
    large = suite(work / "large", files=files)
    of_large = min(cost_of(*plan, work / f"large-{number}.json", folder=large).cpu_seconds for number in range(rounds))
    limit = EXAMPLE_SECONDS + 0.0003 * files
    return [
        Row(
            "CPU of plan, the example (12 files)",
            f"{of_example:.2f} s",
            f"≤ {EXAMPLE_SECONDS} s",
            of_example <= EXAMPLE_SECONDS,
        ),
        Row(f"CPU of plan, {files:,} files", f"{of_large:.2f} s", f"≤ {limit:.1f} s", of_large <= limit),
    ]


def shard_cost(ours: Sequence[str | Path], work: Path, rounds: int) -> Row:
    """Beside pytest with one worker process, which is what a shard with one worker starts."""
    folder = suite(work / "small", files=40)
    pytest = (TESTS_PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    in_one = least(rounds, *pytest, folder=folder)
    with_worker = least(rounds, *pytest, "-n", "1", folder=folder)
    bundles = (work / f"bundle-{number}" for number in range(rounds))
    cost_of(*ours, "plan", "--shards", "1", "--out", work / "small.json", folder=folder)
    shard = (*ours, "run-shard", "--plan", work / "small.json", "--shard", "1", "--bundle")
    more = min(cost_of(*shard, bundle, folder=folder).cpu_seconds for bundle in bundles) - with_worker
    peers = f"pytest -n 1, {40 * CASES_A_FILE} cases: {with_worker:.2f} s; pytest: {in_one:.2f} s"
    return Row("CPU that run-shard adds to pytest -n 1", f"{more:.2f} s", "≤ 1.5 s", more <= 1.5, peers)


def install_cost(work: Path) -> list[Row]:
    """A wheel of this tree into an empty environment with an empty cache, then a suite's first report."""
    cost_of(UV, "build", "--quiet", "--wheel", "--out-dir", work / "dist", PROJECT, folder=work)
    wheel = next((work / "dist").glob("*.whl"))
    python = work / "venv" / "bin" / "python"
    folder = suite(work / "first", files=4)
    made = cost_of(UV, "venv", "--quiet", "--python", sys.executable, work / "venv", folder=work)
    install = (UV, "pip", "install", "--quiet", "--cache-dir", work / "cache", "--python", python, wheel)
    installed = cost_of(*install, folder=work)
    ran = cost_of(python, "-m", "ci_itest", "run", folder=folder)
    wall = made.wall_seconds + installed.wall_seconds + ran.wall_seconds
    cpu = made.cpu_seconds + installed.cpu_seconds + ran.cpu_seconds
    megabytes = sum(file.stat().st_size for file in (work / "venv").rglob("*") if file.is_file()) / 1e6
    return [
        Row("install to first report, empty cache", f"{wall:.0f} s", "≤ 60 s", wall <= 60),
        Row("CPU of it, Python's environment and the install included", f"{cpu:.1f} s", "≤ 15 s", cpu <= 15),
        Row("size of the environment", f"{megabytes:.0f} MB", "≤ 100 MB", megabytes <= 100),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 5
    ours = (Path(sys.executable).parent / "ci-itest",)
    with tempfile.TemporaryDirectory(prefix="ci-itest-footprint-") as folder:
        work = Path(folder)
        rows = [commands_cost(ours, rounds), *plan_cost(ours, work, rounds, files=1_000 if quick else 10_000)]
        rows += [shard_cost(ours, work, rounds), *install_cost(work)]
    show("footprint", rows)


if __name__ == "__main__":
    main()
