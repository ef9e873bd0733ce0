"""One PostgreSQL for all tests of the fixtures, and suites that are attached to it."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import running
from tests.helpers.containers import Events, no_mask, specs

BENCH_REGISTRY = "127.0.0.1:5599"


@pytest.fixture(scope="session")
def mirror(docker_engine: None, registry_mirror: str) -> str:
    """The mirror of Docker Hub: the named one, else the bench's where it runs, else none."""
    if registry_mirror:
        return registry_mirror
    host, _, port = BENCH_REGISTRY.partition(":")
    with socket.socket() as asking:
        asking.settimeout(1.0)
        return BENCH_REGISTRY if asking.connect_ex((host, int(port))) == 0 else ""


def running_url(image: str, *, mirror: str, folder: Path) -> Iterator[str]:
    """The address of a service while the generator is held."""
    engine = Engine.connect(os.environ)
    owner = Owner.of_this_process(run=f"test-{uuid.uuid4().hex[:12]}", shard="fixtures")
    with running(
        specs(service=image),
        engine=engine,
        owner=owner,
        mirror=mirror,
        log_directory=folder,
        report=Events(),
        mask=no_mask,
    ) as services:
        yield services.endpoints["service"].url
    engine.close()


@pytest.fixture(scope="session")
def postgres_url(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from running_url("postgres:15", mirror=mirror, folder=tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="session")
def mariadb_url(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from running_url("mariadb:10.11", mirror=mirror, folder=tmp_path_factory.mktemp("mariadb"))
