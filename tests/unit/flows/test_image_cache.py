"""Keys of the images that CI keeps: one entry for a set of services, saved once, found by the others."""

from __future__ import annotations

from pathlib import Path

from ci_itest.containers.cache.store import BlobStore
from ci_itest.flows.image_cache import cache_folder, image_set, key_of_set, key_to_save, restore_keys, saves
from ci_itest.model.plan import Plan, Shard, SuitePlan
from ci_itest.model.settings import ServiceSettings, SuiteSettings

SETTINGS = SuiteSettings(
    services={"db": ServiceSettings(image="postgres:16"), "search": ServiceSettings(image="opensearch:2")}
)


def plan(*services: tuple[str, ...] | None) -> Plan:
    """A plan whose shards need these services; None for all."""
    shards = tuple(Shard(index, units=(), services=needed) for index, needed in enumerate(services, 1))
    suite = SuitePlan("main", runner="pytest", shards=shards)
    return Plan(run_id="1", commit="", created_at="", tool_version="", suites=(suite,))


def test_a_shard_keeps_the_images_of_its_own_services() -> None:
    divided = plan(("db",), None, ())

    sets = [image_set(SETTINGS, divided, suite="main", index=index) for index in (1, 2, 3)]

    assert sets == [{"postgres:16"}, {"postgres:16", "opensearch:2"}, set()]


def test_of_shards_with_the_same_services_the_first_saves() -> None:
    divided = plan(("db",), None, ("db",), ("db", "search"), ())

    assert [saves(SETTINGS, divided, suite="main", index=index) for index in range(1, 6)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_an_entry_of_the_same_set_is_restored_before_any_other() -> None:
    own, any_other = restore_keys({"postgres:16"})

    assert own == key_of_set(["postgres:16"])
    assert own.startswith(any_other)
    assert any_other.startswith("ci-itest-images-")
    assert own != key_of_set(["postgres:17"])


def test_the_key_to_save_changes_with_the_content_alone(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    nothing = key_to_save(store, {"postgres:16"})
    store.put(b"layer")
    first = key_to_save(store, {"postgres:16"})
    store.remember("docker.io/library/postgres:16", "sha256:" + "1" * 64, platform="linux/amd64")
    second = key_to_save(store, {"postgres:16"})
    store.put(b"another layer")

    assert nothing == ""
    assert first == second
    assert first.startswith(key_of_set({"postgres:16"}))
    assert key_to_save(store, {"postgres:16"}) != first


def test_the_cache_lies_where_the_users_caches_lie(tmp_path: Path) -> None:
    own = tmp_path / ".ci-itest" / "images"

    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, root=tmp_path) == Path("/c/ci-itest/images")
    assert cache_folder({"HOME": "/h"}, root=tmp_path) == Path("/h/.cache/ci-itest/images")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, root=tmp_path).is_relative_to("/h")
    assert cache_folder({}, root=tmp_path) == own
