"""Probes against scripted servers that speak each protocol's own bytes."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci_itest.containers.known_images import KNOWN_IMAGES
from ci_itest.containers.protocols.connection import NotServing, Target
from ci_itest.containers.protocols.postgres import ScramClient
from ci_itest.containers.readiness import check_words, protocol_probe
from ci_itest.model.services import ReadyCheck
from tests.helpers.containers import Conversation, answering, bson, greeting, read_exactly, saying, seen_by, serving

PROTOCOLS = sorted({image.protocol for image in KNOWN_IMAGES})


def http(status: int, body: bytes = b"") -> Conversation:
    return saying(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


# PostgreSQL


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def authentication(code: int, rest: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", code) + rest)


READY = message(b"S", b"server_version\x0015.1\0") + message(b"Z", b"I")
ROW = message(b"T", b"\0\1") + message(b"D", b"\0\1\0\0\0\0011") + message(b"C", b"SELECT 1\0") + message(b"Z", b"I")
LOGGED_IN = authentication(0)


def read_startup(client: socket.socket) -> dict[str, str]:
    (length,) = struct.unpack("!I", read_exactly(client, 4))
    fields = read_exactly(client, length - 4)[4:].rstrip(b"\0").decode().split("\0")
    return dict(zip(fields[::2], fields[1::2], strict=True))


def read_message(client: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!cI", read_exactly(client, 5))
    return kind, read_exactly(client, length - 4)


def postgres(log_in: Callable[[socket.socket, str], bytes], *, row: bytes = ROW) -> Conversation:
    """A server whose `log_in` talks until the password is known, and says what comes before the query."""

    def conversation(client: socket.socket) -> None:
        user = read_startup(client)["user"]
        client.sendall(log_in(client, user))
        kind, query = read_message(client)
        if (kind, query) == (b"Q", b"SELECT 1\0"):
            client.sendall(row)
        client.recv(100)

    return conversation


def trusting(client: socket.socket, user: str) -> bytes:
    return LOGGED_IN + READY


def refused(words: str) -> bytes:
    return message(b"E", f"SFATAL\0C57P03\0M{words}\0\0".encode())


def asking_clear_text(client: socket.socket, user: str) -> bytes:
    client.sendall(authentication(3))
    _, password = read_message(client)
    return LOGGED_IN + READY if password == b"pw\0" else refused("password authentication failed")


def asking_md5(client: socket.socket, user: str) -> bytes:
    client.sendall(authentication(5, b"salt"))
    _, answer = read_message(client)
    inner = hashlib.md5(b"pw" + user.encode()).hexdigest().encode()
    expected = b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode() + b"\0"
    return LOGGED_IN + READY if answer == expected else refused("password authentication failed")


@pytest.mark.parametrize("log_in", [trusting, asking_clear_text, asking_md5])
def test_postgres_is_ready_when_it_answers_a_query(log_in: Callable[[socket.socket, str], bytes]) -> None:
    assert seen_by("postgres", postgres(log_in), user="test", password="pw", database="shop") == ""


@pytest.mark.parametrize("log_in", [asking_clear_text, asking_md5])
def test_postgres_with_another_password_is_not_ready(log_in: Callable[[socket.socket, str], bytes]) -> None:
    seen = seen_by("postgres", postgres(log_in), user="test", password="other", database="shop")

    assert seen == "FATAL: password authentication failed (57P03)"


def test_postgres_that_is_starting_up_says_so() -> None:
    seen = seen_by("postgres", postgres(lambda _client, _user: refused("the database system is starting up")))

    assert seen == "FATAL: the database system is starting up (57P03)"


def test_postgres_that_lets_in_but_answers_no_query_is_not_ready() -> None:
    seen = seen_by("postgres", postgres(trusting, row=b""), seconds=0.2)

    assert seen == "no answer within 0.2 s" or "closed" in seen


def test_postgres_that_asks_for_a_login_we_do_not_know_is_not_ready() -> None:
    assert "number 7" in seen_by("postgres", postgres(lambda _client, _user: authentication(7)))
    assert "SASL" in seen_by("postgres", postgres(lambda _client, _user: authentication(10, b"OTHER\0\0")))


CHALLENGE = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def rfc_7677_client() -> ScramClient:
    return ScramClient("pencil", nonce="rOprNGfwEbeRWgbNEkqO", user="user")


def test_scram_gives_the_proof_of_rfc_7677() -> None:
    client = rfc_7677_client()

    assert client.first_message == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert client.final_message(CHALLENGE) == (
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    client.check_server("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_scram_refuses_a_server_that_does_not_know_the_password() -> None:
    client = rfc_7677_client()
    client.final_message(CHALLENGE)

    with pytest.raises(NotServing, match="signature"):
        client.check_server("v=AAAA")


@pytest.mark.parametrize("challenge", ["", "r=other,s=W22Z,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096", "e=no"])
def test_scram_refuses_a_challenge_that_is_not_for_it(challenge: str) -> None:
    with pytest.raises(NotServing):
        rfc_7677_client().final_message(challenge)


# Redis

PING = b"*1\r\n$4\r\nPING\r\n"
AUTH = b"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n"


def test_redis_is_ready_when_it_answers_pong() -> None:
    assert seen_by("redis", answering((PING, b"+PONG\r\n"))) == ""


def test_redis_gets_its_password_first() -> None:
    assert seen_by("redis", answering((AUTH, b"+OK\r\n"), (PING, b"+PONG\r\n")), password="pw") == ""


@pytest.mark.parametrize(
    "answer", [b"-LOADING Redis is loading the dataset in memory\r\n", b"-NOAUTH Authentication required.\r\n"]
)
def test_redis_that_answers_an_error_is_not_ready(answer: bytes) -> None:
    assert answer.decode().strip() in seen_by("redis", answering((PING, answer)))


# MySQL


def mysql_packet(payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def test_mysql_is_ready_when_it_greets() -> None:
    assert seen_by("mysql", greeting(mysql_packet(b"\x0a8.4.0\0" + bytes(60)))) == ""


def test_mysql_that_sends_an_error_is_not_ready() -> None:
    packet = mysql_packet(b"\xff" + struct.pack("<H", 1040) + b"Too many connections")

    assert seen_by("mysql", greeting(packet)) == "error 1040: Too many connections"


@pytest.mark.parametrize("payload", [b"\x0a8.4.0", b"\x0a\0\0\0", b"\x09abc\0"])
def test_mysql_that_greets_otherwise_is_not_ready(payload: bytes) -> None:
    assert "not MySQL's" in seen_by("mysql", greeting(mysql_packet(payload)))


# RabbitMQ

AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


def test_rabbitmq_is_ready_when_it_starts_a_connection() -> None:
    start = struct.pack("!BHIHH", 1, 0, 500, 10, 10) + b"\0\x09" + bytes(498)

    assert seen_by("amqp", answering((AMQP_HEADER, start))) == ""


def test_a_broker_of_another_amqp_version_is_not_ready() -> None:
    assert "another version" in seen_by("amqp", answering((AMQP_HEADER, b"AMQP\x00\x01\x00\x00...")))


# NATS

INFO = b'INFO {"server_id":"N","version":"2.10"}\r\n'


def nats(answer: bytes, asked: list[dict[str, object]]) -> Conversation:
    def conversation(client: socket.socket) -> None:
        client.sendall(INFO)
        received = b""
        while not received.endswith(b"PING\r\n"):
            received += client.recv(1000)
        asked.append(json.loads(received.split(b"\r\n")[0].removeprefix(b"CONNECT ")))
        client.sendall(answer)
        client.recv(100)

    return conversation


def test_nats_is_ready_when_it_answers_pong() -> None:
    asked: list[dict[str, object]] = []

    assert seen_by("nats", nats(INFO + b"PONG\r\n", asked), user="u", password="p") == ""
    assert {"user": "u", "pass": "p"}.items() <= asked[0].items()


def test_nats_that_refuses_the_login_is_not_ready() -> None:
    assert "Authorization Violation" in seen_by("nats", nats(b"-ERR 'Authorization Violation'\r\n", []))


# Kafka

BROKER = struct.pack("!ih", 1, 9) + b"localhost" + struct.pack("!ih", 9092, -1)


def kafka_answer(key: int, body: bytes) -> bytes:
    return struct.pack("!ii", len(body) + 4, key) + body


def kafka_request(key: int, version: int, body: bytes = b"") -> bytes:
    request = struct.pack("!hhih", key, version, key, 8) + b"ci-itest" + body
    return struct.pack("!i", len(request)) + request


def api_versions(*, metadata: tuple[int, int]) -> tuple[bytes, bytes]:
    body = struct.pack("!hi", 0, 2) + struct.pack("!hhh", 18, 0, 3) + struct.pack("!hhh", 3, *metadata)
    return kafka_request(18, 0), kafka_answer(18, body)


def test_kafka_is_ready_when_the_broker_has_a_controller() -> None:
    metadata = (
        kafka_request(3, 1, struct.pack("!i", 0)),
        kafka_answer(3, struct.pack("!i", 1) + BROKER + struct.pack("!ii", 1, 0)),
    )

    assert seen_by("kafka", answering(api_versions(metadata=(0, 12)), metadata)) == ""


def test_a_younger_kafka_is_asked_in_its_lowest_version() -> None:
    body = struct.pack("!ii", 0, 1) + BROKER + struct.pack("!h", 7) + b"cluster" + struct.pack("!ii", 1, 0)
    metadata = (kafka_request(3, 4, struct.pack("!i", 0) + b"\0"), kafka_answer(3, body))

    assert seen_by("kafka", answering(api_versions(metadata=(4, 12)), metadata)) == ""


def test_kafka_without_a_controller_is_not_ready() -> None:
    metadata = (
        kafka_request(3, 1, struct.pack("!i", 0)),
        kafka_answer(3, struct.pack("!i", 0) + struct.pack("!ii", -1, 0)),
    )

    seen = seen_by("kafka", answering(api_versions(metadata=(0, 12)), metadata))

    assert seen == "the cluster has 0 brokers and no controller"


def test_kafka_that_answers_an_error_is_not_ready() -> None:
    answer = kafka_answer(18, struct.pack("!hi", 35, 0))

    assert "error 35" in seen_by("kafka", answering((kafka_request(18, 0), answer)))


# MongoDB


def mongo_answer(document: bytes) -> bytes:
    body = struct.pack("<Ib", 0, 0) + document
    return struct.pack("<iiii", len(body) + 16, 9, 1, 2013) + body


def test_mongo_is_ready_when_hello_is_ok() -> None:
    assert seen_by("mongo", saying(mongo_answer(bson(me="x", ok=1.0)))) == ""


def test_mongo_too_old_for_hello_is_ready() -> None:
    answer = mongo_answer(bson(ok=0.0, errmsg="no such command: 'hello'", code=59.0))

    assert seen_by("mongo", saying(answer)) == ""


def test_mongo_that_is_not_ok_says_why() -> None:
    answer = mongo_answer(bson(ok=0.0, errmsg="node is in startup", code=91.0))

    assert seen_by("mongo", saying(answer)) == "hello was answered: node is in startup"


# MQTT

MQTT_CONNECT = b"\x10\x14\x00\x04MQTT\x04\x02\x00\x05\x00\x08ci-itest"
MQTT_LOGIN = b"\x10\x1d\x00\x04MQTT\x04\xc2\x00\x05\x00\x08ci-itest\x00\x03ann\x00\x02pw"


def test_mqtt_is_ready_when_the_broker_lets_a_client_in() -> None:
    assert seen_by("mqtt", answering((MQTT_CONNECT, b"\x20\x02\x00\x00"))) == ""


def test_mqtt_is_asked_with_the_credentials_there_are() -> None:
    assert seen_by("mqtt", answering((MQTT_LOGIN, b"\x20\x02\x00\x00")), user="ann", password="pw") == ""


def test_a_long_mqtt_login_has_its_length_in_two_bytes() -> None:
    connect = b"\x10\x8e\x02\x00\x04MQTT\x04\x82\x00\x05\x00\x08ci-itest\x00\xf8" + b"u" * 248

    assert seen_by("mqtt", answering((connect, b"\x20\x02\x00\x00")), user="u" * 248) == ""


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b"\x20\x02\x00\x05", "nobody is let in without a login"),
        (b"\x20\x02\x00\x03", "the broker is not available"),
        (b"\x20\x02\x00\x63", "CONNECT was refused with code 99"),
        (b"HTTP", "CONNECT was answered 'HTTP'"),
    ],
)
def test_mqtt_that_lets_nobody_in_says_why(answer: bytes, seen: str) -> None:
    assert seen_by("mqtt", saying(answer)) == seen


# memcached and HTTP


def test_memcached_is_ready_when_it_tells_its_version() -> None:
    assert seen_by("memcached", answering((b"version\r\n", b"VERSION 1.6.31\r\n"))) == ""


def test_memcached_that_answers_an_error_is_not_ready() -> None:
    assert "ERROR" in seen_by("memcached", answering((b"version\r\n", b"ERROR\r\n")))


@pytest.mark.parametrize("status", ["yellow", "green"])
def test_a_search_cluster_that_is_well_is_ready(status: str) -> None:
    assert seen_by("search", http(200, json.dumps({"status": status}).encode())) == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(200, b'{"status": "red"}'), "says red"),
        (http(503, b'{"status": "green"}'), "status 503"),
        (http(200, b"[]"), "tells no status"),
        (http(200, b"<html>"), "tells no status"),
    ],
)
def test_a_search_cluster_that_is_not_well_is_not_ready(answer: Conversation, words: str) -> None:
    assert words in seen_by("search", answer)


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        ("minio", "/minio/health/ready"),
        ("mailpit", "/readyz"),
        ("localstack", "/_localstack/health"),
        ("wiremock", "/__admin/health"),
    ],
)
def test_a_server_with_a_health_path_is_ready_when_that_answers(protocol: str, path: str) -> None:
    asked: list[str] = []

    def conversation(client: socket.socket) -> None:
        asked.append(client.recv(1000).decode().split()[1])
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    assert seen_by(protocol, conversation) == ""
    assert asked == [path]
    assert "status 503" in seen_by(protocol, http(503))


# All of them


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_protocol_takes_a_proxy_without_a_server_for_ready(protocol: str) -> None:
    assert "closed" in seen_by(protocol, lambda _client: None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_protocol_takes_a_silent_server_for_ready(protocol: str) -> None:
    assert seen_by(protocol, greeting(b""), seconds=0.05) == "no answer within 0.05 s"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nobody_there_is_connection_refused(protocol: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))

        assert protocol_probe(protocol, Target("127.0.0.1", held.getsockname()[1]))() == "connection refused"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.binary(min_size=1, max_size=64))
def test_garbage_is_never_taken_for_ready(protocol: str, answer: bytes) -> None:
    def conversation(client: socket.socket) -> None:
        client.sendall(answer)

    with serving(conversation) as port:
        assert protocol_probe(protocol, Target("127.0.0.1", port, {"password": "x"}))()


@pytest.mark.parametrize("kind", ["http", "port", "command", "log", "healthcheck"])
def test_every_kind_of_check_is_told_in_words(kind: str) -> None:
    assert check_words(ReadyCheck(kind, "/value"))
