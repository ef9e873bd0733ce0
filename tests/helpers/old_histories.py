"""Databases as earlier versions made them, from `tests/samples/histories`: their tables, with rows of every kind."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, MetaData, insert, make_url, text
from sqlalchemy.engine import create_engine

from ci_itest.history.database import engine_for, url_of_file
from ci_itest.history.rows import case_digest
from ci_itest.model.cases import CaseId

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "histories"
SHAPES = sorted({path.name.split(".")[0] for path in SAMPLES.glob("*.sql")})
"""Every shape that tables of schema 1 had; the last one is the newest."""

START_US = 1_767_254_400_000_000
"""2026-01-01T08:00:00Z."""
DAY_US = 86_400_000_000


def sqlite_engine(path: Path) -> Engine:
    return engine_for(url_of_file(path))


def postgres_engine(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg"))


def make(engine: Engine, shape: str, *, runs: int = 3, cases: int = 4) -> None:
    """An old database in which every case ran in every run, one run a day; the first case failed and recovered."""
    script = (SAMPLES / f"{shape}.{engine.dialect.name}.sql").read_text()
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    found = MetaData()
    found.reflect(engine)
    tables = found.tables
    with engine.begin() as connection:
        connection.execute(insert(tables["repositories"]).values(id=1, name="acme/shop"))
        named = [CaseId("main", f"tests/test_{n % 10}.py", f"test_{n}") for n in range(cases)]
        rows = [
            {"id": n + 1, "repository_id": 1, "digest": case_digest(case), "suite": case.suite, "file": case.file}
            | {"name": case.name}
            for n, case in enumerate(named)
        ]
        connection.execute(insert(tables["cases"]), rows)
        for run in range(1, runs + 1):
            _add_run(connection, tables, run, cases)
        if engine.dialect.name == "postgresql":
            for table in ("repositories", "cases", "runs"):
                connection.execute(text(f"SELECT setval('{table}_id_seq', (SELECT MAX(id) FROM {table}))"))


def _add_run(connection, tables, run: int, cases: int) -> None:  # type: ignore[no-untyped-def] # reflected tables
    facts = {"repository_id": 1, "commit_sha": "c0ffee", "branch": "main", "conclusion": "success", "is_trusted": True}
    counts = {"passed": cases - 1, "failed": 0, "recovered": 1, "skipped": 0, "quarantined": 0, "missing": 0}
    at = {"started_us": START_US + run * DAY_US, "recorded_us": START_US + run * DAY_US + 1}
    connection.execute(
        insert(tables["runs"]).values(id=run, ci_run_id=str(run), run_attempt=1, **facts, **counts, **at)
    )
    shard = {"run_id": run, "suite": "main", "shard_index": 1, "shard_count": 1, "run_attempt": 1, "phases": []}
    seconds = {"planned_seconds": 1.0, "work_seconds": 1.0, "wall_seconds": 1.0}
    connection.execute(insert(tables["shards"]).values(**shard, **seconds))
    results = [
        {"run_id": run, "case_id": n + 1, "outcome": 1, "verdict": 1 if n else 3, "attempts": 1 if n else 2}
        | {"failed_attempts": 0 if n else 1, "setup_us": 100, "call_us": 1_000 * (n + 1), "teardown_us": 10}
        for n in range(cases)
    ]
    connection.execute(insert(tables["results"]), results)
    texts = {"run_id": run, "case_id": 1, "attempt": 1, "message": b"m", "details": b"d"}
    connection.execute(insert(tables["failures"]).values(texts))
