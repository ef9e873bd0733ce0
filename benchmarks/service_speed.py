"""How much the service takes in: results in a row, and the shards of a large run that come at once."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import requests

from benchmarks import machine
from benchmarks.service_load import AT, REPOSITORY, ServiceProcess, new_key, one_shard, service, whole_run
from benchmarks.table import Row
from ci_itest.history.ingest import Sent, Taken
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.upload import Upload
from ci_itest.service.writer import Writer
from ci_itest.wire import decode_upload, encode_upload

_IN_FLIGHT = 24
_INGEST_TARGETS = {"SQLite": 70_000, "PostgreSQL": 50_000}
BURST_SECONDS = 30.0
BURST_SHARDS = 256


def put(url: str, key: str, upload: Upload, *, part: str = "", body: bytes | None = None) -> requests.Response:
    return requests.put(
        f"{url}/api/v1/runs/{upload.run_id}/attempts/{upload.run_attempt}",
        params={"shard": part} if part else None,
        data=body if body is not None else gzip.compress(encode_upload(upload), 1),
        headers={"Authorization": f"Bearer {key}", "Content-Encoding": "gzip"},
        timeout=120,
    )


def ingest_row(name: str, address: str, *, runs: int) -> Row:
    """Documents of 5,000 results decoded, kept durably and rolled up by the service's own writer."""
    draw = random.Random(1)
    documents = [encode_upload(whole_run(number, cases=5_000, draw=draw)) for number in range(runs)]
    with machine.ahead():
        wall, cpu, of_database = _ingested(address, documents)
    count, target = 5_000 * runs, _INGEST_TARGETS[name]
    each = count / (cpu + of_database)
    value = f"{count / wall:,.0f} rows/s; {each:,.0f} a second of CPU ({cpu:.1f} s + {of_database:.1f} s the database)"
    is_met = max(count / wall, each) >= target
    return Row(f"ingest of results with roll-ups, {name}", value, f"≥ {target:,} rows/s", is_met)


def _ingested(address: str, documents: Sequence[bytes]) -> tuple[float, float, float]:
    """Seconds, of CPU of this process, and of the database's."""
    with SqlHistory.open(address, is_durable=True) as history:
        store = ServiceStore(history)
        tenant = store.make_tenant(REPOSITORY, at=AT)
        writer = Writer(store, thread_count=history.most_writers)
        writer.start()
        of_database = _database_seconds(address)
        wall, cpu = time.perf_counter(), time.process_time()
        futures: list[Future[Taken]] = []
        for place, document in enumerate(documents):
            if place >= _IN_FLIGHT:
                futures[place - _IN_FLIGHT].result()
            sent = Sent(decode_upload(document), "", hashlib.sha256(document).digest(), AT)
            futures.append(writer.put(tenant, sent))
        assert all(future.result() is Taken.NEW for future in futures)
        taken = time.perf_counter() - wall, time.process_time() - cpu, _database_seconds(address) - of_database
        writer.stop()
        return taken


def _database_seconds(address: str) -> float:
    return machine.cpu_seconds(machine.postmaster(address)) if "://" in address else 0.0


def burst_row(name: str, address: str, *, shards: int = BURST_SHARDS) -> Row:
    """Shards of 2,000 cases, all new to the history, that arrive evenly within 30 s (or as long as there are any)."""
    draw = random.Random(2)
    made = [one_shard("9", index, count=shards, cases=2_000, draw=draw) for index in range(1, shards + 1)]
    bodies = [gzip.compress(encode_upload(upload), 1) for upload in made]
    key = new_key(address)
    with machine.ahead(), service(address) as process:
        of_database = _database_seconds(address)
        answers = _sent(process, key, made, bodies)
        of_database = _database_seconds(address) - of_database
        peak, cpu = process.peak_mib(), process.cpu_seconds()
    seconds = sorted(taken for taken, _ in answers)
    p95, errors = seconds[int(len(seconds) * 0.95)], sum(status != 201 for _, status in answers)
    value = (
        f"p95 {p95:.2f} s (half {seconds[len(seconds) // 2]:.2f} s), {errors} errors, {peak:.0f} MiB; CPU {cpu:.0f} s "
        f"+ {of_database:.0f} s the database, load {os.getloadavg()[0]:.0f}"
    )
    is_met = p95 <= 1 and not errors and peak <= 300
    figure = f"{shards} shards of 2,000 cases within {BURST_SECONDS * shards / BURST_SHARDS:.0f} s, {name}"
    return Row(figure, value, "p95 ≤ 1 s, 0 errors, ≤ 300 MiB", is_met)


def _sent(
    process: ServiceProcess, key: str, made: Sequence[Upload], bodies: Sequence[bytes]
) -> list[tuple[float, int]]:
    """Seconds and status of each, sent when it is due by the next of 32 senders that is free."""
    began = time.monotonic()

    def send(place: int) -> tuple[float, int]:
        time.sleep(max(0.0, began + place * BURST_SECONDS / BURST_SHARDS - time.monotonic()))
        started = time.monotonic()
        answer = put(process.url, key, made[place], part=f"main/{place + 1}", body=bodies[place])
        return time.monotonic() - started, answer.status_code

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(send, range(len(made))))
