"""The door to Docker, against the real engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.engine import ContainerRequest, Engine
from ci_itest.containers.images import ensure_image
from ci_itest.containers.owner import Owner
from ci_itest.containers.service_logs import write_log
from ci_itest.errors import EngineError
from ci_itest.waiting import wait_until
from tests.helpers.containers import no_mask

pytestmark = pytest.mark.docker


@pytest.fixture
def request_to_run(engine: Engine, mirror: str, run_name: str) -> Iterator[ContainerRequest]:
    """A Redis on a network of its own; all of it is removed after the test."""
    labels = Owner.of_this_process(run=run_name, shard="main-1").labels()
    network = engine.create_network(run_name, labels=labels)
    image = ensure_image("redis:7", engine=engine, mirror=mirror, note=lambda _words: None)
    yield ContainerRequest(run_name, image, labels, network, "cache", ports={6379: 0})
    for held in engine.containers((f"ci-itest.run={run_name}",)):
        engine.remove_container(held.id)
    engine.remove_network(network)


def test_an_engine_tells_its_version_and_platform(engine: Engine) -> None:
    info = engine.info()

    assert info.system == "linux"
    assert info.version
    assert info.architecture in ("amd64", "arm64")


def test_an_image_that_is_not_there_is_none(engine: Engine) -> None:
    assert engine.image("ci-itest/no-such-image:1") is None


def test_an_image_that_was_never_at_a_registry_has_no_digest(engine: Engine, request_to_run: ContainerRequest) -> None:
    image = engine.image(request_to_run.image)

    assert image is not None
    assert image.id.startswith("sha256:")
    assert image.digest == "" or image.digest.startswith("sha256:")


def test_ports_are_published_on_loopback_where_the_kernel_likes(
    engine: Engine, request_to_run: ContainerRequest
) -> None:
    state = engine.state(engine.run_container(request_to_run))

    assert state.is_running
    assert state.ports[6379] > 1024


def test_a_port_that_is_taken_leaves_no_container(
    engine: Engine, request_to_run: ContainerRequest, run_name: str
) -> None:
    taken = engine.state(engine.run_container(request_to_run)).ports[6379]
    second = ContainerRequest(
        f"{run_name}-2",
        request_to_run.image,
        request_to_run.labels,
        request_to_run.network,
        "other",
        ports={6379: taken},
    )

    with pytest.raises(EngineError, match=r"already (allocated|in use)"):
        engine.run_container(second)

    assert len(engine.containers((f"ci-itest.run={run_name}",))) == 1


def test_a_command_inside_a_container_gives_exit_code_and_output(
    engine: Engine, request_to_run: ContainerRequest
) -> None:
    ended = engine.exec(engine.run_container(request_to_run), ["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert ended.exit_code == 3
    assert sorted(ended.output.split()) == ["err", "out"]


def test_a_log_can_be_followed_into_a_file_until_the_container_ends(
    engine: Engine, request_to_run: ContainerRequest, tmp_path: Path
) -> None:
    container = engine.run_container(request_to_run)
    path = tmp_path / "cache.log"
    lines = engine.log_lines(container, follow=True, timestamps=True)
    follower = threading.Thread(target=lambda: write_log(lines, path, mask=no_mask))
    follower.start()

    wait_until(
        lambda: "" if path.exists() and "Ready to accept" in path.read_text() else "not written yet", within_seconds=10
    )
    engine.remove_container(container)
    follower.join(5)

    assert not follower.is_alive()


def test_a_followed_log_can_be_left(engine: Engine, request_to_run: ContainerRequest) -> None:
    lines = engine.log_lines(engine.run_container(request_to_run), follow=True)

    assert next(iter(lines))
    lines.close()  # type: ignore[attr-defined]


def test_removing_what_is_gone_is_fine(engine: Engine, request_to_run: ContainerRequest) -> None:
    container = engine.run_container(request_to_run)

    engine.remove_container(container)
    engine.remove_container(container)
    engine.remove_network("no-such-network")
    engine.remove_volume("no-such-volume")


def test_looking_at_what_is_gone_is_an_error_of_ours(engine: Engine) -> None:
    with pytest.raises(EngineError, match="No such container"):
        engine.state("no-such-container")
    with pytest.raises(EngineError, match="No such container"):
        list(engine.log_lines("no-such-container"))
