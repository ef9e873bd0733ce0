"""The reporting service's image and its Compose file, built from this checkout and run on a real engine."""

from __future__ import annotations

import os
import re
import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from ci_itest.containers.compose import compose_program
from ci_itest.errors import ServiceError
from ci_itest.process import output_of
from ci_itest.waiting import wait_until
from tests.conftest import skip_or_fail
from tests.helpers import history
from tests.helpers.remote import remote
from tests.helpers.service import free_port

pytestmark = pytest.mark.docker

CHECKOUT = Path(__file__).parents[3]
IMAGE = "ci-itest/test-service"
BUILD_SECONDS = 900.0
"""Packages are downloaded when the image is built for the first time."""

# The bench's Python, which knows what certificates and package index this machine goes by.
BASE = """
FROM {image}
COPY certificates.pem /etc/ssl/certs/ca-certificates.crt
COPY pip.conf /etc/pip.conf
"""
OVERRIDES = """
services:
  ci-itest:
    image: {image}
    build:
      # Packages come the way that they come to this machine, whatever containers reach.
      network: host
      args: {{{arguments}}}
    ports: !override ["127.0.0.1:{port}:8420"]
  database:
    image: {database}
"""


def said_by(*command: str, within_seconds: float = 120.0, **variables: str) -> str:
    code, said = output_of(
        command, directory=CHECKOUT, environment={**os.environ, **variables}, within_seconds=within_seconds
    )
    assert code == 0, f"{' '.join(command)}\n{said[-4000:]}"
    return said


def docker(*arguments: str) -> str:
    return said_by("docker", *arguments)


@dataclass(frozen=True)
class Composed:
    """The Compose file of this checkout as a project of the test's own.

    Attributes:
        command: Compose with its files and the project's name.
        image: What it builds.
        url: Where the service is published.
    """

    command: tuple[str, ...]
    image: str
    url: str

    def __call__(self, *arguments: str) -> str:
        return said_by(
            *self.command,
            *arguments,
            within_seconds=BUILD_SECONDS,
            CI_ITEST_DATABASE_PASSWORD="not-a-secret",
            CI_ITEST_REPOSITORY=history.REPOSITORY,
        )


@pytest.fixture(scope="module")
def build_argument(mirror: str, on_mirror: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Which Python the image stands on; "" for the one that the Dockerfile names, where Docker Hub is reached."""
    if not mirror:
        return ""
    folder = tmp_path_factory.mktemp("base")
    certificates = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or ""
    (folder / "certificates.pem").write_bytes(Path(certificates).read_bytes() if certificates else b"")
    index = os.environ.get("PIP_INDEX_URL", "")
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt", *([f"index-url = {index}"] if index else [])]
    (folder / "pip.conf").write_text("\n".join(lines))
    (folder / "Dockerfile").write_text(BASE.format(image=f"{mirror}/library/{on_mirror('python:3')}"))
    docker("build", "--quiet", "--tag", f"{IMAGE}-base", str(folder))
    return f"PYTHON_IMAGE: {IMAGE}-base"


@pytest.fixture(scope="module")
def composed(
    build_argument: str, mirror: str, on_mirror: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Composed]:
    """The service's image, built, and the Compose project that runs it; both are gone afterwards."""
    try:
        program = compose_program(os.environ, engine=None)
    except ServiceError as error:
        skip_or_fail(error.message)
    database = f"{mirror}/library/{on_mirror('postgres:15')}" if mirror else "postgres:16-alpine"
    project, port = f"ci-itest-test-{uuid.uuid4().hex[:8]}", free_port()
    image = f"{IMAGE}:{project}"
    overrides = tmp_path_factory.mktemp("compose") / "overrides.yaml"
    overrides.write_text(OVERRIDES.format(image=image, arguments=build_argument, port=port, database=database))
    files = ("--file", str(CHECKOUT / "compose.yaml"), "--file", str(overrides))
    compose = Composed((*program, "--project-name", project, *files), image, f"http://127.0.0.1:{port}")
    try:
        compose("build")
        yield compose
    finally:
        compose("down", "--volumes")
        docker("rmi", "--force", image)


@pytest.fixture
def container(composed: Composed) -> Iterator[tuple[str, str]]:
    """The image alone, with a volume for its SQLite file: the container's id and its address."""
    port = free_port()
    options = ("--detach", "--read-only", "--tmpfs", "/tmp", "--volume", "/data")
    published = ("--publish", f"127.0.0.1:{port}:8420")
    started = docker("run", *options, *published, composed.image, "--repository", history.REPOSITORY).strip()
    try:
        yield started, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", "--volumes", started)


def await_health(container: str) -> None:
    """Until Docker's own health check is content."""

    def check() -> str:
        state = docker("inspect", "--format", "{{.State.Health.Status}} {{.State.ExitCode}}", container).strip()
        return "" if state == "healthy 0" else state

    wait_until(check, within_seconds=120, every_seconds=0.5)


def await_readiness(url: str) -> None:
    """Until the service answers, its database with it."""

    def check() -> str:
        try:
            answer = requests.get(f"{url}/readyz", timeout=10)
        except requests.RequestException as error:
            return str(error)
        return "" if answer.status_code == 200 else answer.text

    wait_until(check, within_seconds=120, every_seconds=0.2)


def send(url: str, key: str, folder: Path, run_id: str) -> bool:
    """Whether the service took a run of two cases."""
    with remote(url, key, folder) as store:
        made = history.run(run_id, history.result("test_total"), history.result("test_coupon"))
        return store.record(made, repository=history.REPOSITORY, recorded_at=history.RECORDED_AT)


def runs_shown(url: str) -> set[str]:
    answer = requests.get(f"{url}/r/{history.REPOSITORY}/runs", timeout=60)
    assert answer.status_code == 200, answer.text[:2000]
    return set(re.findall(r"/runs/1/(\d+)", answer.text))


def keys_in(log: str) -> list[str]:
    return re.findall(r"citk_\S+", log)


def test_the_image_runs_as_nobody_special_says_when_it_is_well_and_keeps_what_it_was_sent(
    container: tuple[str, str], tmp_path: Path
) -> None:
    started, url = container

    await_health(started)
    user = docker("exec", started, "id", "-u").strip()
    key = keys_in(docker("logs", started))[0]
    is_taken = send(url, key, tmp_path, "101")
    docker("restart", started)
    await_readiness(url)

    assert user == "10001"
    assert is_taken
    assert runs_shown(url) == {"101"}
    assert keys_in(docker("logs", started)) == [key]


def test_the_compose_file_brings_up_two_workers_on_a_postgresql_that_keeps_what_it_was_sent(
    composed: Composed, tmp_path: Path
) -> None:
    composed("up", "--detach", "--wait")
    (key,) = keys_in(composed("logs", "ci-itest"))
    is_taken = send(composed.url, key, tmp_path, "102")
    listed = composed("exec", "--no-TTY", "ci-itest", "ci-itest", "history", "keys", "list", history.REPOSITORY)
    composed("down")
    composed("up", "--detach")
    await_readiness(composed.url)

    assert is_taken
    assert runs_shown(composed.url) == {"102"}
    assert "first key" in listed
