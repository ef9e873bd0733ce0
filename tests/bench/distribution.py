"""The distribution this machine runs, and where it gets its packages: images are built from the same places."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from tests.bench.commands import output_of

# Docker's names for Debian's architectures.
DOCKER_ARCHITECTURES = {"amd64": "amd64", "arm64": "arm64", "armhf": "arm", "i386": "386", "ppc64el": "ppc64le"}


@dataclass(frozen=True)
class Distribution:
    """A release of Debian, Ubuntu or another one with apt; empty where it is none.

    Attributes:
        name: As os-release has it, such as debian.
        codename: Such as bookworm.
        architecture: As Debian names it.
    """

    name: str
    codename: str
    architecture: str


@dataclass(frozen=True)
class Archives:
    """Where packages come from.

    Attributes:
        sources: Lines for sources.list, only the distribution's own archives; empty where apt knows none.
        acquire: apt settings on how to fetch (proxies, certificates), as lines of apt.conf.
    """

    sources: tuple[str, ...]
    acquire: tuple[str, ...]


def read() -> Distribution:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    architecture = output_of(["dpkg", "--print-architecture"]).strip()
    return Distribution(release.get("ID", ""), release.get("VERSION_CODENAME", ""), architecture)


def archives(distribution: Distribution) -> Archives:
    """As apt has them configured; takes a second."""
    return Archives(_sources(distribution.name, distribution.codename), _acquire())


def _sources(name: str, codename: str) -> tuple[str, ...]:
    """The distribution's own among all sources: another vendor's archive may carry another PostgreSQL."""
    fields = "$(ORIGIN) $(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)"
    listed = output_of(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    rows = [row.split() for row in listed.splitlines()]
    keyring = next((str(path) for path in Path("/usr/share/keyrings").glob(f"{name}-archive-keyring.*")), "")
    signed = f"[signed-by={keyring}] " if keyring else ""
    return tuple(
        f"deb {signed}{address} {suite} {component}"
        for origin, its_codename, address, suite, component in (row for row in rows if len(row) == 5)
        if origin.lower() == name and its_codename.startswith(codename)
    )


def _acquire() -> tuple[str, ...]:
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::ForceIPv")
    lines = output_of(["apt-config", "dump"]).splitlines()
    return tuple(line for line in lines if line.startswith(wanted) and not line.endswith(' "";'))
