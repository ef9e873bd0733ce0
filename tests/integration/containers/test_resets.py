"""Services' data, brought back to a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.resets import kept_data
from ci_itest.containers.services import RunningServices, running
from ci_itest.masking import masker
from ci_itest.waiting import wait_until
from tests.helpers.containers import Events, specs

pytestmark = pytest.mark.docker

Up = Callable[..., AbstractContextManager[RunningServices]]


@pytest.fixture
def up(engine: Engine, mirror: str, run_name: str, tmp_path: Path) -> Up:
    @contextmanager
    def started(**services: Any) -> Iterator[RunningServices]:
        with running(
            specs(**services),
            engine=engine,
            owner=Owner.of_this_process(run=run_name, shard="main-1"),
            mirror=mirror,
            log_directory=tmp_path / "logs",
            report=Events(),
            mask=masker([]),
        ) as services_up:
            yield services_up

    return started


def psql(services: RunningServices, statement: str, *, database: str = "") -> str:
    credentials = services.endpoints["db"].credentials
    where = database or credentials["database"]
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", credentials["user"], "-d", where]
    ended = services.exec("db", [*command, "-c", statement])
    assert ended.exit_code == 0, ended.output
    return ended.output.strip()


def test_databases_are_again_as_they_were_with_their_owners(up: Up) -> None:
    with up(db="postgres:15") as services:
        psql(services, "CREATE TABLE basket (what text); INSERT INTO basket VALUES ('tea')")
        psql(services, "CREATE ROLE clerk")
        psql(services, 'CREATE DATABASE "second one" OWNER clerk')
        data = kept_data(services)
        for _ in range(2):
            psql(services, "INSERT INTO basket VALUES ('milk'); CREATE TABLE more (n int)")
            psql(services, "CREATE DATABASE third")
            psql(services, 'DROP DATABASE "second one"')

            data.restore()

            assert psql(services, "SELECT string_agg(what, ',') FROM basket") == "tea"
            assert psql(services, "SELECT to_regclass('more') IS NULL") == "t"
            owners = psql(
                services, "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname IN "
                "('second one', 'third')"
            )  # fmt: skip
            assert owners == "second one|clerk"
    assert data.not_reset == ()


def test_a_connection_that_is_still_open_is_in_nobodys_way(up: Up) -> None:
    with up(db="postgres:15") as services:
        user = services.endpoints["db"].credentials["user"]
        data = kept_data(services)
        asleep = ["psql", "-X", "-U", user, "-d", "postgres", "-c", "SELECT pg_sleep(60)"]
        ended: list[int] = []
        client = threading.Thread(target=lambda: ended.append(services.exec("db", asleep).exit_code))
        client.start()
        wait_until(lambda: "" if sleepers(services) == "1" else "nobody connected yet", within_seconds=30)

        data.restore()

        client.join(30)
        assert sleepers(services) == "0"
    assert ended != [0]


def sleepers(services: RunningServices) -> str:
    return psql(services, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")


def test_an_empty_redis_is_emptied_again_with_and_without_a_password(up: Up) -> None:
    secured = {"image": "redis:7", "command": ("redis-server", "--requirepass", "hunter22")}
    with up(cache="redis:7", secured=secured) as services:
        data = kept_data(services)
        services.exec("cache", ["redis-cli", "SET", "a", "1"])
        services.exec("secured", ["redis-cli", "-a", "hunter22", "SET", "a", "1"])

        data.restore()

        assert services.exec("cache", ["redis-cli", "DBSIZE"]).output.split()[-1] == "0"
        assert services.exec("secured", ["redis-cli", "-a", "hunter22", "DBSIZE"]).output.split()[-1] == "0"
    assert data.not_reset == ()


def test_data_that_cannot_be_brought_back_is_told(up: Up) -> None:
    with up(cache="redis:7") as services:
        services.exec("cache", ["redis-cli", "SET", "a", "1"])

        data = kept_data(services)
        data.restore()

        assert services.exec("cache", ["redis-cli", "DBSIZE"]).output.split()[-1] == "1"
    assert data.not_reset == (
        "The data of cache is kept from probe to probe: prepare left keys in it, and they cannot be brought back.",
    )
