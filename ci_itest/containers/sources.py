"""Which registries have an image, in the order to ask: Docker Hub's mirror first; with what `docker login` left."""

from __future__ import annotations

import threading

from ci_itest.containers.cache.proxy import Source
from ci_itest.containers.cache.upstream import DOCKER_HUB, Login, Patience, Registry
from ci_itest.containers.engine import login_of
from ci_itest.containers.image_names import ImageName
from ci_itest.errors import RegistryError


class Sources:
    """The registries of images. May be used from many threads at once.

    Args:
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
    """

    def __init__(self, mirror: str = "", *, patience: Patience | None = None) -> None:
        self._mirror = mirror
        self._patience = patience
        self._registries: dict[str, Registry] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> tuple[Source, ...]:
        """Where the image can be had, in the order to ask."""
        parsed = ImageName.parse(name)
        sources = []
        if self._mirror and not parsed.registry:
            host, _, folder = self._mirror.rstrip("/").partition("/")
            sources.append(Source(self._registry(host), f"{folder}/{parsed.repository}".lstrip("/")))
        sources.append(Source(self._registry(parsed.registry or DOCKER_HUB), parsed.repository))
        return tuple(sources)

    def digest(self, name: str) -> str:
        """What the image's tag stands for now; RegistryError, of the last one asked, when none tells."""
        return self._first(name)[1]

    def manifest(self, name: str) -> tuple[str, bytes]:
        """Digest and content of the manifest that the image's tag stands for now; raises as `digest`."""
        source, digest = self._first(name)
        return digest, source.registry.manifest(source.repository, digest)

    def _first(self, name: str) -> tuple[Source, str]:
        refusal: RegistryError | None = None
        for source in self.of(name):
            try:
                return source, source.registry.digest(source.repository, ImageName.parse(name).version)
            except RegistryError as error:
                refusal = error
        assert refusal is not None
        raise refusal

    def _registry(self, host: str) -> Registry:
        with self._lock:
            if host not in self._registries:
                self._registries[host] = Registry(host, login=Login(**login_of(host)), patience=self._patience)
            return self._registries[host]
