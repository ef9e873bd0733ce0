"""A real engine, the images it can get, and what is left on it afterwards."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator

import pytest

from ci_itest.containers.engine import Engine

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
