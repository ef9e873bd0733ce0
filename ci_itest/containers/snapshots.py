"""The prepared data of a service as an image: made of the service's own image and one more layer.

The layer is what the server left in its data folders after a clean stop, owners and modes as they are, so that no
entry point has a reason to change them (each change would copy the file). The data folders are no volumes in this
image, or an empty volume would lie over them. Neither an export of the whole image nor a commit is needed: the layers
below stay the registry's own, so another machine that has the service's image fetches this one layer.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from ci_itest.containers.cache.manifests import parse_manifest
from ci_itest.containers.cache.store import BlobStore, Hashing
from ci_itest.containers.engine import Engine
from ci_itest.containers.services import RunningServices
from ci_itest.containers.supply import Supply
from ci_itest.errors import EngineError
from ci_itest.model.services import ServiceSpec

FAMILY_LABEL = "ci-itest.snapshot-of"
_KEPT_OF_A_FAMILY = 3
# Not compressed: it is read once a job from a local file, and the archive that CI's cache makes of it is.
_LAYER_TYPES = {
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.distribution.manifest.v2+json": "application/vnd.docker.image.rootfs.diff.tar",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one service's prepared data is called.

    Attributes:
        spec: The service, not prepared.
        base: Digest of its image.
        folders: Where its data lies in the container.
        key: Of all that the data depends on.
        family: Snapshots of one service of one project, of which a few are kept on an engine.
    """

    spec: ServiceSpec
    base: str
    folders: tuple[str, ...]
    key: str
    family: str

    @property
    def name(self) -> str:
        """On the engine."""
        return f"ci-itest-snapshot/{self.spec.name.lower()}:{self.key}"

    @property
    def kept_name(self) -> str:
        """In the cache."""
        return f"snapshot/{self.spec.name}:{self.key}"

    def prepared(self) -> ServiceSpec:
        """The service as it starts with its data."""
        return _replaced(self.spec, self.folders, prepared=self.name, prepared_from=self.base)

    def recording(self) -> ServiceSpec:
        """The service as it starts for its data to be kept: in the container's own files, on a port that stays."""
        return _replaced(self.spec, self.folders, keeps_port=True)


def data_folders(spec: ServiceSpec, volumes: Sequence[str]) -> tuple[str, ...]:
    """Where a service keeps its data: what would be in memory, else the image's volumes; none inside another."""
    folders = sorted({path.partition(":")[0].rstrip("/") for path in spec.tmpfs} or set(volumes))
    return tuple(one for one in folders if not any(one.startswith(f"{other}/") for other in folders))


def found(snapshot: Snapshot, supply: Supply, engine: Engine) -> bool:
    """Whether the engine holds the snapshot now: it did, or the cache had it."""
    if engine.image(snapshot.name) is None:
        digest = supply.kept(snapshot.kept_name)
        if not digest:
            return False
        repository = f"ci-itest-snapshot/{snapshot.spec.name.lower()}"
        supply.load(repository, digest, base=snapshot.spec.image, target=snapshot.name, note=lambda _words: None)
    supply.note_own(snapshot.kept_name)
    return True


def take(snapshot: Snapshot, services: RunningServices, supply: Supply, engine: Engine) -> int:
    """Keep a running service's data as an image, on the engine and in the cache; bytes of its layer.

    The service is stopped for it and serves again afterwards.

    Raises:
        ServiceError: It does not serve again.
        EngineError: The image cannot be made; nothing of it stays.
        FileError: It cannot be kept.
    """
    store = supply.store
    assert store is not None
    manifest, configuration = _base(snapshot, supply, engine)
    with services.paused(snapshot.spec.name) as container:
        layer, size = _layer(snapshot, store, engine, container)
    data = json.dumps(_configuration(configuration, snapshot, layer)).encode()
    config = store.put(data)
    manifest["config"] = {**manifest["config"], "digest": config, "size": len(data)}
    media_type = _LAYER_TYPES.get(manifest.get("mediaType", ""), "application/vnd.oci.image.layer.v1.tar")
    manifest["layers"] = [*manifest["layers"], {"mediaType": media_type, "digest": layer, "size": size}]
    digest = store.put(json.dumps(manifest).encode())
    info = engine.info()
    store.remember(snapshot.kept_name, digest, platform=f"{info.system}/{info.architecture}")
    found(snapshot, supply, engine)
    _remove_older(snapshot, engine)
    return size


def _base(snapshot: Snapshot, supply: Supply, engine: Engine) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and configuration of the service's image, of this platform."""
    name, digest = snapshot.spec.image, snapshot.base
    data = supply.manifest(name, digest)
    parsed = parse_manifest(data)
    if parsed and parsed.variants:
        info = engine.info()
        wanted = f"{info.system}/{info.architecture}"
        mine = [
            one.digest for one in parsed.variants if one.platform == wanted or one.platform.startswith(f"{wanted}/")
        ]
        data = supply.manifest(name, mine[0]) if mine else b""
        parsed = parse_manifest(data)
    if parsed is None or not parsed.config:
        raise EngineError(f"The manifest of {name} is none that can be added to.")
    return json.loads(data), json.loads(supply.blob(name, parsed.config))


def _layer(snapshot: Snapshot, store: BlobStore, engine: Engine, container: str) -> tuple[str, int]:
    """Digest and size of a layer that has the data folders."""
    with store.adding() as file:
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as layer:  # type: ignore[call-overload]
            for folder in snapshot.folders:
                _add(layer, engine.archive(container, folder), above=str(PurePosixPath(folder).parent))
        written: Hashing = file
    return written.digest, written.size_bytes


def _add(layer: tarfile.TarFile, archive: Iterator[bytes], *, above: str) -> None:
    """Add an archived folder where it lay."""
    prefix = above.strip("/")

    def placed(name: str) -> str:
        return f"{prefix}/{name}".lstrip("/")

    with tarfile.open(fileobj=_Stream(archive), mode="r|") as folder:  # type: ignore[call-overload]
        for entry in folder:
            entry.name = placed(entry.name)
            if entry.islnk():
                entry.linkname = placed(entry.linkname)
            entry.uname = entry.gname = ""  # numbers are what counts in an image
            entry.pax_headers = {}
            layer.addfile(entry, folder.extractfile(entry) if entry.isreg() else None)


class _Stream:
    """Chunks as a file to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")  # a view, since small reads of large chunks would copy the rest each time

    def read(self, size: int) -> bytes:
        parts, missing = [], size
        while missing:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)


def _configuration(base: dict[str, Any], snapshot: Snapshot, layer: str) -> dict[str, Any]:
    config = dict(base.get("config") or {})
    volumes = {path: value for path, value in (config.get("Volumes") or {}).items() if not _is_data(path, snapshot)}
    config["Volumes"] = volumes or None
    config["Labels"] = {**(config.get("Labels") or {}), FAMILY_LABEL: snapshot.family}
    created = datetime.now(UTC).isoformat()
    history = {"created": created, "created_by": f"ci-itest snapshot {snapshot.key}"}
    return {
        **base,
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [*base["rootfs"]["diff_ids"], layer]},
        "history": [*(base.get("history") or []), history],
    }


def _is_data(path: str, snapshot: Snapshot) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in snapshot.folders)


def _replaced(spec: ServiceSpec, folders: Sequence[str], **changes: Any) -> ServiceSpec:
    from dataclasses import replace

    tmpfs = tuple(path for path in spec.tmpfs if path.partition(":")[0].rstrip("/") not in folders)
    return replace(spec, tmpfs=tmpfs, **changes)


def _remove_older(snapshot: Snapshot, engine: Engine) -> None:
    """Of a family a few stay: branches take turns. One that runs elsewhere stays too."""
    names = [name for name, _ in engine.image_names(f"{FAMILY_LABEL}={snapshot.family}") if name != snapshot.name]
    for name in names[_KEPT_OF_A_FAMILY - 1 :]:
        try:
            engine.remove_image(name)
        except EngineError:
            continue
