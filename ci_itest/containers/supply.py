"""Where a run's images come from: the engine, the cache, a mirror, their registry; pinned where there is a lock.

With a cache an image is pulled through a registry of our own on loopback. Whatever the cache cannot do, the engine's
own pull does; that is said in one line and costs nothing but the time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from ci_itest.containers.cache.manifests import parse_manifest
from ci_itest.containers.cache.proxy import Proxy, serving
from ci_itest.containers.cache.store import BlobStore, is_digest
from ci_itest.containers.cache.upstream import DOCKER_HUB, Patience
from ci_itest.containers.engine import Engine, Image
from ci_itest.containers.image_names import ImageName
from ci_itest.containers.images import ensure_image
from ci_itest.containers.sources import Sources
from ci_itest.errors import CiItestError, EngineError, FileError, RegistryError

Note = Callable[[str], None]


@dataclass(slots=True)
class _Running:
    """The proxy while it runs, and what ends it."""

    proxy: Proxy
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Supply:
    """Gets images onto an engine. May be used from many threads at once.

    Args:
        mirror: Registry that mirrors Docker Hub; "" for Docker Hub itself.
        pins: Image name to the digest that a lock pins it to.
        store: The cache; None for none.
        say: Told in a line what a person should know and no error is.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        mirror: str = "",
        pins: Mapping[str, str] | None = None,
        store: BlobStore | None = None,
        say: Note = lambda _words: None,
        patience: Patience | None = None,
    ) -> None:
        self._engine = engine
        self._mirror = mirror
        self._sources = Sources(mirror, patience=patience)
        self._pins = dict(pins or {})
        # A proxy on loopback is of no use to an engine on another machine.
        self._store = store if engine.is_local else None
        self._say = say
        self._running: _Running | None = None
        self._lock = threading.Lock()
        self._supplied: set[str] = set()
        self._own_names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        """What this run has used, as the cache calls it."""
        with self._lock:
            return frozenset({*map(_canonical, self._supplied), *self._own_names})

    @property
    def store(self) -> BlobStore | None:
        return self._store

    def close(self) -> None:
        """End the proxy, where one was needed."""
        with self._lock:
            running, self._running = self._running, None
        if running:
            running.stack.close()

    def ensure(self, name: str, note: Note) -> str:
        """The name to start the image by, which the engine holds now.

        Args:
            note: Told in words that a pull is under way and how far.

        Raises:
            EngineError: The image is not to be had; says why.
        """
        pinned = self._pin(name)
        if held := self._held(name, pinned):
            self._note_supplied(name)
            return held[0]
        if self._store is not None:
            try:
                return self._through_cache(name, pinned, note)
            except RegistryError as error:
                if error.is_about_content:
                    raise
                trouble: CiItestError = error
            except (FileError, EngineError) as error:
                trouble = error
            self._say(f"image cache: {_plain(trouble)}; the engine pulls {name} itself")
            return self._pulled(name, pinned, note, trouble=trouble)
        return self._pulled(name, pinned, note, trouble=None)

    def digest(self, name: str) -> str:
        """What the image's manifest is called by content: pinned, held by the engine, or asked for; "" if unknown."""
        pinned = self._pin(name)
        if pinned:
            return pinned
        if held := self._held(name, ""):
            return held[1].digest
        try:
            return self._resolved(name)
        except CiItestError:
            return ""

    def manifest(self, name: str, digest: str) -> bytes:
        """A manifest of the image's repository, out of the cache or its registry; RegistryError when there is none."""
        proxy = self._proxy()
        path = self._offered(proxy, name)
        return proxy.manifest(path, digest)

    def blob(self, name: str, digest: str) -> bytes:
        """A small blob of the image's repository; raises as `manifest`."""
        proxy = self._proxy()
        return proxy.blob(self._offered(proxy, name), digest).read_bytes()

    def load(self, path: str, digest: str, *, base: str, target: str, note: Note) -> None:
        """Bring an image of the cache itself, such as a snapshot, onto the engine under a name.

        Args:
            path: What the engine sees as its repository.
            base: The image whose registry has the layers below, should the engine and the cache not have them.

        Raises:
            EngineError: It is not all there.
        """
        proxy = self._proxy()
        pullable = proxy.offer(path, self._sources.of(base))
        try:
            self._engine.pull(f"{pullable}@{digest}", progress=note)
        except EngineError as error:
            raise proxy.trouble(path) or error from error
        self._engine.tag(f"{pullable}@{digest}", target=target)
        # The address of a server that lives as long as we do would hold the image when its own name is long gone.
        with contextlib.suppress(EngineError):
            self._engine.remove_image(f"{pullable}@{digest}")

    def kept(self, name: str) -> str:
        """The digest of an image of the cache itself; "" when what no registry has of it is not there, whole."""
        found = self._store.kept(name) if self._store else None
        if not found or not self._store or not is_digest(found.digest):
            return ""
        data = self._store.read(found.digest)
        manifest = parse_manifest(data) if data else None
        own = (manifest.config, manifest.layers[-1]) if manifest and manifest.layers else ()
        is_whole = bool(own) and all(is_digest(one) and self._store.path(one) for one in own)
        for damaged in self._damaged():
            self._say(f"image cache: {damaged[:19]} of {name} was damaged, and thrown away")
        return found.digest if is_whole else ""

    def note_own(self, name: str) -> None:
        """Note that an image of the cache itself was used, so that it stays."""
        if self._store and (found := self._store.kept(name)):
            with self._lock:
                self._own_names.add(name)
            with contextlib.suppress(FileError):
                self._store.used(found)

    def _held(self, name: str, pinned: str) -> tuple[str, Image] | None:
        """Under which name the engine holds the right image already."""
        image = self._engine.image(name)
        if image and (not pinned or image.digest == pinned or ImageName.parse(name).digest):
            return name, image
        if not pinned:
            return None
        local = _pinned_name(name, pinned)
        image = self._engine.image(local)
        return (local, image) if image else None

    def _pin(self, name: str) -> str:
        return ImageName.parse(name).digest or self._pins.get(name, "")

    def _through_cache(self, name: str, pinned: str, note: Note) -> str:
        assert self._store is not None
        proxy = self._proxy()
        digest = pinned or self._resolved(name)
        path = self._offered(proxy, name)
        pullable = f"{proxy.address}/{path}@{digest}"
        try:
            self._engine.pull(pullable, progress=note)
        except EngineError as error:
            raise proxy.trouble(path) or error from error
        for damaged in self._damaged():
            self._say(f"image cache: {damaged[:19]} was damaged; thrown away and fetched again")
        parsed = ImageName.parse(name)
        self._remember(name, digest)
        self._note_supplied(name)
        if parsed.digest:
            return pullable
        target = _pinned_name(name, pinned) if pinned and self._engine.image(name) else name
        self._engine.tag(pullable, target=target)
        return target

    def _remember(self, name: str, digest: str) -> None:
        assert self._store is not None
        info = self._engine.info()
        try:
            self._store.remember(_canonical(name), digest, platform=f"{info.system}/{info.architecture}")
        except FileError as error:
            self._say(f"image cache: {error.message}")

    def _damaged(self) -> list[str]:
        assert self._store is not None
        damaged, self._store.damaged = self._store.damaged, []
        return damaged

    def _resolved(self, name: str) -> str:
        """What the tag stands for now; what it stood for at its last use when no registry tells."""
        try:
            return self._sources.digest(name)
        except RegistryError as error:
            kept = self._store.kept(_canonical(name)) if self._store else None
            if not kept or not is_digest(kept.digest) or error.status == 404:
                raise
            self._say(f"image cache: {_plain(error)}; {name} is taken as it was when last used")
            return kept.digest

    def _pulled(self, name: str, pinned: str, note: Note, *, trouble: CiItestError | None) -> str:
        parsed = ImageName.parse(name)
        by_digest = f"{name.partition('@')[0].removesuffix(f':{parsed.tag}')}@{pinned}"
        asked = by_digest if pinned and not parsed.digest else name
        try:
            started = ensure_image(asked, engine=self._engine, mirror=self._mirror, note=note)
        except EngineError as error:
            # Our own words know more than the engine's, where it was the registry that refused.
            raise trouble if isinstance(trouble, RegistryError) and trouble.status else error from error
        if asked != name:
            self._engine.tag(started, target=_pinned_name(name, pinned))
            started = _pinned_name(name, pinned)
        self._note_supplied(name)
        return started

    def _note_supplied(self, name: str) -> None:
        with self._lock:
            self._supplied.add(name)

    def _proxy(self) -> Proxy:
        if self._store is None:
            raise EngineError("There is no image cache.")
        with self._lock:
            if self._running is None:
                stack = contextlib.ExitStack()
                try:
                    self._running = _Running(stack.enter_context(serving(self._store)), stack)
                except OSError as error:
                    raise EngineError(f"The image cache's server does not start: {error.strerror or error}.") from error
            return self._running.proxy

    def _offered(self, proxy: Proxy, name: str) -> str:
        parsed = ImageName.parse(name)
        # A port's colon has no place in a repository's name.
        path = f"{(parsed.registry or DOCKER_HUB).replace(':', '_')}/{parsed.repository}"
        proxy.offer(path, self._sources.of(name))
        return path


@contextlib.contextmanager
def supplying(supply: Supply) -> Iterator[Supply]:
    """The supply, closed after the block."""
    try:
        yield supply
    finally:
        supply.close()


def _canonical(name: str) -> str:
    """One name for all ways to write it."""
    parsed = ImageName.parse(name)
    return str(ImageName(parsed.registry or DOCKER_HUB, parsed.repository, parsed.tag, parsed.digest))


def _pinned_name(name: str, digest: str) -> str:
    """What a pinned image is called on an engine that holds another one under its plain name."""
    base = name.partition("@")[0].removesuffix(f":{ImageName.parse(name).tag}")
    return f"{base}:ci-itest-{digest.removeprefix('sha256:')[:12]}"


def _plain(error: CiItestError) -> str:
    return error.message.removesuffix(".")
