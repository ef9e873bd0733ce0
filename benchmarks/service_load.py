"""What the service's benchmark sends: uploads of made-up runs, and the service as a process that can be killed."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.run import Conclusion
from ci_itest.model.upload import Upload, UploadedShard

REPOSITORY = "acme/shop"
AT = "2026-02-01T00:00:00+00:00"
_TOOL = Path(sys.executable).with_name("ci-itest")
_START_SECONDS = 120.0


def whole_run(number: int, *, cases: int, draw: random.Random) -> Upload:
    """A run of eight shards in which a case in two hundred failed and recovered."""
    rows = []
    for place in range(cases):
        fails = draw.random() < 0.005
        times = (draw.randrange(5_000), int(10 ** draw.uniform(3, 6)), draw.randrange(900))
        counts = (1, 3 if fails else 1, 2 if fails else 1, int(fails))
        rows.append((place % 100, f"TestArea{place % 7}::test_number_{place}", *counts, *times, place % 8 + 1))
    failures = tuple((place, 1, "assert 1 == 2", "E   assert 1 == 2\n" * 8) for place in _failed(rows))
    return Upload(
        run_id=str(number),
        commit=f"{number:040x}",
        started_at=f"2026-01-{1 + number // 24 % 28:02d}T{number % 24:02d}:00:00+00:00",
        branch="main",
        conclusion=Conclusion.SUCCESS,
        shards=tuple(UploadedShard("main", index, 8) for index in range(1, 9)),
        files=tuple(("main", f"tests/integration/test_{file:03d}.py") for file in range(100)),
        cases=tuple(rows),
        failures=failures,
    )


def _failed(rows: list[tuple[int, str, int, int, int, int, int, int, int, int]]) -> list[int]:
    return [place for place, row in enumerate(rows) if row[5]]


def one_shard(run: str, index: int, *, count: int, cases: int, draw: random.Random) -> Upload:
    """One shard of a large run, with cases of its own."""
    rows = tuple(
        (place % 20, f"test_{index}_{place}", 1, 1, 1, 0, draw.randrange(5_000), draw.randrange(10**6), 50, index)
        for place in range(cases)
    )
    return Upload(
        run_id=run,
        commit="c0ffee",
        started_at=AT,
        branch="main",
        shard_count=count,
        shards=(UploadedShard("main", index, count),),
        files=tuple(("main", f"tests/shard_{index}/test_{file}.py") for file in range(20)),
        cases=rows,
    )


def new_key(database: str) -> str:
    with SqlHistory.open(database) as history:
        store = ServiceStore(history)
        return store.make_key(store.make_tenant(REPOSITORY, at=AT), label="bench", at=AT)


@dataclass
class ServiceProcess:
    """`ci-itest serve` as a process.

    Attributes:
        ready_seconds: From its last start until it was ready.
    """

    database: str
    port: int
    workers: int = 1
    ready_seconds: float = 0.0

    def start(self) -> None:
        began = time.monotonic()
        command = [str(_TOOL), "serve", "--database-url", self.database, "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--workers", str(self.workers)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > _START_SECONDS:
                raise RuntimeError("the service did not start")
            time.sleep(0.02)
        self.ready_seconds = time.monotonic() - began

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9, workers and all."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def peak_mib(self) -> float:
        """Most memory that the process held."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def service(database: str, *, workers: int = 1) -> Iterator[ServiceProcess]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = ServiceProcess(database, port, workers)
    process.start()
    try:
        yield process
    finally:
        process.kill()
