"""The pytest plugin: what it costs where it is not used, and how soon the first test starts where it is.

Overhead is told in CPU time of whole pytest runs that take turns. No plugin is loaded but the one that is measured: to
import all that stands in this repository's environment would take longer. `--quick` runs fewer tests, fewer times.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import PeerMissingError, python_with
from benchmarks.table import Row, show

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("docker", "sqlalchemy", "requests", "jinja2", "msgspec", "click", "rich", "lxml", "psycopg", "httpx")
PLAIN = ("-p", "no:cacheprovider", "-q")
OURS = ("-p", "ci_itest.pytest_plugin.plugin")

SETTINGS = '[services]\npostgres = "postgres:15"\n[environment]\nDATABASE_URL = "{postgres.url}"\n'
FIRST = """
import time, pathlib
import psycopg

def test_first(service):
    with psycopg.connect(service("postgres").url) as connection:
        connection.execute("SELECT 1")
    pathlib.Path("first").write_text(f"{time.time()} {time.process_time()}")
"""
PEER_FIRST = """
import time, pathlib
import psycopg, pytest
from testcontainers.postgres import PostgresContainer

@pytest.fixture(scope="session")
def postgres():
    with PostgresContainer("postgres:15", driver=None) as container:
        yield container

def test_first(postgres):
    with psycopg.connect(postgres.get_connection_url()) as connection:
        connection.execute("SELECT 1")
    pathlib.Path("first").write_text(f"{time.time()} {time.process_time()}")
"""


@dataclass(frozen=True)
class Sizes:
    """How much is measured: empty tests, rounds of them, starts."""

    tests: int
    rounds: int
    starts: int


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="2,000 tests, 3 rounds, 2 starts")
    options.add_argument("--no-peers", action="store_true", help="leave testcontainers out")
    given = options.parse_args()
    sizes = Sizes(2000, 3, 2) if given.quick else Sizes(10_000, 5, 5)
    with tempfile.TemporaryDirectory() as folder:
        show("plugin", list(rows(Path(folder), sizes, with_peers=not given.no_peers)))


def rows(folder: Path, sizes: Sizes, *, with_peers: bool) -> Iterator[Row]:
    yield overhead(folder, sizes)
    yield from importing(sizes)
    yield from first_tests(folder, sizes, with_peers=with_peers)


def overhead(folder: Path, sizes: Sizes) -> Row:
    """CPU seconds of a suite of empty tests with the plugin and without, in turns."""
    root = made(folder / "empty", {"test_it.py": empty(sizes.tests)})
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(sizes.rounds):
        for has_plugin in (True, False):
            seconds[has_plugin].append(cpu_seconds(root, OURS if has_plugin else ()))
    extra = min(seconds[True]) / min(seconds[False]) - 1
    value = f"{extra:+.1%} of {min(seconds[False]):.2f} s CPU"
    return Row(f"overhead on {sizes.tests:,} empty tests", value, "<= 3 %", extra <= 0.03)


def empty(count: int) -> str:
    return f"import pytest\n\n@pytest.mark.parametrize('n', range({count}))\ndef test_empty(n): pass\n"


def importing(sizes: Sizes) -> Iterator[Row]:
    """Of the module that pytest loads, in a process that has imported pytest."""
    code = (
        "import pytest, sys, time; before = set(sys.modules); start = time.process_time(); "
        "import ci_itest.pytest_plugin.plugin; seconds = time.process_time() - start; "
        "print(seconds * 1000, *(set(sys.modules) - before))"
    )
    answers = [output([sys.executable, "-c", code], ROOT).split() for _ in range(sizes.rounds)]
    milliseconds = [float(answer[0]) for answer in answers]
    modules = sorted(answers[0][1:])
    heavy = [name for name in modules if name.partition(".")[0] in HEAVY]
    value = f"{statistics.median(milliseconds):.1f} ms CPU, {len(modules)} modules"
    yield Row("import of the pytest11 module", value, "<= 5 ms", statistics.median(milliseconds) <= 5)
    yield Row("heavy imports of it", ", ".join(heavy) or "none", "none", not heavy)


def first_tests(folder: Path, sizes: Sizes, *, with_peers: bool) -> Iterator[Row]:
    """Seconds from the start of pytest until a test has its first answer from PostgreSQL."""
    root = made(folder / "first", {"test_it.py": FIRST, "ci-itest.toml": SETTINGS})
    cold = [until_first(sys.executable, root, *OURS) for _ in range(sizes.starts)]
    until_first(sys.executable, root, *OURS, "--services-keep")
    warm = [until_first(sys.executable, root, *OURS) for _ in range(sizes.starts)]
    alone = [until_first(sys.executable, made(folder / "none", {"test_it.py": WITHOUT_SERVICE})) for _ in warm]
    output([sys.executable, "-m", "pytest", *PLAIN, *OURS, "--services-stop"], root, code=None)
    peer = peer_seconds(folder, sizes) if with_peers else "not measured"
    pytest_alone = f"pytest without any service {words(alone)}"
    yield Row("first test on warm services, s", words(warm), "<= 0.5", middle(warm) <= 0.5, pytest_alone)
    cold_met = middle(cold) <= 1.5
    yield Row(
        "first test on cold services, cached images, s", words(cold), "<= 1.5", cold_met, f"testcontainers {peer}"
    )


WITHOUT_SERVICE = """
import time, pathlib
import psycopg

def test_first(): pathlib.Path("first").write_text(f"{time.time()} {time.process_time()}")
"""


@dataclass(frozen=True)
class Start:
    """Until the first test has its answer: wall time, and CPU time of the pytest process alone."""

    seconds: float
    cpu_seconds: float


def until_first(python: str, root: Path, *arguments: str) -> Start:
    (root / "first").unlink(missing_ok=True)
    start = time.time()
    output([python, "-m", "pytest", *PLAIN, *arguments], root)
    ended_at, cpu = (root / "first").read_text().split()
    return Start(float(ended_at) - start, float(cpu))


def peer_seconds(folder: Path, sizes: Sizes) -> str:
    """testcontainers-python, in a venv of its own."""
    try:
        python = python_with("testcontainers", ("testcontainers[postgres]", "psycopg[binary]", "pytest"))
        root = made(folder / "peer", {"test_it.py": PEER_FIRST})
        return words([until_first(str(python), root) for _ in range(sizes.starts)])
    except PeerMissingError as error:
        return f"does not run here ({str(error)[-200:].strip()!r})"
    except subprocess.CalledProcessError as error:
        return f"does not run here ({str(error.output)[-200:].strip()!r})"


def made(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(exist_ok=True)
    for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
        (root / name).write_text(text)
    return root


def cpu_seconds(root: Path, arguments: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output([sys.executable, "-m", "pytest", *PLAIN, *arguments], root)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def output(command: Sequence[str], root: Path, *, code: int | None = 0) -> str:
    """stdout; CalledProcessError with all output when the exit code is another."""
    mirror = os.environ.get("CI_ITEST_REGISTRY_MIRROR", "")
    settings = {"CI_ITEST_IMAGES_MIRROR": mirror, "TESTCONTAINERS_RYUK_DISABLED": "true"}
    environment = {**os.environ, **settings, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if code is not None and ended.returncode != code:
        raise subprocess.CalledProcessError(ended.returncode, command, ended.stdout + ended.stderr)
    return ended.stdout


def words(starts: Sequence[Start]) -> str:
    """Load on the machine stretches wall time; CPU time shows what a quiet machine would take at least."""
    seconds, cpu = [one.seconds for one in starts], [one.cpu_seconds for one in starts]
    return f"{statistics.median(seconds):.2f} (least {min(seconds):.2f}; {statistics.median(cpu):.2f} CPU)"


def middle(starts: Sequence[Start]) -> float:
    return statistics.median(one.seconds for one in starts)


if __name__ == "__main__":
    main()
