"""A PostgreSQL server of the tests' own: on loopback, in a folder that goes with it."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from ci_itest.waiting import wait_until

START_SECONDS = 60.0
UNSAFE = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
"""For data that is thrown away."""


def programs() -> Path | None:
    """The folder of initdb and postgres; None where there is no server to be had."""
    if path := shutil.which("initdb"):
        return Path(path).resolve().parent
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))  # noqa: PTH207 - a pattern from the root
    return Path(found[-1]).parent if found else None


@contextmanager
def server(bin_folder: Path, *, options: Sequence[str] = UNSAFE, data: Path | None = None) -> Iterator[str]:
    """URL of a server's own database while it runs.

    Args:
        data: Folder that a server which has ended left: this one starts with a copy of it.
    """
    # Root may not be the server; its folder must then be where another user gets to.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="ci-itest-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        own = folder / "data"
        made = [
            "initdb",
            "--auth=trust",
            "--username=ci",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
            str(own),
        ]
        if data is None:
            _run(bin_folder, made, user=user, cwd=folder)
        else:
            subprocess.run(["cp", "--archive", str(data), str(own)], check=True)
        port = _free_port()
        command = [
            str(bin_folder / "postgres"),
            *("-D", str(own), "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
            *("-c", f"unix_socket_directories={folder}", "-c", "max_connections=60", *options),
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
        try:
            url = f"postgresql://ci@127.0.0.1:{port}/postgres"
            wait_until(lambda: _refusal(url), within_seconds=START_SECONDS)
            yield url
        finally:
            process.send_signal(2)  # SIGINT: end connections and stop
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """URL of a new, empty database."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield server_url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _run(bin_folder: Path, command: Sequence[str], *, user: str | None, cwd: Path) -> None:
    subprocess.run([str(bin_folder / command[0]), *command[1:]], check=True, user=user, cwd=cwd, capture_output=True)


def _refusal(url: str) -> str:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
