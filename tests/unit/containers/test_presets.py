from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ci_itest.containers.known_images import KNOWN_IMAGES
from ci_itest.containers.presets import service_url
from ci_itest.errors import ServiceError, SettingsError
from ci_itest.model.services import ReadyCheck
from ci_itest.model.settings import ReadySettings, Seconds
from tests.helpers.containers import spec, specs


def url_of(image: str, **settings: Any) -> str:
    return service_url(spec(image, **settings), host="h", port=1, ports={"smtp": 2})


def test_a_known_image_needs_nothing_else() -> None:
    postgres = spec("postgres:16-alpine")

    assert postgres.port == 5432
    assert postgres.ready == ReadyCheck("preset", "postgres")
    assert postgres.environment["POSTGRES_INITDB_ARGS"] == "--no-sync"
    assert postgres.environment["PGDATA"] in postgres.tmpfs
    assert "fsync=off" in postgres.command
    assert postgres.credentials == {"user": "test", "password": "test-password", "database": "test"}


@pytest.mark.parametrize("image", KNOWN_IMAGES, ids=lambda image: image.name)
def test_every_preset_is_complete(image: Any) -> None:
    filled = spec(image.repositories[0])

    assert filled.port
    assert filled.ready.kind == "preset"
    assert "{" not in service_url(filled, host="h", port=1, ports=dict.fromkeys(filled.ports, 2))
    assert not any("{name}" in value for value in filled.environment.values())


@pytest.mark.parametrize(
    ("image", "settings", "url"),
    [
        ("postgres:16", {}, "postgresql://test:test-password@h:1/test"),
        ("postgres:16", {"environment": {"POSTGRES_DB": "shop"}}, "postgresql://test:test-password@h:1/shop"),
        ("postgres:16", {"environment": {"POSTGRES_PASSWORD": "a/b@c"}}, "postgresql://test:a%2Fb%40c@h:1/test"),
        ("postgres:16", {"url": "postgresql+psycopg://{user}@{host}:{port}"}, "postgresql+psycopg://test@h:1"),
        ("redis:7", {}, "redis://h:1/0"),
        ("redis:7", {"command": ("--requirepass", "pw")}, "redis://:pw@h:1/0"),
        ("redis:7", {"command": ("redis-server", "--requirepass=pw")}, "redis://:pw@h:1/0"),
        ("mongo:7", {}, "mongodb://h:1"),
        (
            "mongo:7",
            {"environment": {"MONGO_INITDB_ROOT_USERNAME": "u", "MONGO_INITDB_ROOT_PASSWORD": "p"}},
            "mongodb://u:p@h:1",
        ),
        ("axllent/mailpit", {}, "smtp://h:2"),
        ("acme/own", {"port": 80, "url": "http://{host}:{port}/{{x}}"}, "http://h:1/{x}"),
        ("acme/own", {"port": 80}, ""),
    ],
)
def test_the_address_carries_what_the_service_was_started_with(
    image: str, settings: Mapping[str, Any], url: str
) -> None:
    assert url_of(image, **settings) == url


def test_every_field_of_a_preset_can_be_overridden() -> None:
    own = spec(
        "postgres:16",
        port=6000,
        environment={"PGDATA": "/elsewhere"},
        command=("-c", "log_statement=all"),
        tmpfs=("/elsewhere",),
        url="x://{host}",
        ready=ReadySettings(log="ready to accept"),
        ready_timeout=Seconds(3),
    )

    assert (own.port, own.command, own.tmpfs) == (6000, ("-c", "log_statement=all"), ("/elsewhere",))
    assert own.environment["PGDATA"] == "/elsewhere"
    assert own.environment["POSTGRES_DB"] == "test"
    assert (own.url, own.ready, own.ready_seconds) == ("x://{host}", ReadyCheck("log", "ready to accept"), 3.0)


def test_kafka_tells_containers_its_service_name() -> None:
    (events,) = specs(events="apache/kafka:3.9.0")

    assert events.environment["KAFKA_ADVERTISED_LISTENERS"] == "TESTS://{address},NETWORK://events:19092"


@pytest.mark.parametrize(
    ("ready", "check"),
    [
        (ReadySettings(http="/health"), ReadyCheck("http", "/health")),
        (ReadySettings(port=True), ReadyCheck("port")),
        (ReadySettings(command="true"), ReadyCheck("command", "true")),
        (ReadySettings(log="up"), ReadyCheck("log", "up")),
        (ReadySettings(healthcheck=True), ReadyCheck("healthcheck")),
    ],
)
def test_an_unknown_image_takes_its_own_ready_check(ready: ReadySettings, check: ReadyCheck) -> None:
    assert spec("acme/own", port=80, ready=ready).ready == check


def test_an_unknown_image_with_a_port_is_ready_when_the_port_is_served() -> None:
    assert spec("acme/own", port=80).ready == ReadyCheck("port")


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({"db": {}}, "Service db has no image."),
        ({"shop": {"image": "acme/shop"}}, "needs a port or a ready check"),
        ({"a b": {"image": "redis"}}, "cannot be called 'a b'"),
        ({"x": {"image": "redis", "needs": ("postgers",)}, "postgres": {"image": "postgres"}}, "mean postgres?"),
        ({"x": {"image": "redis", "ready": ReadySettings(http="/", port=True)}}, "2 of them: http and port"),
        ({"x": {"image": "redis", "ready": ReadySettings()}}, "it has none"),
        ({"x": {"image": "acme/x", "ready": ReadySettings(http="/")}}, "by http needs to know the port"),
        ({"x": {"image": "redis", "ready": ReadySettings(log="(")}}, "no regular expression"),
        ({"x": {"image": "redis", "url": "redis://{hots}"}}, "Did you mean host?"),
        ({"x": {"image": "redis", "url": "redis://{host"}}, "not closed"),
        ({"x": {"image": "redis", "url": "redis://{}"}}, "unknown placeholder {}"),
        ({"x": {"image": "redis", "url": "redis://{host.port}"}}, "unknown placeholder {host.port}"),
    ],
)
def test_a_mistake_is_refused_by_name(services: Mapping[str, Mapping[str, Any]], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        specs(**services)

    assert words in str(refused.value)


def test_services_that_wait_for_one_another_are_named_in_their_order() -> None:
    with pytest.raises(ServiceError, match=r"a needs b needs c needs a|b needs c needs a needs b|c needs a needs b"):
        specs(
            a={"image": "redis", "needs": ("b",)},
            b={"image": "redis", "needs": ("c",)},
            c={"image": "redis", "needs": ("a",)},
        )


def test_a_service_that_needs_itself_is_refused() -> None:
    with pytest.raises(ServiceError, match="a needs a"):
        specs(a={"image": "redis", "needs": ("a",)})


def test_credentials_stay_out_of_a_spec_that_is_shown() -> None:
    assert "test-password" not in repr(spec("postgres:16"))
