from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from ci_itest.containers.address import engine_address
from ci_itest.containers.engine import Engine
from ci_itest.errors import EngineError, ExitCode
from ci_itest.process import output_of


def refused(**environment: str) -> EngineError:
    with pytest.raises(EngineError) as refusal:
        Engine.connect(environment)
    return refusal.value


def test_a_socket_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    error = refused(DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    where = f"unix://{tmp_path}/none.sock (from DOCKER_HOST)"
    assert error.message == f"No Docker engine answers at {where}: there is no such socket."
    assert "Start Docker" in error.hint
    assert error.exit_code == ExitCode.SERVICES


def test_a_socket_nobody_listens_on_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))

        assert "nothing listens there" in refused(DOCKER_HOST=f"unix://{path}").message


def test_an_address_that_is_none_is_refused() -> None:
    assert "bogus (from DOCKER_HOST)" in refused(DOCKER_HOST="bogus").message


def test_something_that_is_no_engine_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        listening.close()

        assert f"tcp://127.0.0.1:{port}" in refused(DOCKER_HOST=f"tcp://127.0.0.1:{port}").message


def test_without_docker_host_the_usual_socket_is_tried() -> None:
    assert engine_address({}) == "unix:///var/run/docker.sock"
    assert engine_address({"DOCKER_HOST": "tcp://engine:2375"}) == "tcp://engine:2375"


def test_importing_the_door_does_not_import_the_library() -> None:
    program = "import sys, ci_itest.containers.services; print('docker' in sys.modules, 'requests' in sys.modules)"

    code, output = output_of([sys.executable, "-c", program], directory=Path.cwd(), environment={})

    assert (code, output) == (0, "False False")
