"""An engine that stops while a shard uses it: a second one of the test's own, never the machine's."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_itest import process
from ci_itest.containers.engine import Engine
from ci_itest.containers.images import ensure_image
from ci_itest.flows.bundles import BundleFolder, read_bundle
from ci_itest.model.run import ShardResult, StopReason
from ci_itest.runners.pytest import PytestRunner
from ci_itest.waiting import wait_until
from tests.conftest import skip_or_fail
from tests.helpers.suites import ci_itest, ci_itest_command, suite_environment, write_files

pytestmark = pytest.mark.docker

BRIDGE = f"ci{os.getpid()}lost"

SETTINGS = """
shards = 1
workers = 1
retries = 0
[services.cache]
image = "redis:7"
{more}
[environment]
REDIS = "{{cache.address}}"
"""

ASKS_UNTIL_IT_IS_GONE = """
    import os, pathlib, socket, time

    def test_answers():
        host, port = os.environ["REDIS"].split(":")
        pathlib.Path("running").touch()
        for _ in range(600):
            socket.create_connection((host, int(port)), timeout=5).close()
            time.sleep(0.1)
"""


@dataclass
class SecondEngine:
    """A daemon of our own with the image `redis:7`."""

    child: process.Child
    host: str

    def stop(self) -> None:
        """End it as a machine's shutdown would, its containers with it."""
        os.kill(self.child.pid, signal.SIGTERM)
        self.child.wait(60)


@pytest.fixture
def second_engine(docker_engine: None, registry_mirror: str, tmp_path: Path) -> Iterator[SecondEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None or shutil.which("ip") is None:
        skip_or_fail("A second engine takes root, dockerd and ip")
    # Not below tmp_path: with a worker's name in it, the paths of the engine's sockets are too long for the system.
    with tempfile.TemporaryDirectory(prefix="engine-") as folder, started_engine(Path(folder)) as second:
        first, archive = Engine.connect(os.environ), tmp_path / "redis.tar"
        ensure_image("redis:7", engine=first, mirror=registry_mirror, note=lambda _words: None)
        first.close()
        for arguments in (
            ["save", "--output", str(archive), "redis:7"],
            ["-H", second.host, "load", "-i", str(archive)],
        ):
            code, output = process.output_of(["docker", *arguments], directory=tmp_path, environment=os.environ)
            assert code == 0, output
        yield second


@contextmanager
def started_engine(folder: Path) -> Iterator[SecondEngine]:
    """It touches neither firewall nor bridge of the machine, and has addresses apart from the first one's."""
    host, lines = f"unix://{folder}/sock", list[str]()
    # A bridge of its own: told to have none, a daemon deletes docker0, which is the first one's.
    apart = ("--iptables=false", "--ip6tables=false", "--bridge", BRIDGE)
    places = ("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid")
    pool = ("--default-address-pool", "base=10.213.0.0/16,size=24")
    command = ["dockerd", "--host", host, *places, *apart, *pool]
    with (
        bridge(),
        process.started(command, directory=folder, environment=os.environ, line=lines.append) as child,
    ):
        wait_until(lambda: _answer(host), within_seconds=60)
        yield SecondEngine(child, host)


@contextmanager
def bridge() -> Iterator[None]:
    before = sorted(path.name for path in Path("/sys/class/net").glob("docker*"))
    ip("link", "add", "name", BRIDGE, "type", "bridge")
    try:
        ip("address", "add", "10.214.0.1/24", "dev", BRIDGE)
        yield
    finally:
        ip("link", "delete", BRIDGE)
    assert sorted(path.name for path in Path("/sys/class/net").glob("docker*")) == before


def ip(*arguments: str) -> None:
    code, output = process.output_of(["ip", *arguments], directory=Path("/"), environment=os.environ)
    assert code == 0, output


def _answer(host: str) -> str:
    code, output = process.output_of(["docker", "-H", host, "version"], directory=Path("/"), environment=os.environ)
    return "" if code == 0 else output


def planned(root: Path, more: str = "") -> Path:
    write_files(root, {"ci-itest.toml": SETTINGS.format(more=more), "tests/test_it.py": ASKS_UNTIL_IT_IS_GONE})
    code, output = ci_itest("plan", "--run-id", f"lost-{os.getpid()}", root=root)
    assert code == 0, output
    return root


def shard_of(root: Path) -> ShardResult:
    folder = BundleFolder(root / ".ci-itest" / "ci-itest-main-1-a1")
    return read_bundle(folder, runner_of=lambda _suite: PytestRunner())


@contextmanager
def shard(root: Path, engine: SecondEngine) -> Iterator[tuple[process.Child, list[str]]]:
    lines: list[str] = []
    with process.started(
        ci_itest_command("run-shard", "--shard", "1"),
        directory=root,
        environment=suite_environment(DOCKER_HOST=engine.host),
        line=lines.append,
    ) as child:
        yield child, lines


def test_an_engine_that_stops_during_the_tests_is_the_reason_of_the_red_shard(
    second_engine: SecondEngine, tmp_path: Path
) -> None:
    root = planned(tmp_path / "suite")

    with shard(root, second_engine) as (child, lines):
        wait_until(lambda: "" if (root / "running").exists() else f"not yet: {lines}", within_seconds=90)
        second_engine.stop()
        code = child.wait(90)

    result = shard_of(root)
    assert code == 3, "\n".join(lines)
    assert result.stop_reason is StopReason.SERVICES
    assert result.message.startswith("The Docker engine was lost while the tests ran: cache was lost: ")


def test_an_engine_that_stops_while_a_service_starts_is_named_with_the_service(
    second_engine: SecondEngine, tmp_path: Path
) -> None:
    root = planned(tmp_path / "suite", 'ready = { log = "never" }')

    with shard(root, second_engine) as (child, lines):
        engine = Engine.connect({"DOCKER_HOST": second_engine.host})
        label = (f"ci-itest.run=lost-{os.getpid()}",)
        wait_until(lambda: "" if engine.containers(label) else f"not yet: {lines}", within_seconds=90)
        engine.close()
        second_engine.stop()
        code = child.wait(90)

    result = shard_of(root)
    assert code == 3, "\n".join(lines)
    assert result.stop_reason is StopReason.SERVICES
    assert "Service cache (redis:7)" in result.message
