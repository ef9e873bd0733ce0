"""A reporting service on loopback: in a thread of the test, or as the process that `ci-itest serve` is."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import uvicorn

from ci_itest.service.app import create_app
from ci_itest.service.oidc import FetchKeys, fetch_keys
from ci_itest.service.settings import ServiceSettings
from ci_itest.service.webhooks import Post, post_publicly

START_SECONDS = 60.0


@contextmanager
def serving(
    settings: ServiceSettings,
    *,
    clock: Callable[[], float] = time.time,
    fetch: FetchKeys = fetch_keys,
    post: Post = post_publicly,
    port: int = 0,
) -> Iterator[str]:
    """The service's address while it runs."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        app = create_app(settings, clock=clock, fetch=fetch, post=post)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            _await(lambda: server.started or not thread.is_alive())
            assert server.started, "the service did not start"
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _await(is_done: Callable[[], bool], *, within_seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + within_seconds
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.01)


@dataclass(frozen=True)
class Served:
    """A service that runs as a process.

    Attributes:
        key: The upload key that it printed, "" where it printed none.
        log: What it wrote so far.
    """

    url: str
    key: str
    log: Path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serve_process(
    folder: Path, *options: str, port: int = 0, within_seconds: float = START_SECONDS, **variables: str
) -> Iterator[Served]:
    """`ci-itest serve` in a folder, once it is ready; asked to end at the end, and then gone."""
    port = port or free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "serve.log"
    command = [sys.executable, "-I", "-m", "ci_itest", "serve", "--port", str(port), *options]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _await(lambda: _is_ready(url) or process.poll() is not None, within_seconds=within_seconds)
            assert process.poll() is None, log.read_text()
            key = re.search(r"citk_\S+", log.read_text())
            yield Served(url, key[0] if key else "", log)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def change_quarantine(url: str, repository: str, case_id: int, *, action: str = "add", **fields: str) -> None:
    """As a person does it: open the case's page, fill in its form, send it."""
    browser = requests.Session()
    page = browser.get(f"{url}/r/{repository}/cases/{case_id}", timeout=60)
    token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert token is not None, page.text[:2_000]
    form = {"case_id": str(case_id), "action": action, "token": token[1], "days": "14", **fields}
    answer = browser.post(f"{url}/r/{repository}/quarantine", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 303, answer.text[:2_000]
