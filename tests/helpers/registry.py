"""A registry on loopback that serves images made here, and errs as it is told to."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with requests whose path has these words in it.

    Attributes:
        status: Answered instead; 0 for the right answer, cut or changed.
        headers: Of that answer.
        times: So often, then all is well; 0 for always.
        cut_after: Bytes of the body after which the connection is cut; None for none.
        flips: Whether one byte of the body is another one.
    """

    words: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 0
    cut_after: int | None = None
    flips: bool = False


@dataclass(frozen=True)
class MadeImage:
    """An image that the registry serves.

    Attributes:
        digest: Of its manifest.
        blobs: Digests of configuration and layers.
    """

    repository: str
    digest: str
    blobs: tuple[str, ...]


class FaultyRegistry:
    """What it serves, what it was asked, and what goes wrong.

    Attributes:
        asked: Method and path of each request, in order.
        authorizations: The Authorization header of each request, "" for none.
        login: "bearer" or "basic": who is let in is `user` with `password`; "" lets everybody in.
    """

    def __init__(self) -> None:
        self.address = ""
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self.ranges: list[str] = []
        self.faults: list[Fault] = []
        self.login = ""
        self.knows_ranges = True
        self._content: dict[str, tuple[bytes, str]] = {}
        self._blobs: dict[str, bytes] = {}
        self._token = "token-" + hashlib.sha256(repr(id(self)).encode()).hexdigest()[:8]

    def add(self, repository: str, tag: str, *, layers: Mapping[str, bytes] | None = None, size: int = 0) -> MadeImage:
        """An image of files; `size` adds a layer of so many bytes that do not compress."""
        tars = [_layer({name: content}) for name, content in (layers or {"greeting": b"hello"}).items()]
        if size:
            tars.append(_layer({"ballast": hashlib.shake_256(repository.encode()).digest(size)}))
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/greeting"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar) for tar in tars]},
            }
        ).encode()
        packed = [gzip.compress(tar, compresslevel=1, mtime=0) for tar in tars]
        for blob in (config, *packed):
            self._blobs[_digest(blob)] = blob
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(config),
                    "digest": _digest(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(blob),
                        "digest": _digest(blob),
                    }
                    for blob in packed
                ],
            }
        ).encode()
        digest = self._serve(repository, tag, manifest, MANIFEST)
        return MadeImage(repository, digest, tuple(_digest(blob) for blob in (config, *packed)))

    def add_based_on(self, source: str, repository: str, tag: str, *, layer: Mapping[str, bytes]) -> MadeImage:
        """An image of another registry (`host:port/repository:tag`) with one more layer; it runs as that one does."""
        host, _, rest = source.partition("/")
        base, _, reference = rest.rpartition(":")
        manifest = json.loads(_fetched(host, base, f"manifests/{reference}"))
        config = json.loads(_fetched(host, base, f"blobs/{manifest['config']['digest']}"))
        for one in manifest["layers"]:
            self._blobs[one["digest"]] = _fetched(host, base, f"blobs/{one['digest']}")
        tar = _layer(layer)
        packed = gzip.compress(tar, compresslevel=1, mtime=0)
        config["rootfs"]["diff_ids"].append(_digest(tar))
        config.pop("history", None)
        data = json.dumps(config).encode()
        for blob in (data, packed):
            self._blobs[_digest(blob)] = blob
        manifest["config"] |= {"digest": _digest(data), "size": len(data)}
        media_type = manifest["layers"][-1]["mediaType"]
        manifest["layers"].append({"mediaType": media_type, "digest": _digest(packed), "size": len(packed)})
        digest = self._serve(repository, tag, json.dumps(manifest).encode(), MANIFEST)
        return MadeImage(repository, digest, (_digest(data), *(one["digest"] for one in manifest["layers"])))

    def add_index(self, repository: str, tag: str, variants: Mapping[str, str]) -> str:
        """A tag for several platforms; the digest of its index."""
        entries = []
        for platform, digest in variants.items():
            system, _, architecture = platform.partition("/")
            entries.append(
                {
                    "mediaType": MANIFEST,
                    "digest": digest,
                    "size": len(self._content[f"{repository}:{digest}"][0]),
                    "platform": {"os": system, "architecture": architecture},
                }
            )
        index = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": entries}).encode()
        return self._serve(repository, tag, index, MANIFEST_LIST)

    def count(self, words: str) -> int:
        """How many requests had these words."""
        return sum(words in line for line in self.asked)

    def _serve(self, repository: str, tag: str, data: bytes, media_type: str) -> str:
        self._content[f"{repository}:{tag}"] = self._content[f"{repository}:{_digest(data)}"] = (data, media_type)
        return _digest(data)

    def _found(self, path: str) -> tuple[bytes, str] | None:
        name, _, reference = path.removeprefix("/v2/").rpartition("/")
        repository, _, kind = name.rpartition("/")
        if kind == "manifests":
            return self._content.get(f"{repository}:{reference}")
        blob = self._blobs.get(reference)
        return None if blob is None else (blob, "application/octet-stream")

    def _fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.words in line:
                if fault.times == 1:
                    self.faults.remove(fault)
                elif fault.times:
                    place = self.faults.index(fault)
                    self.faults[place] = Fault(**{**vars(fault), "times": fault.times - 1})
                return fault
        return None

    def _lets_in(self, authorization: str) -> bool:
        basic = "Basic " + base64.b64encode(b"user:password").decode()
        return authorization == {"bearer": f"Bearer {self._token}", "basic": basic, "": authorization}[self.login]

    def _challenge(self, repository: str) -> str:
        if self.login == "basic":
            return 'Basic realm="https://registry.example.com/",service="ecr"'
        return f'Bearer realm="http://{self.address}/token",service="hub",scope="repository:{repository}:pull"'


@contextmanager
def faulty_registry() -> Iterator[FaultyRegistry]:
    """A registry that serves while the block runs."""
    registry = FaultyRegistry()

    class Handler(_Handler):
        served = registry

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: FaultyRegistry

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        registry, authorization = self.served, self.headers.get("Authorization", "")
        registry.asked.append(f"{self.command} {self.path}")
        registry.authorizations.append(authorization)
        registry.ranges.append(self.headers.get("Range", ""))
        fault = registry._fault(f"{self.command} {self.path}")
        repository = self.path.removeprefix("/v2/").rpartition("/")[0].rpartition("/")[0]
        if fault and fault.status:
            self._say(fault.status, b"{}", dict(fault.headers))
        elif self.path.startswith("/token"):
            self._token(authorization)
        elif not registry._lets_in(authorization):
            self._say(401, b"{}", {"WWW-Authenticate": registry._challenge(repository)})
        elif self.path == "/v2/":
            self._say(200, b"{}", {})
        elif found := registry._found(self.path):
            self._content(*found, fault)
        else:
            self._say(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', {})

    def _token(self, authorization: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        basic = "Basic " + base64.b64encode(b"user:password").decode()
        token = json.dumps({"token": self.served._token, "expires_in": 300}).encode()
        self._say(*((200, token) if authorization == basic and query.get("scope") else (401, b"{}")), {})

    def _content(self, data: bytes, media_type: str, fault: Fault | None) -> None:
        digest, start = _digest(data), 0
        asked_range = self.headers.get("Range", "")
        if asked_range and self.served.knows_ranges:
            start = int(asked_range.removeprefix("bytes=").rstrip("-"))
        if fault and fault.flips:
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        body = data[start:]
        headers = {"Content-Type": media_type, "Docker-Content-Digest": digest}
        cut_after = fault.cut_after if fault and self.command == "GET" else None
        self._say(206 if start else 200, body, headers, cut_after=cut_after)

    def _say(self, status: int, body: bytes, headers: Mapping[str, str], *, cut_after: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut_after])
        if cut_after is not None:
            self.wfile.flush()
            self.close_connection = True


def _fetched(host: str, repository: str, path: str) -> bytes:
    request = urllib.request.Request(f"http://{host}/v2/{repository}/{path}", headers={"Accept": MANIFEST})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def _layer(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
