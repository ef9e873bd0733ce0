"""Each preset whose server Debian has: really started, ready by its protocol, used by its own client at its address."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nats
import pika
import psycopg
import pymysql
import pytest
import redis

from ci_itest.containers.engine import Engine
from ci_itest.containers.owner import Owner
from ci_itest.containers.services import running
from ci_itest.model.services import Endpoint
from ci_itest.process import output_of
from tests.helpers.containers import Events, held_by, no_mask, specs

pytestmark = pytest.mark.docker

Serving = Callable[[str], AbstractContextManager[Endpoint]]


@pytest.fixture
def serving(
    engine: Engine, mirror: str, run_name: str, on_mirror: Callable[[str], str], tmp_path: Path
) -> Iterator[Serving]:
    """Starts a service from its image's name alone; nothing of it may be left after the test."""

    @contextmanager
    def started(image: str) -> Iterator[Endpoint]:
        with running(
            specs(service=on_mirror(image)),
            engine=engine,
            owner=Owner.of_this_process(run=run_name, shard="main-1"),
            mirror=mirror,
            log_directory=tmp_path / "logs",
            report=Events(),
            mask=no_mask,
        ) as services:
            yield services.endpoints["service"]

    yield started
    assert held_by(engine, run_name) == []


def test_postgres_is_served_at_its_address(serving: Serving) -> None:
    with serving("postgres:15") as postgres, psycopg.connect(postgres.url) as client:
        client.execute("create table visits (who text)")
        client.execute("insert into visits values ('ann')")

        assert client.execute("select current_user, count(*) from visits").fetchall() == [("test", 1)]


def test_mariadb_is_served_at_its_address(serving: Serving) -> None:
    with serving("mariadb:10.11") as mariadb:
        address = urlsplit(mariadb.url)
        with pymysql.connect(
            host=address.hostname or "",
            port=address.port or 0,
            user=address.username,
            password=address.password or "",
            database=address.path.lstrip("/"),
        ) as client:
            cursor = client.cursor()
            cursor.execute("create table visits (who varchar(20))")
            cursor.execute("insert into visits values ('ann')")
            cursor.execute("select database(), count(*) from visits")

            assert cursor.fetchall() == (("test", 1),)


def test_the_root_password_of_mariadb_is_among_its_credentials(serving: Serving) -> None:
    with serving("mariadb:10.11") as mariadb:
        password = mariadb.credentials["root_password"]
        with pymysql.connect(host=mariadb.host, port=mariadb.port, user="root", password=password) as client:
            cursor = client.cursor()

            assert cursor.execute("create database another") == 1


def test_redis_is_served_at_its_address(serving: Serving) -> None:
    with serving("redis:7") as cache, redis.Redis.from_url(cache.url) as client:
        client.set("who", "ann")

        assert client.get("who") == b"ann"


def test_rabbitmq_is_served_at_its_address(serving: Serving) -> None:
    with serving("rabbitmq:3") as broker, pika.BlockingConnection(pika.URLParameters(broker.url)) as client:
        channel = client.channel()
        channel.queue_declare("visits")
        channel.basic_publish("", "visits", b"ann")
        _, _, body = channel.basic_get("visits", auto_ack=True)

        assert body == b"ann"


def test_nats_is_served_at_its_address_with_streams(serving: Serving) -> None:
    async def said_and_heard(url: str) -> bytes:
        client = await nats.connect(url)
        streams = client.jetstream()
        await streams.add_stream(name="visits", subjects=["visits.*"])
        await streams.publish("visits.home", b"ann")
        reader = await streams.subscribe("visits.home")
        message = await reader.next_msg(timeout=10)
        await client.close()
        return message.data

    with serving("nats:2") as broker:
        assert asyncio.run(said_and_heard(broker.url)) == b"ann"


def test_memcached_is_served_at_its_address(serving: Serving) -> None:
    with serving("memcached:1") as cache:
        address = urlsplit(cache.url)
        with socket.create_connection((address.hostname, address.port or 0), timeout=10) as client:
            answers = client.makefile("rb")
            client.sendall(b"set who 0 60 3\r\nann\r\nget who\r\n")

            assert [answers.readline().strip() for _ in range(4)] == [b"STORED", b"VALUE who 0 3", b"ann", b"END"]


def test_mosquitto_is_served_at_its_address(serving: Serving, mirror: str) -> None:
    image = f"{mirror}/library/eclipse-mosquitto:2" if mirror else "eclipse-mosquitto:2"

    def client(*arguments: str) -> tuple[int, str]:
        command = ["docker", "run", "--rm", "--network=host", image, *arguments]
        return output_of(command, directory=Path.cwd(), environment=os.environ)

    with serving("eclipse-mosquitto:2") as broker:
        address = f"{broker.url}/visits"

        assert client("mosquitto_pub", "-L", address, "-m", "ann", "--retain", "--qos", "1") == (0, "")
        assert client("mosquitto_sub", "-L", address, "-C", "1", "-W", "10") == (0, "ann")
