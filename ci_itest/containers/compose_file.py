"""A Compose file, resolved by Compose itself, made into one that Compose starts for a shard.

Nothing of Compose's language is read here but the plain document that `config` answers with: interpolated, merged,
profiles applied. What is changed makes it safe beside other shards on one engine, and removable by label.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_itest.containers.block import Block
from ci_itest.containers.engine import LOOPBACK
from ci_itest.containers.known_images import KnownImage, known_image
from ci_itest.containers.presets import credentials_of
from ci_itest.model.services import ReadyCheck, ServiceSpec
from ci_itest.model.settings import Seconds

Document = dict[str, Any]

_COMPLETED = "service_completed_successfully"
_DEFAULT_NETWORK = "default"
_HEALTH_SECONDS = 0.5  # between two runs of a HEALTHCHECK; what Compose waits for is no earlier known than asked
_HEALTH_INTERVAL = 30.0  # Docker's default
_HEALTH_RETRIES = 3  # Docker's default
_OWN_NETWORK_MODES = ("host", "none", "service:", "container:")


@dataclass(frozen=True, slots=True)
class ComposedService:
    """One service of the document.

    Attributes:
        spec: As if it stood in the settings; its check is what there is to wait for after its HEALTHCHECK.
        has_health: Whether it has a HEALTHCHECK.
        is_one_shot: Whether it is to end by itself.
        is_built: Whether its image is built, not pulled.
    """

    spec: ServiceSpec
    has_health: bool
    is_one_shot: bool
    is_built: bool


@dataclass(frozen=True, slots=True)
class Composed:
    """What to hand to Compose, and what will run then."""

    document: Document = field(repr=False)
    services: tuple[ComposedService, ...]


def composed(
    document: Document, *, block: Block, project: str, one_shot: Sequence[str], ready_seconds: float, is_local: bool
) -> Composed:
    """The document of a shard's own project.

    Names that would clash with another shard's are taken out, ports are the kernel's choice on loopback, everything
    is labelled with its owner, and the network is the shard's. Networks and volumes that are `external` stay.

    Args:
        document: What `compose config --format json` answers.
        one_shot: Services that end by themselves although nobody waits for it.
        is_local: Whether the engine runs on this machine, so that ports stay on loopback.
    """
    services: dict[str, Document] = document.get("services") or {}
    awaited = {
        name
        for service in services.values()
        for name, how in (service.get("depends_on") or {}).items()
        if how.get("condition") == _COMPLETED
    }
    found = []
    for name, service in services.items():
        ends = name in one_shot or name in awaited
        found.append(_composed_service(name, service, ends=ends, ready_seconds=ready_seconds))
    made = {one.spec.name: _changed(services[one.spec.name], one, block=block, is_local=is_local) for one in found}
    whole = {
        **document,
        "name": project,
        "services": made,
        "networks": _networks(document.get("networks") or {}, block=block, project=project),
        "volumes": _owned(document.get("volumes") or {}, block=block, project=project),
    }
    return Composed(whole, tuple(found))


def _composed_service(name: str, service: Document, *, ends: bool, ready_seconds: float) -> ComposedService:
    image = str(service.get("image") or "")
    known = known_image(image) if image and not service.get("build") else None
    targets = [] if ends else _targets(service, known)
    port = known.port if known and known.port in targets else next(iter(targets), 0)
    health = service.get("healthcheck") or {}
    spec = ServiceSpec(
        name=name,
        image=image or f"built from {(service.get('build') or {}).get('context', '')}",
        ready=_check(known, port=port, targets=targets),
        port=port,
        url=known.url if known and port == known.port else "http://{host}:{port}" if port else "",
        credentials=_credentials(known, _environment(service), tuple(service.get("command") or ())),
        ready_seconds=ready_seconds,
        ports=_further_ports(service, known, [target for target in targets if target != port]),
    )
    has_health = bool(health.get("test")) and not health.get("disable") and health.get("test") != ["NONE"]
    return ComposedService(
        spec, has_health=has_health and not ends, is_one_shot=ends, is_built=bool(service.get("build"))
    )


def _check(known: KnownImage | None, *, port: int, targets: Sequence[int]) -> ReadyCheck:
    if known and port == known.port and port in targets:
        return ReadyCheck("preset", known.protocol)
    return ReadyCheck("port") if port else ReadyCheck("started")


def _targets(service: Document, known: KnownImage | None) -> list[int]:
    """Ports inside the container that tests reach: those it publishes or exposes, else those it is known to serve."""
    if str(service.get("network_mode") or "").startswith(_OWN_NETWORK_MODES):
        return []
    published = [int(port["target"]) for port in service.get("ports") or () if port.get("protocol", "tcp") == "tcp"]
    exposed = [str(port) for port in service.get("expose") or ()]
    single = [int(port.removesuffix("/tcp")) for port in exposed if port.removesuffix("/tcp").isdecimal()]
    of_known = [known.port, *known.ports.values()] if known else []
    return list(dict.fromkeys([*published, *single] or of_known))


def _further_ports(service: Document, known: KnownImage | None, targets: Sequence[int]) -> dict[str, int]:
    names = {int(port["target"]): str(port["name"]) for port in service.get("ports") or () if port.get("name")}
    names |= {number: name for name, number in known.ports.items()} if known else {}
    return {names.get(target, str(target)): target for target in targets}


def _environment(service: Document) -> dict[str, str]:
    # A dollar that is meant stands doubled in what `config` answers.
    given = service.get("environment") or {}
    return {name: str(value).replace("$$", "$") for name, value in given.items() if value is not None}


def _credentials(known: KnownImage | None, environment: Mapping[str, str], command: tuple[str, ...]) -> dict[str, str]:
    if known is None:
        return {}
    found = dict(credentials_of(known, environment=environment, command=command))
    for name, value in known.unset.items():
        if filled := found.get(value.strip("{}"), "") if value.startswith("{") else value:
            found.setdefault(name, filled)
    # The root password is no login by itself where the image has made a user.
    return found | ({"database": ""} if known.url.endswith("{database}") and "database" not in found else {})


def _changed(service: Document, one: ComposedService, *, block: Block, is_local: bool) -> Document:
    name = one.spec.name
    left = {
        key: value
        for key, value in service.items()
        # A fixed name clashes, a restart hides a death, another log driver keeps the log from us.
        if key not in ("container_name", "restart", "logging", "profiles", "pull_policy", "ports")
    }
    deploy = {key: value for key, value in (service.get("deploy") or {}).items() if key != "restart_policy"}
    changes: Document = {
        "labels": {**(service.get("labels") or {}), **_escaped(block.labels_of(one.spec))},
        **({"deploy": deploy} if deploy else {}),
        **({"healthcheck": _quicker(service["healthcheck"])} if one.has_health else {}),
        **({"ports": ports} if (ports := _ports(service, one, is_local=is_local)) else {}),
        **({"image": _built_name(name, service["build"])} if one.is_built and not service.get("image") else {}),
    }
    return left | changes


def _escaped(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace("$", "$$") for name, value in labels.items()}


def _built_name(name: str, build: Document) -> str:
    """Always the same for the same folder, so that the layers of the last build stay for the next."""
    return f"ci-itest/{name.lower()}:{hashlib.sha256(json.dumps(build, sort_keys=True).encode()).hexdigest()[:12]}"


def _ports(service: Document, one: ComposedService, *, is_local: bool) -> list[Document]:
    """Every port published, none at a number of its own choosing."""
    where = {"host_ip": LOOPBACK} if is_local else {}
    given = [
        {"target": int(port["target"]), "protocol": port.get("protocol", "tcp")} for port in service.get("ports") or ()
    ]
    tcp = [{"target": port, "protocol": "tcp"} for port in (one.spec.port, *one.spec.ports.values()) if port]
    if one.is_one_shot or str(service.get("network_mode") or "").startswith(_OWN_NETWORK_MODES):
        return []
    distinct = {(port["target"], port["protocol"]): port for port in [*given, *tcp]}
    return [{**port, **where, "mode": "ingress"} for port in distinct.values()]


def _quicker(health: Document) -> Document:
    """A HEALTHCHECK that is run twice a second, and as long in all as it would be before it is given up."""
    interval = _seconds(health.get("interval"), _HEALTH_INTERVAL)
    if interval <= _HEALTH_SECONDS:
        return health
    retries = int(health.get("retries") or _HEALTH_RETRIES)
    return {**health, "interval": f"{_HEALTH_SECONDS}s", "retries": math.ceil(retries * interval / _HEALTH_SECONDS)}


def _seconds(text: object, default: float) -> float:
    try:
        return float(Seconds.parse(text)) if text else default
    except ValueError:
        return default


def _networks(networks: Document, *, block: Block, project: str) -> Document:
    owned = _owned(networks, block=block, project=project)
    default = networks.get(_DEFAULT_NETWORK)
    if default is not None and not any(value for key, value in default.items() if key != "name"):
        # As it comes, so it can be the one that our own services and apps share.
        owned[_DEFAULT_NETWORK] = {"name": block.name, "external": True}
    return owned


def _owned(things: Document, *, block: Block, project: str) -> Document:
    """Networks or volumes, each this project's own and labelled; those of others stay."""
    return {
        key: thing
        if (thing or {}).get("external")
        else {
            **(thing or {}),
            "name": f"{project}_{key}",
            "labels": {**((thing or {}).get("labels") or {}), **block.labels},
        }
        for key, thing in things.items()
    }
