"""The reporting service: speed, size, what it survives, and whom it tells what.

`make bench NAME=service` (all), `… ARGUMENTS="--quick"` (a tenth and less of each), `… ARGUMENTS="ingest burst"` (only
what is named: ingest burst pages kills same faults migration schema tenants).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks import service_pages
from benchmarks.service_load import AT, REPOSITORY, new_key, one_shard, service, whole_run
from benchmarks.table import Row, show
from ci_itest.history.retention import Retention
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.upload import Upload
from ci_itest.wire import decode_upload, encode_upload
from tests.helpers import old_histories, postgres
from tests.helpers.remote import remote

ROOT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each is done."""

    ingest_runs: int
    page_runs: int
    kills: int
    uploads: int
    migrated_runs: int
    migration_kills: int
    examples: int


FULL = Sizes(200, 2_000, 200, 1_000, 200, 20, 100)
QUICK = Sizes(40, 200, 20, 100, 20, 4, 10)


@contextmanager
def databases(folder: Path, name: str) -> Iterator[list[tuple[str, str]]]:
    """Name and address of a new SQLite file, and of a new PostgreSQL database that syncs as a real one does."""
    programs = postgres.programs()
    with_sqlite = [("SQLite", str(folder / f"{name}.sqlite"))]
    if programs is None:
        yield with_sqlite
        return
    with postgres.server(programs, options=("-c", "shared_buffers=256MB")) as url, postgres.database(url) as database:
        yield [*with_sqlite, ("PostgreSQL", database)]


def put(url: str, key: str, upload: Upload, *, part: str = "", body: bytes | None = None) -> requests.Response:
    return requests.put(
        f"{url}/api/v1/runs/{upload.run_id}/attempts/{upload.run_attempt}",
        params={"shard": part} if part else None,
        data=body if body is not None else gzip.compress(encode_upload(upload), 1),
        headers={"Authorization": f"Bearer {key}", "Content-Encoding": "gzip"},
        timeout=120,
    )


def ingest_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Documents of 5,000 results decoded, kept and rolled up, one after another; CPU time is told beside."""
    rows = []
    targets = {"SQLite": 70_000, "PostgreSQL": 50_000}
    draw = random.Random(1)
    documents = [encode_upload(whole_run(number, cases=5_000, draw=draw)) for number in range(sizes.ingest_runs)]
    with databases(folder, "ingest") as found:
        for name, address in found:
            wall, cpu = _ingested(address, documents)
            count = 5_000 * len(documents)
            value = f"{count / wall:,.0f} rows/s, {count / cpu:,.0f} a second of CPU"
            rows.append(
                Row(f"ingest with roll-ups, {name}", value, f"≥ {targets[name]:,} rows/s", count / cpu >= targets[name])
            )
    return rows


def _ingested(address: str, documents: Sequence[bytes]) -> tuple[float, float]:
    with SqlHistory.open(address, is_durable=True) as history:
        store = ServiceStore(history)
        tenant = store.make_tenant(REPOSITORY, at=AT)
        wall, cpu = time.perf_counter(), time.process_time()
        for document in documents:
            store.take(tenant, decode_upload(document), part="", digest=hashlib.sha256(document).digest(), at=AT)
        return time.perf_counter() - wall, time.process_time() - cpu


def burst_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """256 shards of 2,000 cases that arrive evenly within 30 s, from 16 senders."""
    shards = 256 if sizes is FULL else 64
    draw = random.Random(2)
    made = [one_shard("9", index, count=shards, cases=2_000, draw=draw) for index in range(1, shards + 1)]
    bodies = [gzip.compress(encode_upload(upload), 1) for upload in made]
    rows = []
    with databases(folder, "burst") as found:
        for name, address in found:
            key = new_key(address)
            with service(address) as process:
                began = time.monotonic()

                def send(place: int, process=process, key=key, began=began) -> tuple[float, int]:  # type: ignore[no-untyped-def]
                    time.sleep(max(0.0, began + place * 30 / 256 - time.monotonic()))
                    started = time.monotonic()
                    answer = put(process.url, key, made[place], part=f"main/{place + 1}", body=bodies[place])
                    return time.monotonic() - started, answer.status_code

                with ThreadPoolExecutor(16) as pool:
                    answers = list(pool.map(send, range(shards)))
                peak, cpu = process.peak_mib(), process.cpu_seconds()
            seconds = sorted(taken for taken, _ in answers)
            p95, errors = seconds[int(len(seconds) * 0.95)], sum(status != 201 for _, status in answers)
            value = f"p95 {p95:.2f} s, {errors} errors, {peak:.0f} MiB, {cpu:.0f} s of CPU"
            is_met = p95 <= 1 and not errors and peak <= 300
            rows.append(Row(f"{shards} shards of 2,000 cases, {name}", value, "p95 ≤ 1 s, 0 errors, ≤ 300 MiB", is_met))
    return rows


def page_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Pages, size and archive of a history of 5,000 cases."""
    rows = []
    bounds = {"SQLite": 300e6, "PostgreSQL": 1.3e9}
    with databases(folder, "pages") as found:
        for name, address in found:
            with SqlHistory.open(address) as history:
                service_pages.fill(history, runs=sizes.page_runs)
            rows += service_pages.page_rows(address, name=name)
            size = _size_bytes(address) * 2_000 / sizes.page_runs
            shown = f"{size / 1e6:,.0f} MB" + ("" if sizes.page_runs == 2_000 else " (reckoned up)")
            limit = bounds[name]
            rows.append(Row(f"size at 10 million results, {name}", shown, f"≤ {limit / 1e6:,.0f} MB", size <= limit))
            if name == "SQLite":
                rows.append(_archive_row(address))
    return rows


def _size_bytes(address: str) -> float:
    if "://" not in address:
        return Path(address).stat().st_size
    with SqlHistory.open(address) as history, history.reading() as connection:
        return float(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def _archive_row(address: str) -> Row:
    with SqlHistory.open(address) as history:
        history.forget(Retention(results=60, texts=30, rollups=400), now=time.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
        with history.reading() as connection:
            found = connection.exec_driver_sql("SELECT sum(length(data)), sum(case_count) FROM archive").one()
    each = found[0] / found[1]
    return Row("archive", f"{each:.2f} bytes a result", "≤ 1.5 bytes", each <= 1.5)


def kill_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """The service killed again and again while four senders send; what was acknowledged must be there, whole."""
    rows = []
    with databases(folder, "kills") as found:
        for name, address in found:
            key = new_key(address)
            acknowledged, ready = _killed(address, key, kills=sizes.kills)
            lost, halves = _lost_and_halves(address, acknowledged)
            slowest = sorted(ready)[int(len(ready) * 0.95)]
            value = f"{len(acknowledged)} acknowledged, {lost} lost, {halves} halves, ready p95 {slowest:.1f} s"
            is_met = not lost and not halves and slowest <= 2
            rows.append(
                Row(f"kill -9 under load × {sizes.kills}, {name}", value, "0 lost, 0 halves, ready ≤ 2 s", is_met)
            )
    return rows


def _killed(address: str, key: str, *, kills: int) -> tuple[set[str], list[float]]:
    acknowledged: set[str] = set()
    numbers = iter(range(10**9))
    ends = threading.Event()
    ready: list[float] = []
    with service(address) as process:

        def send() -> None:
            draw = random.Random(threading.get_ident())
            while not ends.is_set():
                upload = whole_run(next(numbers), cases=200, draw=draw)
                try:
                    if put(process.url, key, upload).status_code == 201:
                        acknowledged.add(upload.run_id)
                except requests.RequestException:
                    time.sleep(0.02)

        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        draw = random.Random(3)
        for _ in range(kills):
            time.sleep(draw.uniform(0.05, 0.5))
            process.kill()
            process.start()
            ready.append(process.ready_seconds)
        ends.set()
        for sender in senders:
            sender.join()
    return acknowledged, ready


def _lost_and_halves(address: str, acknowledged: set[str]) -> tuple[int, int]:
    with SqlHistory.open(address) as history, history.reading() as connection:
        there = {str(row[0]) for row in connection.exec_driver_sql("SELECT ci_run_id FROM runs")}
        halves = connection.exec_driver_sql(
            "SELECT count(*) FROM runs WHERE (SELECT count(*) FROM results WHERE results.run_id = runs.id) <> 200"
        ).scalar_one()
    return len(acknowledged - there), int(halves)


def same_rows(_sizes: Sizes, folder: Path) -> list[Row]:
    """One upload ten times, twenty at once, and again after its answer was lost."""
    rows = []
    with databases(folder, "same") as found:
        for name, address in found:
            key = new_key(address)
            upload = whole_run(1, cases=500, draw=random.Random(4))
            statuses = _sent_again_and_again(address, key, upload)
            with SqlHistory.open(address) as history, history.reading() as connection:
                count = connection.exec_driver_sql("SELECT count(*) FROM results").scalar_one()
            is_met = statuses.count(201) == 1 and set(statuses) == {200, 201} and count == 500
            rows.append(
                Row(f"the same upload × {len(statuses)}, {name}", f"{count} rows of 500", "one set of rows", is_met)
            )
    return rows


def _sent_again_and_again(address: str, key: str, upload: Upload) -> list[int]:
    with service(address) as process, ThreadPoolExecutor(20) as pool:

        def send(_: int = 0) -> int:
            return put(process.url, key, upload).status_code

        statuses = [*pool.map(send, range(20)), *(send() for _ in range(10))]
        process.kill()  # whoever sent it last cannot know
        process.start()
        return [*statuses, send()]


def fault_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """A fifth of the requests fails before or after it is done; what failed is kept and sent again."""
    from tests.helpers.history import result, run
    from tests.integration.history.test_remote import failing_now_and_then

    address = str(folder / "faults.sqlite")
    key = new_key(address)
    with service(address) as process:
        with failing_now_and_then(process.url, random.Random(6)) as url:
            for number in range(sizes.uploads):
                with remote(url, key, folder) as store:
                    _try(
                        lambda store=store, number=number: store.record(  # type: ignore[misc]
                            run(str(number), result("test_adds")), repository=REPOSITORY, recorded_at=AT
                        )
                    )
        with remote(process.url, key, folder) as store:
            store.send_unsent()
    with SqlHistory.open(address) as history:
        kept = len(history.runs(10 * sizes.uploads, repository=REPOSITORY))
    lost = sizes.uploads - kept
    return [Row("20 % of requests fail", f"{lost} of {sizes.uploads:,} uploads lost", "0 lost", lost == 0)]


def _try(action: Callable[[], object]) -> None:
    from ci_itest.errors import HistoryError

    try:
        action()
    except HistoryError:
        return


def migration_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Databases of every earlier shape with 5,000 cases, migrated; and a process killed while it migrates."""
    slowest, failed = 0.0, 0
    count = sizes.migrated_runs * 5_000
    for shape in old_histories.SHAPES:
        path = folder / f"{shape}.sqlite"
        _old(path, shape, runs=sizes.migrated_runs)
        began = time.process_time()
        SqlHistory.open(path).close()
        slowest = max(slowest, time.process_time() - began)
        failed += _results_in(path) != count
        path.unlink()
    broken = sum(_killed_migration(folder, number, runs=sizes.migrated_runs) for number in range(sizes.migration_kills))
    figure = f"migration of {count:,} rows from {len(old_histories.SHAPES)} shapes, SQLite"
    killed = f"{broken} of {sizes.migration_kills} kills did harm"
    is_met = slowest <= 60 and not failed and not broken
    return [Row(figure, f"{slowest:.1f} s of CPU, {failed} failed; {killed}", "≤ 60 s, 0 failures", is_met)]


def _old(path: Path, shape: str, *, runs: int) -> None:
    engine = old_histories.sqlite_engine(path)
    old_histories.make(engine, shape, runs=runs, cases=5_000)
    engine.dispose()


def _results_in(path: Path) -> int:
    with SqlHistory.open(path) as history, history.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM results").scalar_one())


def _killed_migration(folder: Path, number: int, *, runs: int) -> bool:
    """Whether a migration that was killed lost something."""
    path = folder / "killed.sqlite"
    for each in folder.glob("killed.sqlite*"):
        each.unlink()
    _old(path, old_histories.SHAPES[number % len(old_histories.SHAPES)], runs=runs)
    code = "import sys; from ci_itest.history.sql import SqlHistory; SqlHistory.open(sys.argv[1]).close()"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        process.wait(random.Random(number).uniform(0.3, 3.0))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return _results_in(path) != runs * 5_000


def schema_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Schemathesis with all its checks over the OpenAPI description."""
    address = str(folder / "schema.sqlite")
    key = new_key(address)
    with service(address) as process:
        ended = subprocess.run(
            [
                str(_BIN / "schemathesis"),
                *("run", f"{process.url}/api/openapi.json", "-H", f"Authorization: Bearer {key}"),
                *("--checks", "all", "-n", str(sizes.examples), "--phases", "coverage,fuzzing"),
            ],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
    told = [line.strip() for line in ended.stdout.splitlines() if "generated" in line or "❌ ST" in line]
    # That a valid document may still contradict itself (a place that is not there) no schema can say: those are told
    # and do not count.
    bad = [line for line in told if "❌ ST" in line and "Schema-valid request rejected" not in line]
    is_met = not bad and any("generated" in line for line in told)
    return [Row("schemathesis, all checks", "; ".join(told) or "no answer", "0 server errors or undocumented", is_met)]


def tenant_rows(_sizes: Sizes, _folder: Path) -> list[Row]:
    """The tests that ask every route for another repository, and those of tokens."""
    rows = []
    for figure, file, target in (
        ("cross-tenant matrix, every route × 2 tenants", "test_tenants.py", "0 leaks"),
        ("OIDC cases", "test_tokens.py", "all"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"tests/integration/service/{file}"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        words = ended.stdout.strip().splitlines()[-1]
        rows.append(Row(figure, words, target, ended.returncode == 0))
    return rows


PARTS: dict[str, Callable[[Sizes, Path], list[Row]]] = {
    "ingest": ingest_rows,
    "burst": burst_rows,
    "pages": page_rows,
    "kills": kill_rows,
    "same": same_rows,
    "faults": fault_rows,
    "migration": migration_rows,
    "schema": schema_rows,
    "tenants": tenant_rows,
}


def main() -> None:
    sizes = QUICK if "--quick" in sys.argv else FULL
    named = [word for word in sys.argv[1:] if not word.startswith("-")]
    rows: list[Row] = []
    for name in named or PARTS:
        folder = Path(tempfile.mkdtemp(prefix="ci-itest-service-"))
        try:
            began = time.monotonic()
            rows += PARTS[name](sizes, folder)
            print(f"{name}: {time.monotonic() - began:.0f} s", *rows[-1:], file=sys.stderr, flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    show("service", rows)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
