"""A real engine, the images it can get, and what is left on it afterwards."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.process import output_of
from tests.conftest import skip_or_fail

BENCH_REGISTRY = "127.0.0.1:5599"


@pytest.fixture(scope="session")
def engine(docker_engine: None) -> Iterator[Engine]:
    """The engine of this machine."""
    connected = Engine.connect(os.environ)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def mirror(registry_mirror: str) -> str:
    """The mirror of Docker Hub: the named one, else the bench's where it runs, else none."""
    if registry_mirror:
        return registry_mirror
    host, _, port = BENCH_REGISTRY.partition(":")
    with socket.socket() as asking:
        asking.settimeout(1.0)
        return BENCH_REGISTRY if asking.connect_ex((host, int(port))) == 0 else ""


@pytest.fixture
def run_name() -> str:
    """A run of this test's own, so that what it leaves can be told from what others hold."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def on_mirror(mirror: str) -> Callable[[str], str]:
    """Makes sure that the bench's registry, where it is the mirror, has an image of its catalogue; gives its name.

    Most of the catalogue is built when it is first asked for (a minute for the largest), while other workers test.
    """
    environment = dict(os.environ)

    def made(image: str) -> str:
        name = image.partition(":")[0]
        if mirror == BENCH_REGISTRY:
            command = [sys.executable, "-m", "tests.bench", "images", name]
            repository = Path(__file__).parents[3]
            code, said = output_of(command, directory=repository, environment=environment, within_seconds=900)
            if code:
                skip_or_fail(f"The bench cannot make the image {image}: {said[-2000:]}")
        return image

    return made
