from __future__ import annotations

import pytest

from ci_itest.containers.known_images import KNOWN_IMAGES, known_image
from ci_itest.containers.readiness import check_words
from ci_itest.model.services import ReadyCheck

PROMISED = [
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "valkey",
    "rabbitmq",
    "nats",
    "kafka",
    "mongo",
    "elasticsearch",
    "opensearch",
    "memcached",
    "mosquitto",
    "minio",
    "mailpit",
    "localstack",
    "wiremock",
]


def test_every_promised_image_is_known() -> None:
    assert [image.name for image in KNOWN_IMAGES] == PROMISED


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("redis:7", "redis"),
        ("docker.io/library/postgres:16-alpine", "postgres"),
        ("127.0.0.1:5599/library/postgres:15", "postgres"),
        ("opensearchproject/opensearch:2", "opensearch"),
        ("docker.elastic.co/elasticsearch/elasticsearch:8.15.0", "elasticsearch"),
        ("postgres@sha256:" + "0" * 64, "postgres"),
        ("postgis/postgis:16-3.4", "postgres"),
        ("pgvector/pgvector:pg16", "postgres"),
        ("valkey/valkey:8", "valkey"),
        ("apache/kafka:3.9.0", "kafka"),
        ("mirror.example.com/hub/apache/kafka-native:4.0.0", "kafka"),
        ("axllent/mailpit", "mailpit"),
        ("eclipse-mosquitto:2", "mosquitto"),
        ("localstack/localstack:4", "localstack"),
        ("wiremock/wiremock:3.9.1", "wiremock"),
        ("quay.io/minio/minio:latest", "minio"),
        ("ghcr.io/acme/postgres:15-with-extensions", "postgres"),
    ],
)
def test_an_image_is_known_by_its_repository_wherever_it_lies(image: str, name: str) -> None:
    found = known_image(image)

    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "image",
    [
        "bitnami/postgresql:16",
        "bitnami/redis:7",
        "mirror.example.com/bitnamilegacy/kafka:3",
        "cgr.dev/chainguard/postgres",
        "wurstmeister/kafka",
        "confluentinc/cp-kafka:7",
        "acme/shop:1",
        "rediscommander/redis-commander",
    ],
)
def test_an_image_that_takes_other_settings_is_not_taken_for_a_known_one(image: str) -> None:
    assert known_image(image) is None


@pytest.mark.parametrize("image", KNOWN_IMAGES, ids=lambda image: image.name)
def test_every_known_image_can_be_asked_whether_it_serves(image: object) -> None:
    protocol = image.protocol  # type: ignore[attr-defined]

    assert check_words(ReadyCheck("preset", protocol))
