"""Service images: from Docker Hub where it can be reached, else built here and pushed to the bench's registry.

An image is put together and pushed without an engine: layers, configuration and manifest by the registry's HTTP
interface. What a build depends on is hashed into a tag beside the one suites ask for, so a second call only looks.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import catalogue, distribution, packages, rootfs
from tests.bench.progress import say
from tests.bench.registry import MANIFEST_TYPE, Client
from tests.bench.rootfs import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.catalogue import ServiceImage
    from tests.bench.distribution import Distribution
    from tests.bench.settings import Settings

HUB = "https://registry-1.docker.io/v2/"
HUB_SECONDS = 3.0
# Raise it when a change here or in rootfs.py makes other images of the same table.
RECIPE = 1
BASE_REPOSITORY = "ci-itest/bench-base"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"


@dataclass(frozen=True)
class Built:
    """One image in the registry."""

    image: ServiceImage
    version: str
    size_bytes: int


def stale(client: Client, images: Iterable[ServiceImage]) -> list[ServiceImage]:
    """Those of these rows whose image in the registry is not what the table says now."""
    source = distribution.read()
    return [image for image in images if not _is_current(client, image, source)]


def hub_answers(*, seconds: float = HUB_SECONDS) -> bool:
    """Whether Docker Hub can be reached; the deadline covers name resolution too."""
    answered: list[bool] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(HUB, timeout=seconds).close()
        except urllib.error.HTTPError as error:
            answered.append("Docker-Distribution-Api-Version" in error.headers)  # 401: it wants a login
        except OSError:
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds + 0.5)
    return any(answered)


def build(settings: Settings, client: Client, images: Sequence[ServiceImage], *, afresh: bool) -> list[Built]:
    """Build the images side by side and push them; `afresh` with a new base, for today's packages.

    Raises:
        BenchError: A package or a step failed; the other images are finished all the same.
    """
    packages.provide(settings, packages.IMAGES)
    source = distribution.read()
    work = settings.cache / "build"
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o700)  # file systems of root's, set-user-id programs included
    if afresh:
        (work / "base.json").unlink(missing_ok=True)
    machine = rootfs.Packages(source, work)
    with ThreadPoolExecutor() as pool:
        refreshed = pool.submit(machine.refresh, log=settings.log("package-lists"))
        base = _base(settings, client, machine, key=_base_key(source))
        refreshed.result()
        building = [pool.submit(_build_one, settings, client, machine, base, image, source) for image in images]
    return [done.result() for done in building]


def _key(image: ServiceImage, source: Distribution) -> str:
    """Hash of all that an image is made from, 12 digits."""
    script = (catalogue.ENTRYPOINTS / image.entrypoint).read_text()
    return _hash([_base_key(source), asdict(image), script])


def _base_key(source: Distribution) -> str:
    return _hash([RECIPE, rootfs.LEFT_OUT, rootfs.UNWANTED, asdict(source)])


def _hash(made_from: object) -> str:
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:12]


def _is_current(client: Client, image: ServiceImage, source: Distribution) -> bool:
    keyed = client.digest(image.repository, f"bench-{_key(image, source)}")
    return bool(keyed) and keyed == client.digest(image.repository, image.tag)


@dataclass(frozen=True)
class _Base:
    """What all images stand on."""

    root: Path
    layer: Layer


def _base(settings: Settings, client: Client, machine: rootfs.Packages, *, key: str) -> _Base:
    """The base of an earlier build where it was made by the same recipe, else a new one."""
    work = settings.cache / "build"
    root, note = work / "base", work / "base.json"
    layer = _noted_layer(note, key=key)
    if layer is None:
        began = time.monotonic()
        machine.bootstrap(root, log=settings.log("image-base"))
        layer = rootfs.write_layer(root, work / "base.tar.gz", before={})
        noted = {"key": key, "digest": layer.digest, "diff_id": layer.diff_id, "file": str(layer.file)}
        note.write_text(json.dumps(noted))
        say("images", f"base layer, {_megabytes(layer.size_bytes)}, in {time.monotonic() - began:.1f} s")
    client.put_blob(BASE_REPOSITORY, layer.digest, layer.file)
    return _Base(root, layer)


def _noted_layer(note: Path, *, key: str) -> Layer | None:
    if not note.exists():
        return None
    noted = json.loads(note.read_text())
    file = Path(noted["file"])
    if noted["key"] != key or not file.exists():
        return None
    return Layer(file, noted["digest"], noted["diff_id"], file.stat().st_size)


def _build_one(
    settings: Settings,
    client: Client,
    machine: rootfs.Packages,
    base: _Base,
    image: ServiceImage,
    source: Distribution,
) -> Built:
    began = time.monotonic()
    root = base.root.with_name(image.name)
    log = settings.log(f"image-{image.name}")
    log.write_text("")
    rootfs.copy(base.root, root, log=log)
    before = rootfs.state(root)
    version = _furnish(root, machine, image, log=log)
    layer = rootfs.write_layer(root, root.with_suffix(".tar.gz"), before=before, left_out=image.left_out)
    _push(client, base.layer, layer, image, version=version, source=source)
    shutil.rmtree(root)
    layer.file.unlink()
    size_bytes = base.layer.size_bytes + layer.size_bytes
    seconds = time.monotonic() - began
    say("images", f"{client.address}/{image.repository}:{image.tag} is {image.name} {version}, "
        f"{_megabytes(size_bytes)}, in {seconds:.1f} s")  # fmt: skip
    if not (version + ".").startswith(image.tag + "."):
        say("images", f"note that {source.codename} has {image.name} {version}: tagged {image.tag} all the same")
    return Built(image, version, size_bytes)


def _furnish(root: Path, machine: rootfs.Packages, image: ServiceImage, *, log: Path) -> str:
    """Turn a copy of the base into the service's file system; its version."""
    if image.user:
        rootfs.add_user(root, image.user, number=image.user_number, home=image.home)
    if image.prepare:
        rootfs.shell(root, image.prepare, log=log)
    machine.install(root, image.packages, log=log)
    version = rootfs.package_version(root, image.version_of)
    if image.setup:
        rootfs.shell(root, _filled(image.setup, version), log=log)
    entrypoint = root / "usr/local/bin/docker-entrypoint.sh"
    shutil.copyfile(catalogue.ENTRYPOINTS / image.entrypoint, entrypoint)
    entrypoint.chmod(0o755)
    return version


def _push(
    client: Client, base: Layer, layer: Layer, image: ServiceImage, *, version: str, source: Distribution
) -> None:
    configuration = json.dumps(_configuration((base, layer), image, version=version, source=source)).encode()
    digest = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    client.put_blob(image.repository, base.digest, base.file, mount_from=BASE_REPOSITORY)
    client.put_blob(image.repository, layer.digest, layer.file)
    client.put_blob(image.repository, digest, configuration)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": len(configuration), "digest": digest},
            "layers": [
                {"mediaType": LAYER_TYPE, "size": part.size_bytes, "digest": part.digest} for part in (base, layer)
            ],
        }
    ).encode()
    # The key comes last: a push that was cut short is not taken for whole.
    for tag in (version.split(".")[0], version, "latest", image.tag, f"bench-{_key(image, source)}"):
        client.put_manifest(image.repository, tag, manifest)


def _configuration(
    layers: tuple[Layer, ...], image: ServiceImage, *, version: str, source: Distribution
) -> dict[str, object]:
    created = datetime.now(UTC).isoformat()
    return {
        "architecture": distribution.DOCKER_ARCHITECTURES.get(source.architecture, source.architecture),
        "os": "linux",
        "created": created,
        "config": {
            "Env": [f"{name}={_filled(value, version)}" for name, value in image.environment.items()],
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": list(image.command),
            "ExposedPorts": {f"{image.port}/tcp": {}} if image.port else None,
            "Volumes": {image.volume: {}} if image.volume else None,
            "WorkingDir": image.working_folder,
            "Labels": {"ci-itest.bench": _key(image, source)},
            **({"StopSignal": image.stop_signal} if image.stop_signal else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [
            {"created": created, "created_by": f"ci-itest bench: {what}"}
            for what in (f"{source.codename}, essential packages", " ".join(image.packages))
        ],
    }


def _filled(text: str, version: str) -> str:
    return text.replace("{version}", version).replace("{major}", version.split(".")[0])


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
