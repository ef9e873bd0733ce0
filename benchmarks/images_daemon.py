"""A Docker engine of its own for the images' benchmark: its own folder and socket, ended by its process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci_itest.containers.engine import Engine
from ci_itest.errors import EngineError

START_SECONDS = 60.0
BRIDGE = "ci-itest-bench"  # at most 15 letters


@contextmanager
def own_engine() -> Iterator[Engine]:
    """An engine without images, containers or network; nothing of it stays."""
    folder = Path(tempfile.mkdtemp(prefix="images-engine-"))
    address = f"unix://{folder}/docker.sock"
    configuration = folder / "daemon.json"
    configuration.write_text("{}")
    command = ["dockerd", "--config-file", str(configuration), "--host", address, "--data-root", str(folder / "data")]
    command += ["--exec-root", str(folder / "run"), "--pidfile", str(folder / "pid"), "--bridge", BRIDGE]
    command += ["--iptables=false", "--ip-masq=false", "--log-level", "error"]
    with _bridge(), (folder / "log").open("w") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            engine = _awaited(address, folder / "log")
            yield engine
            engine.close()
        finally:
            daemon.terminate()
            daemon.wait(60)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _bridge() -> Iterator[None]:
    """A bridge of its own: an engine without one takes docker0 away, which is the machine's engine's."""
    subprocess.run(["ip", "link", "add", BRIDGE, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "10.213.77.1/24", "dev", BRIDGE], check=True)
        subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", BRIDGE], check=False)


def _awaited(address: str, log: Path) -> Engine:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return Engine.connect({**os.environ, "DOCKER_HOST": address})
        except EngineError:
            if time.monotonic() > deadline:
                raise SystemExit(f"The second engine does not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)


def forget(engine: Engine, *names: str) -> None:
    """Take images off the engine, with every name they have; all of them without names."""
    api = engine._api
    for image in api.images():
        held = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
        if not names or any(name in names for name in held):
            api.remove_image(image["Id"], force=True)
