"""Uploads that are written together: each as if it had come alone, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ci_itest.errors import HistoryError
from ci_itest.history.ingest import Sent, Taken
from ci_itest.history.rows import upload_of
from ci_itest.history.sql import SqlHistory
from ci_itest.history.tenancy import ServiceStore
from ci_itest.model.cases import Outcome
from ci_itest.model.tenant import Tenant
from ci_itest.service.writer import Writer
from tests.helpers.history import RECORDED_AT, result, run, shard

TABLES = ("cases", "results", "failures", "shards", "case_days", "uploads")


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlHistory]:
    address = str(tmp_path / "h.sqlite")
    if request.param == "PostgreSQL":
        address = request.getfixturevalue("postgres_url")
    with SqlHistory.open(address) as opened:
        yield opened


def part(index: int, *, count: int = 3, run_id: str = "7", **more: object) -> Sent:
    """One shard with a case of its own that failed once, and a case that each shard says it ran."""
    own = result(f"test_{index}", Outcome.FAILED, Outcome.PASSED, shard=index)
    made = run(run_id, own, result("test_of_all", shard=index), shards=[shard(index, count=count)])
    return Sent(
        replace(upload_of(made), shard_count=count, **more),  # type: ignore[arg-type]
        f"main/{index}",
        b"%032d" % index,
        RECORDED_AT,
    )


def whole(run_id: str) -> Sent:
    return Sent(upload_of(run(run_id, result("test_adds"))), "", b"%032d" % int(run_id), RECORDED_AT)


def kept(history: SqlHistory) -> dict[str, object]:
    with history.reading() as connection:
        counts: dict[str, object] = {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() for table in TABLES
        }
        days = connection.exec_driver_sql("SELECT sum(runs), sum(recovered) FROM case_days").one()
    found = [(one.run_id, one.conclusion, one.passed, one.recovered) for one in history.runs(9, repository="acme/shop")]
    return counts | {"days": tuple(map(int, days)), "runs": found}


@contextmanager
def writing(history: SqlHistory) -> Iterator[Writer]:
    writer = Writer(ServiceStore(history), thread_count=2)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def tenant_of(history: SqlHistory) -> Tenant:
    return ServiceStore(history).make_tenant("acme/shop", at=RECORDED_AT)


def test_shards_that_come_together_make_what_they_make_one_after_another(history: SqlHistory, tmp_path: Path) -> None:
    sent = [part(2), part(1), part(1), whole("8"), part(3), part(1, run_id="9", count=2)]

    together = ServiceStore(history).take_all(tenant_of(history), sent)
    with SqlHistory.open(tmp_path / "other.sqlite") as other:
        alone = [ServiceStore(other).take_all(tenant_of(other), [one])[0] for one in sent]
        kept_alone = kept(other)

    assert list(together) == alone == [Taken.NEW, Taken.NEW, Taken.KNOWN, Taken.NEW, Taken.NEW, Taken.NEW]
    assert kept(history) == kept_alone
    assert kept_alone["runs"] == [("9", "incomplete", 1, 1), ("8", "success", 1, 0), ("7", "success", 3, 3)]
    assert kept_alone["days"] == (7, 4)


def test_another_body_for_a_shard_of_the_same_batch_is_different(history: SqlHistory) -> None:
    other = replace(part(1), digest=b"%032d" % 99)

    taken = ServiceStore(history).take_all(tenant_of(history), [part(1), other, part(2, count=2), whole("7")])

    assert taken == (Taken.NEW, Taken.DIFFERENT, Taken.NEW, Taken.DIFFERENT)


def test_a_whole_run_after_some_of_its_shards_adds_what_is_missing_and_ends_it(history: SqlHistory) -> None:
    cases = [result(f"test_{index}", shard=index) for index in (1, 2, 3)]
    all_of_it = upload_of(run("7", *cases, shards=[shard(index, count=3) for index in (1, 2, 3)]))

    taken = ServiceStore(history).take_all(tenant_of(history), [part(1), Sent(all_of_it, "", b"w" * 32, RECORDED_AT)])

    assert taken == (Taken.NEW, Taken.NEW)
    found = kept(history)
    assert (found["results"], found["shards"], found["case_days"]) == (4, 3, 4)
    assert found["runs"] == [("7", "success", 3, 0)]


def test_one_that_cannot_be_kept_does_not_take_the_others_with_it(history: SqlHistory) -> None:
    tenant = tenant_of(history)
    wrong = replace(part(2), received_at="yesterday")

    with writing(history) as writer:
        futures = [writer.put(tenant, one) for one in (part(1), wrong, part(3))]
        became = [future.exception(60) or future.result() for future in futures]

    assert [became[0], became[2]] == [Taken.NEW, Taken.NEW]
    assert isinstance(became[1], HistoryError)
    assert kept(history)["shards"] == 2


def test_what_waits_when_the_service_ends_is_written(history: SqlHistory) -> None:
    tenants = [tenant_of(history), ServiceStore(history).make_tenant("acme/other", at=RECORDED_AT)]
    writer = Writer(ServiceStore(history), thread_count=2)
    futures = [writer.put(tenant, part(index)) for index in (1, 2, 3) for tenant in tenants]

    writer.start()
    writer.stop()

    assert [future.result(0) for future in futures] == [Taken.NEW] * 6
    assert kept(history)["shards"] == 6


def test_an_upload_for_which_nobody_waits_any_more_is_left_out(history: SqlHistory) -> None:
    tenant = tenant_of(history)
    writer = Writer(ServiceStore(history), thread_count=1)
    given_up, awaited = writer.put(tenant, part(1)), writer.put(tenant, part(2))
    given_up.cancel()

    writer.start()
    writer.stop()

    assert awaited.result(0) is Taken.NEW
    assert kept(history)["shards"] == 1
