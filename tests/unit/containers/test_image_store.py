"""The folder of blobs: nothing half written, nothing believed, the longest unused out first."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ci_itest.containers.cache.pruning import prune, usage
from ci_itest.containers.cache.store import BlobStore, WrongDigestError, digest_of, is_digest
from ci_itest.errors import FileError


def store_at(folder: Path, *, time: float = 1000.0) -> BlobStore:
    return BlobStore(folder, clock=lambda: time)


def image(store: BlobStore, name: str, *, at: float, layers: list[bytes]) -> str:
    """An image of these layers, last used at that time."""
    digests = [store.put(layer) for layer in layers]
    config = store.put(json.dumps({"of": name}).encode())
    manifest = {"config": {"digest": config}, "layers": [{"digest": digest} for digest in digests]}
    digest = store.put(json.dumps(manifest).encode())
    BlobStore(store.folder, clock=lambda: at).remember(name, digest, platform="linux/amd64")
    return digest


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_blob_is_found_under_its_digest_by_another_process(tmp_path: Path) -> None:
    digest = store_at(tmp_path).put(b"content")

    found = store_at(tmp_path).path(digest)

    assert found is not None
    assert found.read_bytes() == b"content"


def test_a_blob_that_was_changed_is_thrown_away_and_named(tmp_path: Path) -> None:
    digest = store_at(tmp_path).put(b"content")
    path = store_at(tmp_path).path(digest)
    assert path is not None
    path.write_bytes(b"Content")
    later = store_at(tmp_path)

    assert later.path(digest) is None
    assert later.damaged == [digest]
    assert files_in(tmp_path) == []


def test_what_does_not_have_its_digest_is_not_kept(tmp_path: Path) -> None:
    store = store_at(tmp_path)

    with pytest.raises(WrongDigestError) as wrong, store.writing(digest_of(b"one")) as file:
        file.write(b"another")

    assert wrong.value.found == digest_of(b"another")
    assert files_in(tmp_path) == []


def test_writing_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    def given_up() -> None:
        with store_at(tmp_path).writing(digest_of(b"one")) as file:
            file.write(b"o")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given_up()

    assert files_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "images"

    with pytest.raises(FileError, match=r"Cannot write to the image cache .*file/images: Not a directory"):
        store_at(folder).put(b"content")


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:../../etc/passwd", "sha512:" + "0" * 64, "sha256:" + "G" * 64, "sha256:" + "A" * 64]
)
def test_only_a_sha256_digest_is_one(tmp_path: Path, text: str) -> None:
    assert not is_digest(text)
    with pytest.raises(FileError):
        store_at(tmp_path).path(text)


def test_a_name_is_remembered_with_its_last_use(tmp_path: Path) -> None:
    store = store_at(tmp_path, time=1000.0)
    store.remember("docker.io/library/redis:7", digest_of(b"x"), platform="linux/amd64")
    kept = store.kept("docker.io/library/redis:7")
    assert kept is not None

    store_at(tmp_path, time=2000.0).used(kept)

    again = store.kept("docker.io/library/redis:7")
    assert again is not None
    assert (again.digest, again.platform, again.used_at) == (digest_of(b"x"), "linux/amd64", 2000.0)


def test_a_broken_file_of_names_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.remember("one", digest_of(b"x"), platform="linux/amd64")
    (tmp_path / "names" / "broken.json").write_text("{")
    next((tmp_path / "names").glob("[0-9a-f]*.json")).write_bytes(b"\xff")

    assert store.all_kept() == []
    assert store.kept("one") is None


def test_images_are_pruned_the_longest_unused_first(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    image(store, "old", at=1.0, layers=[b"o" * 1000])
    image(store, "new", at=3.0, layers=[b"n" * 1000])
    image(store, "middle", at=2.0, layers=[b"m" * 1000])

    pruned = prune(store, budget_bytes=2500)

    assert pruned.names == ("old",)
    assert [kept.name for kept in store.all_kept()] == ["new", "middle"]
    assert pruned.left_bytes == sum(store.blobs().values()) < 2500
    assert pruned.freed_bytes > 1000


def test_a_layer_that_two_images_share_counts_once_and_stays_with_the_newer(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    shared = b"s" * 1000
    image(store, "old", at=1.0, layers=[shared, b"o" * 600])
    kept = image(store, "new", at=2.0, layers=[shared, b"n" * 600])

    assert [row.own_bytes < 900 for row in usage(store)] == [False, True]
    assert prune(store, budget_bytes=2000).names == ("old",)
    assert digest_of(shared) in store.blobs_of(kept)


def test_all_fits_within_a_budget_of_just_its_size(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    image(store, "one", at=1.0, layers=[b"a" * 100, b"b" * 100])
    size = sum(store.blobs().values())

    assert prune(store, budget_bytes=size).names == ()
    assert prune(store, budget_bytes=size - 1).names == ("one",)
    assert store.blobs() == {}


def test_blobs_that_no_name_leads_to_are_pruned(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    image(store, "one", at=1.0, layers=[b"a" * 100])
    store.put(b"left over from an image that was moved")

    pruned = prune(store, budget_bytes=10_000)

    assert pruned.names == ()
    assert pruned.freed_bytes == len(b"left over from an image that was moved")


def test_a_blob_that_another_process_is_about_to_name_stays(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    young, old = store.put(b"just written"), store.put(b"left over")
    path = store.path(old)
    assert path is not None
    os.utime(path, (path.stat().st_mtime - 700,) * 2)

    prune(store, budget_bytes=10_000, grace_seconds=600.0)

    assert store.blobs().keys() == {young}


def test_only_named_images_are_kept_when_asked(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    image(store, "one", at=1.0, layers=[b"a" * 100])
    image(store, "two", at=2.0, layers=[b"b" * 100])

    assert prune(store, budget_bytes=10_000, only={"one"}).names == ("two",)


def test_an_image_whose_manifest_is_gone_is_pruned(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    digest = image(store, "one", at=1.0, layers=[b"a" * 100])
    store.remove(digest)

    assert prune(store, budget_bytes=10_000).names == ("one",)
    assert store.blobs() == {}


def test_what_a_killed_process_was_writing_is_removed_after_an_hour(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.put(b"x")
    for name, age in (("dead", 4000), ("alive", 10)):
        path = tmp_path / "partial" / name
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_mtime - age,) * 2)

    store.clear_abandoned()

    assert [path.name for path in (tmp_path / "partial").iterdir()] == ["alive"]
