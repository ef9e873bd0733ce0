"""A registry on loopback for one engine: what the store has is served from it, the rest fetched, checked and kept.

The engine needs no configuration for it: it takes 127.0.0.0/8 without TLS. Only digests are served; what a tag stands
for is decided before. A blob is fetched whole before its first byte is passed on, so the engine never gets, and the
store never keeps, a part of one or a wrong one; on loopback the detour takes a tenth of a second per 100 MB.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ci_itest.containers.cache.manifests import MANIFEST_TYPES, parse_manifest
from ci_itest.containers.cache.store import BlobStore, WrongDigestError, is_digest
from ci_itest.containers.cache.upstream import Registry, Writable
from ci_itest.errors import CiItestError, RegistryError

LOOPBACK = "127.0.0.1"
_SILENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image can be had, one of perhaps several places.

    Attributes:
        repository: Path on that registry.
    """

    registry: Registry
    repository: str


@dataclass(slots=True)
class _Served:
    """One image's repository on the proxy, and what went wrong with it."""

    sources: Sequence[Source]
    trouble: list[CiItestError] = field(default_factory=list)


class Proxy:
    """A running proxy; made by `serving`.

    Attributes:
        address: `127.0.0.1:<port>`.
    """

    def __init__(self, store: BlobStore, address: str) -> None:
        self.address = address
        self._store = store
        self._served: dict[str, _Served] = {}
        self._busy: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._fetches = 0
        self._fetch_ended = threading.Condition(self._lock)
        self._is_over = threading.Event()

    def close(self) -> None:
        """Give up what is being fetched, and return when nothing is written any more."""
        self._is_over.set()
        with self._fetch_ended:
            self._fetch_ended.wait_for(lambda: not self._fetches, timeout=_SILENCE_SECONDS)

    def offer(self, path: str, sources: Sequence[Source]) -> str:
        """Serve a repository under this path from now on; its name for the engine.

        Args:
            sources: Asked in order for what the store does not have; empty for the store alone.
        """
        with self._lock:
            self._served.setdefault(path, _Served(())).sources = tuple(sources)
        return f"{self.address}/{path}"

    def trouble(self, path: str) -> CiItestError | None:
        """What went wrong last with a repository, in our own words: the engine's are those of a broken pull."""
        with self._lock:
            found = self._served.get(path)
            return found.trouble[-1] if found and found.trouble else None

    def manifest(self, path: str, digest: str) -> bytes:
        """A manifest of a repository that is offered, kept from now on.

        Raises:
            RegistryError: It is not to be had.
            FileError: It cannot be kept.
        """
        served = self._of(path)
        with self._one_at_a_time(digest):
            data = self._store.read(digest)
            if data is None:
                data = self._first(served, lambda source: source.registry.manifest(source.repository, digest))
                self._store.put(data)
        return data

    def blob(self, path: str, digest: str) -> Path:
        """The file of a blob; raises as `manifest` does."""
        served = self._of(path)
        with self._one_at_a_time(digest):
            found = self._store.path(digest)
            if found is not None:
                return found
            self._first(served, lambda source: self._fetch(source, digest))
            found = self._store.path(digest)
            if found is None:
                raise RegistryError(f"{digest} vanished from the cache.")
            return found

    def _fetch(self, source: Source, digest: str) -> None:
        with self._lock:
            self._fetches += 1
        try:
            with self._store.writing(digest) as file:
                source.registry.blob(source.repository, digest, _Until(self._is_over, file))
        except WrongDigestError as error:
            source.registry.refuse_content(digest, error.found)
        finally:
            with self._fetch_ended:
                self._fetches -= 1
                self._fetch_ended.notify_all()

    def _first(self, served: _Served, get: Any) -> Any:
        """What the first source gives; the last one's refusal when none does."""
        refusal: RegistryError | None = None
        for source in served.sources:
            try:
                return get(source)
            except RegistryError as error:
                refusal = error
        raise refusal or RegistryError("The cache does not have it, and no registry is known for it.", status=404)

    def _of(self, path: str) -> _Served:
        with self._lock:
            if found := self._served.get(path):
                return found
        raise RegistryError(f"{path} is not offered here.", status=404)

    def _note(self, path: str, error: CiItestError) -> None:
        with self._lock:
            if found := self._served.get(path):
                found.trouble.append(error)

    @contextlib.contextmanager
    def _one_at_a_time(self, digest: str) -> Iterator[None]:
        """Two images that share a layer fetch it once."""
        with self._lock:
            busy = self._busy.setdefault(digest, threading.Lock())
        with busy:
            yield


@dataclass(frozen=True, slots=True)
class _Until:
    """A target that takes nothing more once it is all over."""

    is_over: threading.Event
    target: Writable

    def write(self, data: bytes) -> int:
        if self.is_over.is_set():
            raise RegistryError("The pull was given up.")
        return self.target.write(data)


@contextlib.contextmanager
def serving(store: BlobStore) -> Iterator[Proxy]:
    """A proxy that serves while the block runs, on a port that the kernel picks."""
    server = _Server((LOOPBACK, 0), _Handler)
    server.proxy = Proxy(store, f"{LOOPBACK}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.proxy
    finally:
        server.proxy.close()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An engine that hangs up, since its pull was given up, is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of /v2/, manifests and blobs."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Nobody reads it."""

    def _answer(self) -> None:
        if self.path in ("/v2/", "/v2"):
            self._send(b"{}", "application/json")
            return
        path, kind, digest = _parts(self.path)
        if kind not in ("manifests", "blobs") or not is_digest(digest):
            self._refuse(404, "MANIFEST_UNKNOWN", "Only digests are served here.")
            return
        try:
            if kind == "manifests":
                data = self.server.proxy.manifest(path, digest)
                manifest = parse_manifest(data)
                self._send(data, manifest.media_type if manifest else MANIFEST_TYPES[0], digest)
            else:
                self._send_file(self.server.proxy.blob(path, digest), digest)
        except CiItestError as error:
            self.server.proxy._note(path, error)
            # The one answer after which no engine tries again: it would be of no use, and takes a minute.
            self._refuse(403, "DENIED", error.message)

    def _send(self, data: bytes, content_type: str, digest: str = "") -> None:
        self._send_head(200, len(data), content_type, digest)
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_file(self, path: Path, digest: str) -> None:
        with path.open("rb") as file:
            self._send_head(200, path.stat().st_size, "application/octet-stream", digest)
            if self.command != "HEAD":
                self.wfile.flush()
                self.connection.sendfile(file)

    def _send_head(self, status: int, size: int, content_type: str, digest: str) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(size))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def _refuse(self, status: int, code: str, words: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": words}]}).encode()
        self._send_head(status, len(body), "application/json", "")
        if self.command != "HEAD":
            self.wfile.write(body)


def _parts(path: str) -> tuple[str, str, str]:
    """`/v2/<path>/<kind>/<digest>` taken apart; "" for what is not there."""
    rest = path.partition("?")[0].removeprefix("/v2/")
    rest, _, digest = rest.rpartition("/")
    name, _, kind = rest.rpartition("/")
    return name, kind, digest
