"""A registry on loopback, and as much of its HTTP interface as pushing an image takes.

The engine trusts 127.0.0.0/8 without TLS, so nothing has to be configured for it.
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from tests.bench import packages, servers
from tests.bench.progress import say, timed
from tests.bench.settings import BenchError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from tests.bench.settings import Settings

NAME = "docker-registry"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


def found(settings: Settings) -> bool:
    """Whether our registry runs on the port asked for."""
    ours = servers.running(settings, NAME)
    return ours is not None and ours.note == settings.registry and Client(settings.registry).answers()


def provide(settings: Settings) -> Client:
    """Our registry, started where it does not run.

    Raises:
        BenchError: Somebody else has the port, or it did not start.
    """
    client = Client(settings.registry)
    if found(settings):
        say("registry", f"our own answers at {settings.registry}")
        return client
    servers.stop(settings, NAME, seconds=10)  # on the port of an earlier call
    if client.answers():
        raise BenchError(
            f"Something else answers as a registry at {settings.registry}.",
            hint="Set CI_ITEST_BENCH_PORT to a free port.",
        )
    packages.provide(settings, packages.REGISTRY)
    configuration = settings.cache / "registry.yml"
    configuration.write_text(json.dumps(_configuration(settings)))  # JSON is YAML
    with timed("registry", f"started at {settings.registry}"):
        servers.start(
            settings,
            NAME,
            [packages.find("docker-registry"), "serve", str(configuration)],
            ready=client.answers,
            seconds=20,
            note=settings.registry,
        )
    return client


def stop(settings: Settings) -> None:
    with timed("registry", "stopped"):
        servers.stop(settings, NAME, seconds=20)


def _configuration(settings: Settings) -> dict[str, object]:
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(settings.cache / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": settings.registry},
    }


class Client:
    """A registry at `address` (host:port, no TLS, no login)."""

    def __init__(self, address: str) -> None:
        self.address = address

    def answers(self) -> bool:
        try:
            return self._ask("GET", "/v2/")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def digest(self, repository: str, tag: str) -> str:
        """The digest a tag stands for, "" where there is no such tag."""
        status, headers = self._ask("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST_TYPE})
        return headers.get("Docker-Content-Digest", "") if status == http.client.OK else ""

    def has_blob(self, repository: str, digest: str) -> bool:
        return self._ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == http.client.OK

    def put_blob(self, repository: str, digest: str, body: bytes | Path, *, mount_from: str = "") -> None:
        """Upload a blob; only name it where `mount_from`, another repository here, has it."""
        if self.has_blob(repository, digest):
            return
        query = f"?{urlencode({'mount': digest, 'from': mount_from})}" if mount_from else ""
        status, headers = self._ask("POST", f"/v2/{repository}/blobs/uploads/{query}", wanted=(201, 202))
        if status == http.client.CREATED:
            return
        place = urlsplit(headers["Location"])
        path = f"{place.path}?{place.query}&{urlencode({'digest': digest})}"
        if isinstance(body, bytes):
            self._ask("PUT", path, body=body, wanted=(201,))
        else:
            with body.open("rb") as file:
                self._ask("PUT", path, body=file, headers={"Content-Length": str(body.stat().st_size)}, wanted=(201,))

    def put_manifest(self, repository: str, tag: str, manifest: bytes) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        self._ask("PUT", path, body=manifest, headers={"Content-Type": MANIFEST_TYPE}, wanted=(201,))

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | BinaryIO | None = None,
        headers: dict[str, str] | None = None,
        wanted: tuple[int, ...] = (),
    ) -> tuple[int, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if wanted and answer.status not in wanted:
            raise BenchError(
                f"{method} {path} at {self.address}: {answer.status} {text[:300].decode(errors='replace')}"
            )
        return answer.status, answer.headers
