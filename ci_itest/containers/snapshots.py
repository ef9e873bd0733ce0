"""The prepared data of a service as an image: made of the service's own image and one more layer.

The layer is what the server left in its data folders after a clean stop, owners and modes as they are. Data that the
service has in memory is laid beside its folders, and copied there before the server starts: a database on a disk clones
its template in 600 ms and more, one in memory in 40. An image without the means to copy has the data in its folders
themselves; they are no volumes then, or an empty volume would lie over them. Neither an export of the whole image nor a
commit is needed: the layers below stay the registry's own, so another machine that has the service's image fetches this
one layer.
"""

from __future__ import annotations

import json
import shlex
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
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
_COPIED_LABEL = "ci-itest.snapshot-is-copied"
_AT_REST = "ci-itest-prepared"
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

    def prepared(self, *, is_copied: bool) -> ServiceSpec:
        """The service as it starts with its data.

        Args:
            is_copied: Whether the image copies the data into the folders, which then are as they were: in memory.
        """
        spec = self.spec if is_copied else self._in_files()
        return replace(spec, prepared=self.name, prepared_from=self.base)

    def recording(self) -> ServiceSpec:
        """The service as it starts for its data to be kept: in the container's own files, on a port that stays."""
        return replace(self._in_files(), keeps_port=True)

    def beside(self) -> ServiceSpec:
        """A second one of the service, for no one but us."""
        return replace(self._in_files(), name=f"{self.spec.name}-first", needs=())

    def _in_files(self) -> ServiceSpec:
        tmpfs = tuple(path for path in self.spec.tmpfs if path.partition(":")[0].rstrip("/") not in self.folders)
        return replace(self.spec, tmpfs=tmpfs)


def data_folders(spec: ServiceSpec, volumes: Sequence[str]) -> tuple[str, ...]:
    """Where a service keeps its data: what would be in memory, else the image's volumes; none inside another."""
    folders = sorted({path.partition(":")[0].rstrip("/") for path in spec.tmpfs} or set(volumes))
    return tuple(one for one in folders if not any(one.startswith(f"{other}/") for other in folders))


def found(snapshot: Snapshot, supply: Supply, engine: Engine) -> ServiceSpec | None:
    """The service as it starts with its data, which the engine holds: it did, or the cache had it; None if neither."""
    image = engine.image(snapshot.name)
    if image is None:
        digest = supply.kept(snapshot.kept_name)
        if not digest:
            return None
        repository = f"ci-itest-snapshot/{snapshot.spec.name.lower()}"
        supply.load(repository, digest, base=snapshot.spec.image, target=snapshot.name, note=lambda _words: None)
        image = engine.image(snapshot.name)
    supply.note_own(snapshot.kept_name)
    return snapshot.prepared(is_copied=bool(image and _COPIED_LABEL in image.labels))


def take(snapshot: Snapshot, services: RunningServices, supply: Supply, engine: Engine) -> int:
    """Keep a running service's data as an image, on the engine and in the cache; bytes of its layer.

    The service is stopped for it and serves again afterwards.

    Raises:
        ServiceError: It does not serve again.
        EngineError: The image cannot be made; nothing of it stays.
        FileError: It cannot be kept.
    """

    def recorded(record: Callable[[str], None]) -> None:
        with services.paused(snapshot.spec.name) as container:
            record(container)

    return _kept(snapshot, services.containers[snapshot.spec.name], recorded, supply, engine)


def take_first_start(snapshot: Snapshot, services: RunningServices, supply: Supply, engine: Engine) -> int:
    """Keep what a service makes when it starts for the first time; bytes of its layer.

    A second one is started for it, so that nobody who talks to the service is disturbed. Raises as `take`.
    """

    def recorded(record: Callable[[str], None]) -> None:
        beside = snapshot.beside()
        container = services.start(beside).container
        try:
            engine.stop_container(container)
            record(container)
        finally:
            services.stop(beside.name, keeps_log=False)

    return _kept(snapshot, services.containers[snapshot.spec.name], recorded, supply, engine)


def _kept(
    snapshot: Snapshot,
    running: str,
    recorded: Callable[[Callable[[str], None]], None],
    supply: Supply,
    engine: Engine,
) -> int:
    """Make the image; bytes of its layer.

    Args:
        running: A container of the service, which runs.
        recorded: Hands over a container that has the data in its files and whose server has ended cleanly.
    """
    store = supply.store
    assert store is not None
    manifest, configuration = _base(snapshot, supply, engine)
    at_rest = _AT_REST if snapshot.spec.tmpfs and _can_copy(engine, running) else ""
    layers: list[tuple[str, int]] = []
    recorded(lambda container: layers.append(_layer(snapshot, store, engine, container, at_rest=at_rest)))
    ((layer, size),) = layers
    data = json.dumps(_configuration(configuration, snapshot, layer, at_rest=at_rest)).encode()
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


def _can_copy(engine: Engine, container: str) -> bool:
    """Whether its image has a shell and `cp`, and starts as root, who alone may give files to their owners."""
    try:
        asked = engine.exec(container, ("sh", "-c", "command -v cp >/dev/null && id -u"))
    except EngineError:
        return False
    return asked.exit_code == 0 and asked.output.strip() == "0"


def _layer(snapshot: Snapshot, store: BlobStore, engine: Engine, container: str, *, at_rest: str) -> tuple[str, int]:
    """Digest and size of a layer that has the data folders, below the folder `at_rest` where that is not ""."""
    with store.adding() as file:
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as layer:  # type: ignore[call-overload]
            for folder in snapshot.folders:
                above = f"{at_rest}{PurePosixPath(folder).parent}"
                _add(layer, engine.archive(container, folder), above=above)
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


def _configuration(base: dict[str, Any], snapshot: Snapshot, layer: str, *, at_rest: str) -> dict[str, Any]:
    config = dict(base.get("config") or {})
    config["Labels"] = {**(config.get("Labels") or {}), FAMILY_LABEL: snapshot.family}
    if at_rest:
        config["Labels"][_COPIED_LABEL] = "yes"
        config["Entrypoint"] = [*_copying(snapshot.folders, at_rest), *(config.get("Entrypoint") or ())]
    else:
        volumes = {path: value for path, value in (config.get("Volumes") or {}).items() if not _is_data(path, snapshot)}
        config["Volumes"] = volumes or None
    created = datetime.now(UTC).isoformat()
    history = {"created": created, "created_by": f"ci-itest snapshot {snapshot.key}"}
    return {
        **base,
        "created": created,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [*base["rootfs"]["diff_ids"], layer]},
        "history": [*(base.get("history") or []), history],
    }


def _copying(folders: Sequence[str], at_rest: str) -> list[str]:
    """A command that brings the data to its folders, and goes on with the command behind it."""
    copies = [f"cp -a {shlex.quote(f'/{at_rest}{folder}/.')} {shlex.quote(f'{folder}/')}" for folder in folders]
    return ["/bin/sh", "-c", " && ".join([*copies, 'exec "$@"']), "ci-itest"]


def _is_data(path: str, snapshot: Snapshot) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in snapshot.folders)


def _remove_older(snapshot: Snapshot, engine: Engine) -> None:
    """Of a family a few stay: branches take turns. One that runs elsewhere stays too."""
    names = [name for name, _ in engine.image_names(f"{FAMILY_LABEL}={snapshot.family}") if name != snapshot.name]
    for name in names[_KEPT_OF_A_FAMILY - 1 :]:
        try:
            engine.remove_image(name)
        except EngineError:
            continue
