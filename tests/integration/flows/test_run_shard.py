"""`ci-itest run-shard` and `ci-itest run` on suites that hang, crash, are cancelled or lose a service.

Whatever happens, the bundle names the case that was running, and nothing is left behind.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.flows.bundles import BundleFolder, read_bundle
from ci_itest.flows.merge import case_results
from ci_itest.model.cases import Verdict
from ci_itest.model.run import ShardResult, ShardState, StopReason
from ci_itest.process import Child, started
from ci_itest.runners.pytest import PytestRunner
from ci_itest.waiting import wait_until
from tests.helpers.containers import held_by
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

BENCH_REGISTRY = "127.0.0.1:5599"
SETTINGS = "shards = 1\nworkers = 1\nretries = 0\n"
HANGING = """
    import pathlib, time

    def test_before(): pass

    def test_hangs():
        pathlib.Path("hanging").touch()
        time.sleep(120)

    def test_after(): pass
"""


def suite(root: Path, text: str, settings: str = "") -> Path:
    """A suite of one file on one shard, planned."""
    write_files(root, {"tests/test_it.py": text, "ci-itest.toml": SETTINGS + settings})
    code, output = ci_itest("plan", "--run-id", f"test-{root.name}-{os.getpid()}", root=root)
    assert code == 0, output
    return root


def run_id(root: Path) -> str:
    return f"test-{root.name}-{os.getpid()}"


def bundle(path: Path) -> ShardResult:
    return read_bundle(BundleFolder(path), runner_of=lambda _suite: PytestRunner())


def shard_of(root: Path) -> ShardResult:
    return bundle(root / ".ci-itest" / "ci-itest-main-1-a1")


def verdicts(shard: ShardResult) -> dict[str, Verdict]:
    return {result.case.name: result.verdict for result in case_results(shard)}


def exists(path: Path, lines: list[str]) -> None:
    wait_until(lambda: "" if path.exists() else "\n".join(lines) or "no output", within_seconds=60)


@contextmanager
def hanging(*arguments: str, root: Path) -> Iterator[tuple[Child, list[str]]]:
    """The command while its suite hangs."""
    lines: list[str] = []
    with started(
        ci_itest_command(*arguments), directory=root, environment=suite_environment(), line=lines.append
    ) as child:
        exists(root / "hanging", lines)
        yield child, lines


def living(word: str) -> list[str]:
    """Command lines of the processes that name this word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # ended meanwhile
        if word in line:
            found.append(line)
    return found


def test_a_hung_case_is_stopped_and_the_rest_of_the_shard_runs(tmp_path: Path) -> None:
    root = suite(tmp_path / "case", HANGING, 'case_timeout = "1s"\n')

    code, output = ci_itest("run-shard", "--shard", "1", root=root)

    assert code == 1, output
    passed, failed = Verdict.PASSED, Verdict.FAILED
    assert verdicts(shard_of(root)) == {"test_before": passed, "test_hangs": failed, "test_after": passed}


def test_a_shard_over_its_time_names_the_case_that_was_running(tmp_path: Path) -> None:
    # How long pytest takes to begin depends on the machine: a limit that ended before is no case of this.
    for limit in (6, 30, 150):
        root = suite(tmp_path / f"shard-{limit}", HANGING, f'shard_timeout = "{limit}s"\ncase_timeout = 0\n')
        code, output = ci_itest("run-shard", "--shard", "1", root=root)
        shard = shard_of(root)
        if shard.running:
            break

    assert code == 5, output
    assert (shard.state, shard.stop_reason) == (ShardState.FINISHED, StopReason.TIMEOUT)
    assert f"shard_timeout ({limit} s)" in shard.message
    assert [case.name for case in shard.running] == ["test_hangs"]
    assert verdicts(shard)["test_after"] is Verdict.MISSING


def test_a_case_that_takes_all_of_pytest_with_it_is_named(tmp_path: Path) -> None:
    text = "import os, signal\n\ndef test_a(): pass\n\ndef test_dies(): os.kill(os.getpid(), signal.SIGKILL)\n"
    root = suite(tmp_path / "crash", text, 'arguments = ["-p", "no:xdist"]\n')

    code, output = ci_itest("run-shard", "--shard", "1", root=root)

    shard = shard_of(root)
    assert code == 2, output
    assert shard.stop_reason is StopReason.RUNNER
    assert "SIGKILL" in shard.message
    assert [case.name for case in shard.running] == ["test_dies"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_shard_names_the_case_that_was_running(tmp_path: Path, number: signal.Signals) -> None:
    root = suite(tmp_path / number.name, HANGING)

    with hanging("run-shard", "--shard", "1", root=root) as (child, lines):
        os.kill(child.pid, number)
        code = child.wait(20)

    shard = shard_of(root)
    assert code == 5, "\n".join(lines)
    assert (shard.state, shard.stop_reason) == (ShardState.FINISHED, StopReason.CANCELLED)
    assert [case.name for case in shard.running] == ["test_hangs"]
    assert not living(str(root))


def test_a_killed_shard_has_left_a_bundle_that_names_the_case(tmp_path: Path) -> None:
    root = suite(tmp_path / "killed", HANGING)

    with hanging("run-shard", "--shard", "1", root=root) as (child, _):
        tests = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if str(root) in _words(path)]
        os.kill(child.pid, signal.SIGKILL)
        child.wait(20)
        for pid in tests:  # nobody is left to end the tests: the engine's clean-up is a matter of its own
            _kill_group(pid)

    shard = shard_of(root)
    assert shard.state is ShardState.STARTED
    assert [case.name for case in shard.running] == ["test_hangs"]


def test_a_cancelled_run_ends_its_shards_and_leaves_their_bundles(tmp_path: Path) -> None:
    root = suite(tmp_path / "run", HANGING)

    with hanging("run", root=root) as (child, lines):
        os.kill(child.pid, signal.SIGINT)
        code = child.wait(30)

    assert code == 130, "\n".join(lines)
    shard = bundle(root / ".ci-itest" / "latest" / "bundles" / "ci-itest-main-1-a1")
    assert shard.stop_reason is StopReason.CANCELLED
    assert [case.name for case in shard.running] == ["test_hangs"]
    assert not living(str(root))


# With a service

WITH_REDIS = """
    import os, pathlib, socket, time

    def call(*words):
        host, port = os.environ["REDIS"].split(":")
        with socket.create_connection((host, int(port)), timeout=5) as redis:
            redis.sendall(" ".join(words).encode() + b"\\r\\n")
            return redis.recv(100)

    def test_pings():
        assert call("PING") == b"+PONG\\r\\n"

    def test_{name}():
        {act}
"""
REDIS = '[services]\nprepare-1 = "redis:7"\n[environment]\nREDIS = "{prepare-1.address}"\n[images]\nmirror = "MIRROR"\n'
"""The service has the name of one of our own logs."""


@pytest.fixture
def engine(docker_engine: None) -> Iterator[Engine]:
    connected = Engine.connect(os.environ)
    yield connected
    connected.close()


@pytest.fixture
def mirror(registry_mirror: str) -> str:
    """The named mirror of Docker Hub, else the bench's where it runs."""
    host, _, port = BENCH_REGISTRY.partition(":")
    with socket.socket() as asking:
        asking.settimeout(1.0)
        return registry_mirror or (BENCH_REGISTRY if asking.connect_ex((host, int(port))) == 0 else "")


def test_a_cancelled_shard_leaves_no_container(tmp_path: Path, engine: Engine, mirror: str) -> None:
    text = WITH_REDIS.format(name="hangs", act='pathlib.Path("hanging").touch(); time.sleep(120)')
    root = suite(tmp_path / "redis", text, REDIS.replace("MIRROR", mirror))

    with hanging("run-shard", "--shard", "1", root=root) as (child, lines):
        assert held_by(engine, run_id(root))
        os.kill(child.pid, signal.SIGINT)
        code = child.wait(30)

    assert code == 5, "\n".join(lines)
    assert held_by(engine, run_id(root)) == []
    assert [case.name for case in shard_of(root).running] == ["test_hangs"]


def test_a_service_that_dies_is_named_and_its_last_lines_stand_in_the_report(
    tmp_path: Path, engine: Engine, mirror: str
) -> None:
    text = WITH_REDIS.format(name="kills", act='call("SHUTDOWN", "NOSAVE"); time.sleep(0.5); call("PING")')
    root = suite(tmp_path / "dead", text, REDIS.replace("MIRROR", mirror) + '[[prepare]]\nrun = "echo ours"\n')

    code, output = ci_itest("run-shard", "--shard", "1", "--bundle", ".ci-itest/bundles/ci-itest-main-1-a1", root=root)
    ci_itest("merge", root=root)

    assert code == 1, output
    folder = BundleFolder(root / ".ci-itest" / "bundles" / "ci-itest-main-1-a1")
    shard = bundle(folder.path)
    assert "While the tests ran, prepare-1 exited with exit code 0" in shard.notes[0]
    assert "User requested shutdown" in shard.service_tails[0].text
    assert (folder.logs / "prepare-1.log").read_text() == "ours\n"
    assert "User requested shutdown" in (folder.service_logs / "prepare-1.log").read_text()
    page = (root / ".ci-itest" / "report" / "report.html").read_text()
    assert "Log of prepare-1" in page
    assert "User requested shutdown" in page
    assert held_by(engine, run_id(root)) == []


def _words(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _kill_group(pid: int) -> None:
    try:
        os.killpg(os.getpgid(pid), signal.SIGKILL)
    except ProcessLookupError:
        return
