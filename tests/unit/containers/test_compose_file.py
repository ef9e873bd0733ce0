"""What becomes of a Compose file that Compose has resolved."""

from __future__ import annotations

from typing import Any

import pytest

from ci_itest.containers.block import Block
from ci_itest.containers.compose_file import Composed, ComposedService, composed
from ci_itest.containers.owner import Owner
from ci_itest.model.services import ReadyCheck

BLOCK = Block.of(Owner("run", "main-1", "boot", 70, "500"))


def of(document: dict[str, Any], *, one_shot: tuple[str, ...] = (), is_local: bool = True) -> Composed:
    return composed(document, block=BLOCK, project="p", one_shot=one_shot, ready_seconds=60.0, is_local=is_local)


def service(**keys: Any) -> tuple[ComposedService, dict[str, Any]]:
    """The one service of a document, and what Compose gets for it."""
    whole = of({"services": {"one": keys}})
    return whole.services[0], whole.document["services"]["one"]


def test_nothing_of_a_service_can_clash_with_another_shards() -> None:
    one, made = service(
        image="x",
        container_name="fixed",
        restart="always",
        ports=[
            {"target": 80, "published": "8080", "protocol": "tcp"},
            {"target": 53, "published": "53", "protocol": "udp"},
        ],
        logging={"driver": "none"},
        profiles=["ci"],
        labels={"own": "label"},
    )

    assert made["ports"] == [
        {"target": 80, "protocol": "tcp", "host_ip": "127.0.0.1", "mode": "ingress"},
        {"target": 53, "protocol": "udp", "host_ip": "127.0.0.1", "mode": "ingress"},
    ]
    assert not made.keys() & {"container_name", "restart", "logging", "profiles"}
    assert made["labels"] == {"own": "label", **BLOCK.labels_of(one.spec)}


def test_networks_and_volumes_are_the_shards_own_unless_they_are_external() -> None:
    document = of(
        {
            "services": {},
            "networks": {
                "default": {"name": "dir_default", "ipam": {}},
                "back": {"name": "b"},
                "corp": {"external": True},
            },
            "volumes": {"data": {"name": "fixed"}, "kept": {"name": "kept", "external": True}, "plain": None},
        }
    ).document

    assert document["networks"]["default"] == {"name": BLOCK.name, "external": True}
    assert document["networks"]["back"] == {"name": "p_back", "labels": dict(BLOCK.labels)}
    assert document["networks"]["corp"] == {"external": True}
    assert document["volumes"]["data"] == {"name": "p_data", "labels": dict(BLOCK.labels)}
    assert document["volumes"]["kept"] == {"name": "kept", "external": True}
    assert document["volumes"]["plain"]["name"] == "p_plain"


def test_a_default_network_with_settings_of_its_own_keeps_them() -> None:
    network = {"name": "n", "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}

    made = of({"services": {}, "networks": {"default": network}}).document["networks"]["default"]

    assert made == {**network, "name": "p_default", "labels": dict(BLOCK.labels)}


@pytest.mark.parametrize(
    ("keys", "check", "port"),
    [
        ({"image": "postgres:16"}, ReadyCheck("preset", "postgres"), 5432),
        ({"image": "acme/app", "expose": ["8000"]}, ReadyCheck("port"), 8000),
        ({"image": "acme/worker"}, ReadyCheck("started"), 0),
        ({"image": "redis:7", "ports": [{"target": 7000, "protocol": "tcp"}]}, ReadyCheck("port"), 7000),
        ({"image": "redis:7", "network_mode": "host"}, ReadyCheck("started"), 0),
        ({"image": "redis:7", "build": {"context": "/x"}, "expose": ["6379"]}, ReadyCheck("port"), 6379),
    ],
)
def test_what_is_waited_for_follows_image_and_ports(keys: dict[str, Any], check: ReadyCheck, port: int) -> None:
    one, _ = service(**keys)

    assert (one.spec.ready, one.spec.port) == (check, port)


@pytest.mark.parametrize(
    ("image", "environment", "credentials"),
    [
        ("postgres", {"POSTGRES_PASSWORD": "p$$w"}, {"user": "postgres", "password": "p$w", "database": "postgres"}),
        (
            "postgres",
            {"POSTGRES_USER": "me", "POSTGRES_PASSWORD": "p"},
            {"user": "me", "password": "p", "database": "me"},
        ),
        ("rabbitmq", {}, {"user": "guest", "password": "guest"}),
        (
            "mysql",
            {"MYSQL_ROOT_PASSWORD": "r"},
            {"user": "root", "password": "r", "root_password": "r", "database": ""},
        ),
        ("acme/app", {"POSTGRES_PASSWORD": "p"}, {}),
    ],
)
def test_credentials_are_the_files_own_else_the_images(
    image: str, environment: dict[str, str], credentials: dict[str, str]
) -> None:
    one, _ = service(image=image, environment=environment)

    assert one.spec.credentials == credentials


def test_a_health_check_is_run_more_often_and_given_up_no_sooner() -> None:
    one, made = service(image="x", healthcheck={"test": ["CMD", "true"], "interval": "10s", "retries": 5})

    assert one.has_health
    assert made["healthcheck"] == {"test": ["CMD", "true"], "interval": "0.5s", "retries": 100}


@pytest.mark.parametrize("health", [{"disable": True, "test": ["CMD", "x"]}, {"test": ["NONE"]}, {"interval": "1s"}])
def test_a_health_check_that_is_switched_off_is_none(health: dict[str, Any]) -> None:
    assert not service(image="x", healthcheck=health)[0].has_health


def test_who_is_waited_for_to_complete_is_a_one_shot() -> None:
    whole = of(
        {
            "services": {
                "web": {"image": "x", "depends_on": {"migrate": {"condition": "service_completed_successfully"}}},
                "migrate": {"image": "postgres", "expose": ["1"]},
                "seed": {"image": "x"},
            }
        },
        one_shot=("seed",),
    )

    assert {one.spec.name: one.is_one_shot for one in whole.services} == {"web": False, "migrate": True, "seed": True}
    assert "ports" not in whole.document["services"]["migrate"]


def test_an_image_built_from_the_same_folder_has_the_same_name() -> None:
    names = [service(build={"context": folder})[1]["image"] for folder in ("/a", "/a", "/b")]

    assert names[0] == names[1] != names[2]
    assert service(build={"context": "/a"}, image="acme/app")[1]["image"] == "acme/app"


def test_ports_on_an_engine_far_away_are_not_bound_to_its_loopback() -> None:
    whole = of({"services": {"one": {"image": "redis"}}}, is_local=False)

    assert whole.document["services"]["one"]["ports"] == [{"target": 6379, "protocol": "tcp", "mode": "ingress"}]
