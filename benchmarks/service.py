"""The reporting service: speed, size, what it survives, and whom it tells what.

`make bench NAME=service` takes some nine minutes: two million results instead of ten, 200,000 to migrate instead of a
million, and every row says what it was measured with. `… ARGUMENTS="--full"`: all of it, `--quick`: a tenth and less of
each, `… ARGUMENTS="ingest burst"`: only what is named (ingest burst pages kills same faults migration schema tenants
chromium). What is done again and again ends after its share of `--minutes` and says how often it was done. The results
of `pages` are made once a week and kept under `~/.cache/ci-itest-bench`.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import requests

from benchmarks import machine, service_pages
from benchmarks.service_load import AT, REPOSITORY, new_key, service, whole_run
from benchmarks.service_speed import burst_row, ingest_row, put
from benchmarks.table import Row, show
from ci_itest.history.retention import Retention
from ci_itest.history.sql import SqlHistory
from ci_itest.model.upload import Upload
from tests.helpers import old_histories, postgres
from tests.helpers.remote import remote

ROOT = Path(__file__).resolve().parents[1]
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each is done."""

    ingest_runs: int
    shards: int
    page_runs: int
    kills: int
    uploads: int
    migrated_runs: int
    migration_kills: int
    examples: int
    part_seconds: float = 80.0
    """How long what is done again and again may take, on each database."""


FULL = Sizes(200, 256, 2_000, 200, 1_000, 200, 20, 50)
USUAL = Sizes(40, 256, 400, 200, 1_000, 40, 20, 10)
QUICK = Sizes(40, 64, 200, 20, 100, 20, 4, 10)


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


def ingest_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """What it takes in when much comes in a row."""
    with databases(folder, "ingest") as found:
        return [ingest_row(name, address, runs=sizes.ingest_runs) for name, address in found]


def burst_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """The shards of a large run."""
    with databases(folder, "burst") as found:
        return [burst_row(name, address, shards=sizes.shards) for name, address in found]


def page_rows(sizes: Sizes, _folder: Path) -> list[Row]:
    """Pages, size and archive of a history of 5,000 cases."""
    rows = []
    bounds = {"SQLite": 300e6, "PostgreSQL": 1.3e9}
    for name in bounds:
        with service_pages.filled(name, runs=sizes.page_runs) as address:
            if address is None:
                continue
            with machine.ahead():
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
            with machine.ahead():
                acknowledged, ready, cpu = _killed(address, key, kills=sizes.kills, seconds=sizes.part_seconds)
            lost, halves = _lost_and_halves(address, acknowledged)
            slowest = sorted(ready)[int(len(ready) * 0.95)]
            value = (
                f"{len(acknowledged)} acknowledged, {lost} lost, {halves} halves, ready p95 {slowest:.1f} s "
                f"({cpu:.1f} s of CPU)"
            )
            is_met = not lost and not halves and slowest <= 2
            rows.append(
                Row(f"kill -9 under load × {len(ready)}, {name}", value, "0 lost, 0 halves, ready ≤ 2 s", is_met)
            )
    return rows


def _killed(address: str, key: str, *, kills: int, seconds: float) -> tuple[set[str], list[float], float]:
    """Runs that were acknowledged, seconds until it was ready again each time, and the middle of its CPU until then."""
    ends_at = time.monotonic() + seconds
    acknowledged: set[str] = set()
    numbers = iter(range(10**9))
    ends = threading.Event()
    ready: list[float] = []
    cpu: list[float] = []
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
            if time.monotonic() > ends_at:
                break
            time.sleep(draw.uniform(0.05, 0.5))
            process.kill()
            process.start()
            ready.append(process.ready_seconds)
            cpu.append(process.cpu_seconds())
        ends.set()
        for sender in senders:
            sender.join()
    return acknowledged, ready, sorted(cpu)[len(cpu) // 2]


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

    ends_at, count = time.monotonic() + sizes.part_seconds, 0
    address = str(folder / "faults.sqlite")
    key = new_key(address)
    with service(address) as process:
        with failing_now_and_then(process.url, random.Random(6)) as url:
            for number in range(sizes.uploads):
                if time.monotonic() > ends_at:
                    break
                count += 1
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
    lost = count - kept
    return [Row("20 % of requests fail", f"{lost} of {count:,} uploads lost", "0 lost", lost == 0)]


def _try(action: Callable[[], object]) -> None:
    from ci_itest.errors import HistoryError

    try:
        action()
    except HistoryError:
        return


def migration_rows(sizes: Sizes, folder: Path) -> list[Row]:
    """Databases of every earlier shape with 5,000 cases, migrated; and processes killed while they migrate."""
    slowest, wall, failed, broken, kills = 0.0, 0.0, 0, 0, 0
    count = sizes.migrated_runs * 5_000
    ends_at = time.monotonic() + 3 * sizes.part_seconds
    for number, shape in enumerate(old_histories.SHAPES):
        made, path = folder / f"{shape}.sqlite", folder / "migrated.sqlite"
        _old(made, shape, runs=sizes.migrated_runs)
        shutil.copy(made, path)
        began, began_cpu = time.monotonic(), time.process_time()
        with machine.ahead():
            SqlHistory.open(path).close()
        wall, slowest = max(wall, time.monotonic() - began), max(slowest, time.process_time() - began_cpu)
        failed += _results_in(path) != count
        for kill in range(sizes.migration_kills // len(old_histories.SHAPES) or 1):
            if kill and time.monotonic() > ends_at:
                break
            broken += _killed_migration(made, path, count=count, within=0.5 + wall, seed=10 * number + kill)
            kills += 1
        made.unlink()
    figure = f"migration of {count:,} rows from {len(old_histories.SHAPES)} shapes, SQLite"
    of_million = wall * 1_000_000 / count
    is_met = of_million <= 60 and not failed and not broken
    reckoned = "" if count == 1_000_000 else f", reckoned up to a million {of_million:.1f} s"
    value = f"{wall:.1f} s ({slowest:.1f} s of CPU{reckoned}), {failed} failed; {broken} of {kills} kills did harm"
    return [Row(figure, value, "≤ 60 s, 0 failures", is_met)]


def _old(path: Path, shape: str, *, runs: int) -> None:
    engine = old_histories.sqlite_engine(path)
    old_histories.make(engine, shape, runs=runs, cases=5_000)
    engine.dispose()


def _results_in(path: Path) -> int:
    with SqlHistory.open(path) as history, history.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM results").scalar_one())


def _killed_migration(made: Path, path: Path, *, count: int, within: float, seed: int) -> bool:
    """Whether a migration that was killed lost something."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    shutil.copy(made, path)
    code = "import sys; from ci_itest.history.sql import SqlHistory; SqlHistory.open(sys.argv[1]).close()"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        process.wait(random.Random(seed).uniform(0.5, 0.5 + within))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return _results_in(path) != count


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
    return [
        _tests_row("cross-tenant matrix, every route × 2 tenants", "test_tenants.py", "0 leaks"),
        _tests_row("OIDC cases", "test_tokens.py", "14 of 14"),
    ]


def chromium_rows(_sizes: Sizes, _folder: Path) -> list[Row]:
    """The tests that show every page of a hostile history, and every page to axe, in Chromium."""
    file = "test_pages_in_chromium.py"
    return [
        _tests_row(
            "hostile names through every page in Chromium", file, "0 scripts run, 0 CSP reports", only="hostile"
        ),
        _tests_row("axe accessibility checks on every page", file, "0 serious", only="axe"),
    ]


def _tests_row(figure: str, file: str, target: str, *, only: str = "") -> Row:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/integration/service/{file}"]
    ended = subprocess.run(
        [*command, *(["-k", only] if only else [])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env=os.environ | {"CI_ITEST_REQUIRE_ALL": "1"},
    )
    words = ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else "no answer"
    return Row(figure, words, target, ended.returncode == 0)


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
    "chromium": chromium_rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Figures of the reporting service.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a tenth and less of each")
    size.add_argument("--full", action="store_true", help="ten million results, a million to migrate")
    parser.add_argument("--minutes", type=float, help="for what is done again and again (1, 2, or 12 with --full)")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="only these")
    chosen = parser.parse_args()
    usual, minutes = (QUICK, 1.0) if chosen.quick else (FULL, 12.0) if chosen.full else (USUAL, 2.0)
    # A share each: kills on two databases, and faults; three: migration.
    sizes = replace(usual, part_seconds=(chosen.minutes or minutes) * 60 / 6)
    rows: list[Row] = []
    for name in chosen.parts or PARTS:
        folder = Path(tempfile.mkdtemp(prefix="ci-itest-service-"))
        try:
            began = time.monotonic()
            added = PARTS[name](sizes, folder)
            rows += added
            print(f"{name}: {time.monotonic() - began:.0f} s", *added, sep="\n  ", file=sys.stderr, flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    show("service", rows)


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
