"""The dashboard's pages over ten million results: how soon each comes, from a real service on loopback.

Part of `make bench NAME=service`, which calls `page_rows`; by itself, over both databases:
`python -m benchmarks.service_pages [--quick]`.
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import requests

from benchmarks import machine
from benchmarks.table import Row, show
from ci_itest.garbage import collect_seldom
from ci_itest.history import ingest
from ci_itest.history.known_cases import KnownCases
from ci_itest.history.retention import Retention
from ci_itest.history.schema import SCHEMA
from ci_itest.history.sql import SqlHistory
from ci_itest.history.views import board, case
from ci_itest.history.views.repositories import repository_named
from ci_itest.model.cases import Outcome, Verdict
from ci_itest.model.judged import CauseKind
from ci_itest.model.run import Conclusion
from ci_itest.model.upload import CAUSE_CODES, OUTCOME_CODES, VERDICT_CODES, CaseRow, Upload, UploadedShard
from tests.helpers import postgres

REPOSITORY = "acme/shop"
CASES = 5_000
RUNS = 2_000
DAYS = 90
SHARDS = 8
_FLAKY = 180
_ASKED = 40
_PAGES = ("", "/flaky", "/runs", "/slow", "/shards", "/services", "/bypasses", "/cases")


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of many requests."""

    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        return sorted(self.values)[len(self.values) // 2]

    @property
    def p95(self) -> float:
        return sorted(self.values)[int(len(self.values) * 0.95)]

    def __str__(self) -> str:
        return f"{self.middle:.0f} ms, p95 {self.p95:.0f} ms"


def fill(history: SqlHistory, *, runs: int = RUNS, cases: int = CASES, seed: int = 5) -> None:
    """Record so many runs of so many cases over 90 days, the last just now, and learn from them."""
    draw = random.Random(seed)
    rates = {place: draw.choice((0.002, 0.01, 0.03, 0.1, 0.2)) for place in draw.sample(range(cases), _FLAKY)}
    files = tuple(("main", f"tests/integration/area_{number % 40}/test_{number}.py") for number in range(cases // 50))
    usual = [_case_row(place, cases, draw) for place in range(cases)]
    known = KnownCases()
    started = datetime.now(UTC) - timedelta(days=DAYS)
    with history.transaction(writes=True) as connection:
        repository_id = ingest.repository_number(connection, REPOSITORY)
    for number in range(runs):
        at = (started + timedelta(days=DAYS) * (number + 1) / runs).isoformat()
        upload = _upload(draw, number, usual, rates, files, at=at)
        # A transaction each, as they come. Several in one would leave a dead row of each case's day behind for each:
        # 0.2 GB of PostgreSQL's at ten million results.
        with history.transaction(writes=True) as connection:
            ingest.ingest(connection, upload, repository_id=repository_id, recorded_at=at, known_cases=known)
    history.learn(repository=REPOSITORY, is_main=lambda branch: branch == "main")


def _case_row(place: int, cases: int, draw: random.Random) -> CaseRow:
    taken = int(draw.lognormvariate(12, 1))
    passed, verdict = OUTCOME_CODES[Outcome.PASSED], VERDICT_CODES[Verdict.PASSED]
    file = place * (cases // 50) // cases
    return (file, f"test_case_{place:05}", passed, verdict, 1, 0, taken // 5, taken, taken // 20, place % SHARDS + 1)


def _upload(
    draw: random.Random,
    number: int,
    usual: Sequence[CaseRow],
    rates: dict[int, float],
    files: tuple[tuple[str, str], ...],
    *,
    at: str,
) -> Upload:
    cases = list(usual)
    failures, causes = [], []
    for place, rate in rates.items():
        if draw.random() >= rate:
            continue
        row = usual[place]
        stays = draw.random() < 0.3
        outcome = OUTCOME_CODES[Outcome.FAILED if stays else Outcome.PASSED]
        verdict = VERDICT_CODES[Verdict.FAILED if stays else Verdict.RECOVERED]
        cases[place] = (*row[:2], outcome, verdict, 2, 2 if stays else 1, *row[6:])
        failures.append((place, 1, "TimeoutError: the order was not confirmed within 5.0 s", "E   TimeoutError\n" * 20))
        causes.append((place, CAUSE_CODES[CauseKind.FLAKY], 0.95))
    failed = any(row[3] == VERDICT_CODES[Verdict.FAILED] for row in cases)
    is_main = number % 2 == 0
    return Upload(
        run_id=str(10_000_000 + number),
        commit=f"{number:040x}",
        started_at=at,
        branch="main" if is_main else f"pull-{number // 12}",
        pull_request=0 if is_main else 1 + number // 12,
        conclusion=Conclusion.FAILURE if failed else Conclusion.SUCCESS,
        shard_count=SHARDS,
        shards=tuple(_shard(index, draw) for index in range(1, SHARDS + 1)),
        files=files,
        cases=tuple(cases),
        failures=tuple(failures),
        causes=tuple(causes),
        default_branch="main",
    )


def _shard(index: int, draw: random.Random) -> UploadedShard:
    tests = draw.uniform(150, 210)
    phases = (("images", draw.uniform(0.3, 12)), ("services", 6.0), ("tests", tests), ("service:postgres", 1.1))
    return UploadedShard("main", index, SHARDS, 1, 180.0, tests * 2, tests + 12, phases)


@contextmanager
def filled(name: str, *, runs: int) -> Iterator[str | None]:
    """Path or URL of a history with so many runs; None where there is no PostgreSQL. It is made once a week and kept.

    What housekeeping does to it was done once: a SQLite file is packed.
    """
    week = "-".join(map(str, datetime.now(UTC).isocalendar()[:2]))
    kept = Path.home() / ".cache" / "ci-itest-bench" / "service" / f"{week}-schema-{SCHEMA}-{runs}-runs"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if name == "SQLite":
            path = kept / "history.sqlite"
            if not path.exists():
                _make(str(kept / "made.sqlite"), name=name, runs=runs)
                (kept / "made.sqlite").rename(path)
            yield shutil.copy(path, folder)
            return
    programs = postgres.programs()
    if programs is None:
        yield None
        return
    options = ("-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB")
    data = kept / "postgres"
    with postgres.server(programs, options=options, data=data if data.exists() else None) as server:
        url = server.rpartition("/")[0] + "/pages"
        if not data.exists():
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CREATE DATABASE pages")
            _make(url, name=name, runs=runs)
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
                (own,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        else:
            own = ""
        yield url
        if own:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
            subprocess.run(["cp", "--archive", own, str(kept / "made")], check=True)
            (kept / "made" / "postmaster.pid").unlink(missing_ok=True)
            (kept / "made").rename(data)


def _make(database: str, *, name: str, runs: int) -> None:
    started = time.process_time()
    with machine.ahead(), SqlHistory.open(database) as history:
        fill(history, runs=runs)
        history.forget(Retention(400, 400, 400), now=datetime.now(UTC).isoformat())
    print(f"{name}: filled with {time.process_time() - started:.0f} s of CPU", file=sys.stderr)


def page_rows(database: str, *, name: str) -> list[Row]:
    """Times of pages and statements over a filled database.

    Args:
        database: Path or URL of a history that `fill` filled.
        name: What to call it in the figures.
    """
    pages, slowest = _pages(database)
    of_board, of_case = _statements(database)
    worst = max(pages, key=lambda page: pages[page].p95)
    flaky = pages["/flaky"]
    detail = "; ".join(f"{page or '/'} {times}" for page, times in pages.items())
    print(f"{name}: {detail}", file=sys.stderr)
    return [
        Row(
            f"pages over {_count(database)} results, {name}: slowest page's p95",
            f"{slowest:.0f} ms ({worst or 'overview'})",
            "≤ 200 ms",
            slowest <= 200,
        ),
        Row(f"flaky board, {name}: whole page", str(flaky), "≤ 100 ms", flaky.middle <= 100),
        Row(f"flaky board, {name}: in the database", str(of_board), "≤ 100 ms", of_board.p95 <= 100),
        Row(f"one case, {name}: in the database", str(of_case), "≤ 20 ms", of_case.p95 <= 20),
    ]


def _count(database: str) -> str:
    with SqlHistory.open(database) as history, history.reading() as connection:
        runs = connection.exec_driver_sql("SELECT sum(passed + failed + recovered) FROM runs").scalar_one()
    return f"{int(runs):,}"


def _pages(database: str) -> tuple[dict[str, Times], float]:
    """Times of each page, and the largest p95 of them."""
    draw = random.Random(3)
    with _serving(database) as url:
        browser = requests.Session()
        base = f"{url}/r/{REPOSITORY}"
        runs = [10_000_000 + draw.randrange(RUNS // 20) for _ in range(_ASKED)]
        found: dict[str, Times] = {}
        for page in _PAGES:
            found[page] = _timed(lambda _, page=page: browser.get(base + page, timeout=60))  # type: ignore[misc]
        found["/cases?q="] = _timed(lambda n: browser.get(f"{base}/cases?q=case_{n:03}", timeout=60))
        found["/cases/N"] = _timed(lambda _: browser.get(f"{base}/cases/{draw.randint(1, CASES)}", timeout=60))
        found["/runs/1/N"] = _timed(lambda n: browser.get(f"{base}/runs/1/{runs[n]}", timeout=60))
        return found, max(times.p95 for times in found.values())


def _timed(ask: Callable[[int], requests.Response]) -> Times:
    ask(0).raise_for_status()
    values = []
    for number in range(_ASKED):
        started = time.perf_counter()
        answer = ask(number)
        values.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
    return Times(tuple(values))


def _statements(database: str) -> tuple[Times, Times]:
    """The board's and one case's statements, without the page around them."""
    draw = random.Random(7)
    since_us = int(time.time() * 1e6) - 30 * 86_400_000_000
    boards, cases = [], []
    # Opened as the service opens it, which has settled with the collector, too (service/worker.py): what this process
    # filled before would be looked through in the middle of a statement.
    collect_seldom()
    gc.freeze()
    with SqlHistory.open(database, is_durable=True) as history, history.reading() as connection:
        repository = repository_named(connection, REPOSITORY)
        assert repository is not None
        for number in range(_ASKED + 1):
            started = time.perf_counter()
            board.board(connection, repository, since_us=since_us)
            middle = time.perf_counter()
            case.case_view(connection, repository, draw.randint(1, CASES))
            if number:
                boards.append((middle - started) * 1000)
                cases.append((time.perf_counter() - middle) * 1000)
    return Times(tuple(boards)), Times(tuple(cases))


@contextmanager
def _serving(database: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "ci_itest", "serve", "--port", str(port), "--database-url", database]
    # A folder of its own: nothing of the developer's is read.
    with tempfile.TemporaryDirectory() as folder:
        service = subprocess.Popen(command, cwd=folder, env=dict(os.environ))
        try:
            _await(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            service.terminate()
            service.wait(30)


def _await(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise SystemExit("the service did not start")


def main() -> None:
    rows = []
    for name in ("SQLite", "PostgreSQL"):
        with filled(name, runs=RUNS // 10 if "--quick" in sys.argv else RUNS) as database:
            if database is not None:
                rows += page_rows(database, name=name)
    show("service_pages", rows)


if __name__ == "__main__":
    main()
