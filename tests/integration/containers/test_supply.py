"""Images onto a real engine: through the cache, around it, pinned, and from a registry that errs."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.cache.store import BlobStore
from ci_itest.containers.cache.upstream import Patience
from ci_itest.containers.engine import Engine
from ci_itest.containers.supply import Supply
from ci_itest.errors import EngineError, RegistryError
from ci_itest.waiting import DeadlinePassed, wait_until
from tests.helpers.registry import Fault, FaultyRegistry, MadeImage, faulty_registry

pytestmark = pytest.mark.docker

QUICK = Patience(pauses=(0.0, 0.0), limit_seconds=1.0, silence_seconds=5.0)


class Station:
    """A registry, an engine and caches; takes its images off the engine again."""

    def __init__(self, engine: Engine, registry: FaultyRegistry, folder: Path) -> None:
        self.engine, self.registry, self.folder = engine, registry, folder
        self.said: list[str] = []
        self._supplies: list[Supply] = []
        self._token = uuid.uuid4().hex[:8]

    def image(self, name: str = "shop", tag: str = "1", *, size: int = 0, content: str = "") -> MadeImage:
        """A new image of the registry, like no other on the engine."""
        layers = {"base": self._token.encode(), "greeting": f"{self._token} {name} {content}".encode()}
        return self.registry.add(f"acme/{name}", tag, layers=layers, size=size)

    def name(self, name: str = "shop", tag: str = "1") -> str:
        return f"{self.registry.address}/acme/{name}:{tag}"

    def supply(self, cache: str = "cache", *, pins: dict[str, str] | None = None) -> Supply:
        """A run's supply; "" for one without a cache."""
        store = BlobStore(self.folder / cache) if cache else None
        made = Supply(self.engine, pins=pins, store=store, say=self.said.append, patience=QUICK)
        self._supplies.append(made)
        return made

    def forget_images(self) -> None:
        """Take every image of the registry, and of the proxies that served it, off the engine."""
        for image in self.engine._api.images():
            names = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
            if any(f"{self.registry.address}/" in one or self._path in one for one in names):
                for one in names:
                    if not one.startswith("<none>"):
                        self.engine.remove_image(one)

    def files(self, cache: str = "cache") -> list[str]:
        """Files of a cache that are no whole blob, no name, when its run is over."""
        for supply in self._supplies:
            supply.close()
        store = BlobStore(self.folder / cache)
        for digest in store.blobs():
            assert store.path(digest) is not None

        def partial() -> list[str]:
            return [path.name for path in (self.folder / cache / "partial").glob("*")]

        # A download that nobody waits for any more takes its file along when it ends.
        with contextlib.suppress(DeadlinePassed):
            wait_until(lambda: " ".join(partial()), within_seconds=10)
        return partial()

    @property
    def _path(self) -> str:
        return self.registry.address.replace(":", "_") + "/"

    def close(self) -> None:
        for supply in self._supplies:
            supply.close()
        self.forget_images()


@pytest.fixture
def station(engine: Engine, tmp_path: Path) -> Iterator[Station]:
    with faulty_registry() as registry:
        made = Station(engine, registry, tmp_path)
        yield made
        made.close()


def quiet(_words: str) -> None:
    pass


def test_a_second_fresh_engine_is_served_from_the_cache_alone(station: Station) -> None:
    image = station.image()

    first = station.supply().ensure(station.name(), quiet)
    station.forget_images()
    asked = len(station.registry.asked)
    second = station.supply().ensure(station.name(), quiet)

    assert first == second == station.name()
    held = station.engine.image(station.name())
    assert held is not None
    assert held.digest == image.digest
    assert station.registry.asked[asked:] == ["HEAD /v2/acme/shop/manifests/1"]
    assert station.said == []


def test_an_image_that_the_engine_holds_asks_nobody(station: Station) -> None:
    station.image()
    station.supply().ensure(station.name(), quiet)
    asked = len(station.registry.asked)

    supply = station.supply("another")

    assert supply.ensure(station.name(), quiet) == station.name()
    assert station.registry.asked[asked:] == []
    assert not (station.folder / "another").exists()


def test_of_two_images_the_layer_they_share_is_fetched_once(station: Station) -> None:
    first, second = station.image("one"), station.image("two")
    (shared,) = set(first.blobs) & set(second.blobs)
    supply = station.supply()

    supply.ensure(station.name("one"), quiet)
    supply.ensure(station.name("two"), quiet)

    assert station.registry.count(shared) == 1


def test_a_pinned_image_is_had_though_its_tag_has_moved_and_the_registry_is_away(station: Station) -> None:
    pinned = station.image()
    station.supply().ensure(station.name(), quiet)
    station.forget_images()
    station.image(content="newer")
    station.registry.faults.append(Fault("/v2/", status=503))

    supply = station.supply(pins={station.name(): pinned.digest})
    started = supply.ensure(station.name(), quiet)

    held = station.engine.image(started)
    assert held is not None
    assert held.digest == pinned.digest
    assert station.said == []


def test_a_pinned_image_leaves_the_tag_that_the_engine_holds_alone(station: Station) -> None:
    pinned = station.image()
    station.supply().ensure(station.name(), quiet)
    station.forget_images()
    newer = station.image(content="newer")
    station.supply().ensure(station.name(), quiet)

    supply = station.supply(pins={station.name(): pinned.digest})
    started = supply.ensure(station.name(), quiet)

    plain, own = station.engine.image(station.name()), station.engine.image(started)
    assert plain is not None
    assert own is not None
    assert started == f"{station.registry.address}/acme/shop:ci-itest-{pinned.digest[7:19]}"
    assert (plain.digest, own.digest) == (newer.digest, pinned.digest)
    assert station.supply(pins={station.name(): pinned.digest}).ensure(station.name(), quiet) == started


def test_an_index_brings_the_image_of_this_platform(station: Station) -> None:
    image = station.image("for-amd64")
    info = station.engine.info()
    index = station.registry.add_index(
        "acme/for-amd64", "all", {f"{info.system}/{info.architecture}": image.digest, "plan9/mips": image.digest}
    )

    station.supply().ensure(station.name("for-amd64", "all"), quiet)

    held = station.engine.image(station.name("for-amd64", "all"))
    assert held is not None
    assert held.digest == index


def test_a_tag_stands_for_what_it_was_while_the_registry_is_away(station: Station) -> None:
    image = station.image()
    station.supply().ensure(station.name(), quiet)
    station.forget_images()
    station.registry.faults.append(Fault("/v2/", status=503))

    station.supply().ensure(station.name(), quiet)

    held = station.engine.image(station.name())
    assert held is not None
    assert held.digest == image.digest
    (said,) = station.said
    assert "answers 503" in said
    assert "taken as it was when last used" in said


@pytest.mark.parametrize(
    ("fault", "words", "hint"),
    [
        (None, "There is no {}/acme/shop:none.", "Check the image's name and tag."),
        (Fault("manifests/", status=401), "wants a log-in", "docker login"),
        (Fault("manifests/", status=403), "does not give", "docker login"),
        (Fault("manifests/", status=429), "limits pulls (429).", "[images] mirror"),
        (
            Fault("manifests/", status=429, headers={"Retry-After": "600"}),
            "limits pulls (429) and asks to come back in 600 s",
            "docker login",
        ),
        (Fault("manifests/", status=500), "answers 500 for", "Try again"),
    ],
    ids=["missing", "401", "403", "429", "429 with a time", "500"],
)
def test_what_a_registry_refuses_is_told_after_the_engine_was_refused_too(
    station: Station, fault: Fault | None, words: str, hint: str
) -> None:
    station.image()
    station.registry.faults += [fault] if fault else []
    name = station.name(tag="1" if fault else "none")

    with pytest.raises(EngineError) as refused:
        station.supply().ensure(name, quiet)

    assert words.format(station.registry.address) in refused.value.message
    assert hint in refused.value.hint
    assert refused.value.exit_code == 3
    assert [name in said and "the engine pulls" in said for said in station.said] == [True]
    assert station.files() == []
    assert station.engine.image(name) is None


def test_a_layer_that_is_cut_off_every_time_ends_the_pull_and_leaves_nothing_half(station: Station) -> None:
    image = station.image(size=400_000)
    station.registry.faults.append(Fault(image.blobs[-1], cut_after=70_000))

    with pytest.raises(RegistryError, match=r"cut the connection after 210000 of \d+ bytes of acme/shop, 3 times"):
        station.supply().ensure(station.name(), quiet)

    assert station.files() == []
    assert image.blobs[-1] not in BlobStore(station.folder / "cache").blobs()
    assert station.engine.image(station.name()) is None


def test_a_layer_that_is_cut_off_once_comes_whole(station: Station) -> None:
    image = station.image(size=400_000)
    station.registry.faults.append(Fault(image.blobs[-1], cut_after=70_000, times=1))

    assert station.supply().ensure(station.name(), quiet) == station.name()
    assert station.said == []


@pytest.mark.parametrize("what", ["manifests/sha256", "blobs/"])
def test_content_with_another_digest_is_refused_and_not_kept(station: Station, what: str) -> None:
    station.image(size=100_000)
    station.registry.faults.append(Fault(what, flips=True))

    with pytest.raises(RegistryError, match=r"served something else for sha256:.*its digest is sha256:"):
        station.supply().ensure(station.name(), quiet)

    assert station.files() == []
    assert station.engine.image(station.name()) is None


def test_a_byte_flipped_in_an_archive_of_the_cache_costs_one_blob(station: Station) -> None:
    image = station.image(size=500_000)
    station.supply().ensure(station.name(), quiet)
    station.forget_images()
    archive = station.folder / "cache.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(station.folder / "cache", "cache")
    shutil.rmtree(station.folder / "cache")
    data = bytearray(archive.read_bytes())
    # The layer of random bytes is nearly all of the archive, so its middle is in there.
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    with tarfile.open(archive) as tar:
        tar.extractall(station.folder, filter="data")
    asked = len(station.registry.asked)

    station.supply().ensure(station.name(), quiet)

    assert station.engine.image(station.name()) is not None
    fetched = [line for line in station.registry.asked[asked:] if line.startswith("GET")]
    assert fetched == [f"GET /v2/acme/shop/blobs/{image.blobs[-1]}"]
    (said,) = station.said
    assert f"{image.blobs[-1][:19]} was damaged; thrown away and fetched again" in said
    assert station.files() == []


def test_a_full_disk_lets_the_engine_pull_by_itself(station: Station, small_disk: Path) -> None:
    station.folder = small_disk
    (small_disk / "ballast").write_bytes(b"x" * (63 * 1024 * 1024))
    image = station.image(size=3_000_000)

    assert station.supply().ensure(station.name(), quiet) == station.name()

    held = station.engine.image(station.name())
    assert held is not None
    assert held.digest == image.digest
    (said,) = station.said
    assert "No space left on device" in said
    assert said.endswith(f"the engine pulls {station.name()} itself")
    assert station.files() == []
    assert image.blobs[-1] not in BlobStore(small_disk / "cache").blobs()


def test_a_folder_that_cannot_be_written_lets_the_engine_pull_by_itself(station: Station) -> None:
    station.image()
    (station.folder / "cache").write_text("a file where the folder should be")

    assert station.supply().ensure(station.name(), quiet) == station.name()
    assert "Not a directory" in station.said[0]


def test_without_a_cache_the_engine_pulls(station: Station) -> None:
    image = station.image()

    assert station.supply("").ensure(station.name(), quiet) == station.name()
    held = station.engine.image(station.name())
    assert held is not None
    assert held.digest == image.digest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """64 MiB of memory as a disk."""
    from ci_itest.process import output_of

    place = tmp_path / "disk"
    place.mkdir()

    def told(*command: str) -> tuple[int, str]:
        return output_of(command, directory=tmp_path, environment={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"})

    code, words = told("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place))
    if code:
        pytest.skip(f"Only root may mount: {words}")
    yield place
    told("umount", str(place))
