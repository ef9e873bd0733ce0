"""The images of a shard's services: saved by the default branch's run, restored by the next, which fetches nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from ci_itest.containers.engine import Engine
from tests.conftest import skip_or_fail
from tests.e2e.harness import PUSH, Repository
from tests.helpers.registry import FaultyRegistry, faulty_registry

pytestmark = [pytest.mark.act, pytest.mark.docker]


@pytest.fixture
def registry(registry_mirror: str, docker_engine: None) -> Iterator[FaultyRegistry]:
    """A registry with one image, which no engine has seen: Redis and a file."""
    if not registry_mirror:
        skip_or_fail("There is no registry with images on this machine")
    with faulty_registry() as running:
        unlike_any_other = uuid.uuid4().bytes
        running.add_based_on(f"{registry_mirror}/library/redis:7", "acme/redis", "1", layer={"mark": unlike_any_other})
        yield running
        forget_images_of(running)


def forget_images_of(registry: FaultyRegistry) -> None:
    """As on a machine that has never had them."""
    engine = Engine.connect(os.environ)
    path = registry.address.replace(":", "_")
    for image in engine._api.images():
        names = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
        if any(registry.address in name or path in name for name in names):
            for name in names:
                if not name.startswith("<none>"):
                    engine.remove_image(name)
    engine.close()


def test_a_job_that_does_all_saves_and_restores_the_images_of_all_its_shards(
    small: Repository, registry: FaultyRegistry
) -> None:
    image = f"{registry.address}/acme/redis:1"
    small.replace_in("ci-itest.toml", {"shards = 3": f'shards = 2\nservices = {{ cache = "{image}" }}'})
    small.settle()

    first = small.run(PUSH, run_id=1, workflow="all.yml")
    kept = {key for key in small.cache_keys() if key.startswith("ci-itest-images-")}
    forget_images_of(registry)
    asked = len(registry.asked)
    second = small.run(PUSH, run_id=2, workflow="all.yml")

    assert (first.jobs["test"], second.jobs["test"]) == ("success", "success"), second.log
    (key,) = kept
    assert f"Cache restored from key: {key}" in second.log
    assert set(registry.asked[asked:]) == {"HEAD /v2/acme/redis/manifests/1"}
    assert second.result("Keep the images") == set()


def test_images_are_saved_by_the_default_branch_and_restored_by_the_next_run(
    small: Repository, registry: FaultyRegistry
) -> None:
    image = f"{registry.address}/acme/redis:1"
    small.replace_in("ci-itest.toml", {"shards = 3": f'shards = 1\nservices = {{ cache = "{image}" }}'})
    small.settle()

    first = small.run(PUSH, run_id=1, until="shard")
    kept = {key for key in small.cache_keys() if key.startswith("ci-itest-images-")}
    forget_images_of(registry)
    asked = len(registry.asked)
    second = small.run(PUSH, run_id=2, until="shard")

    assert (first.jobs["shard"], second.jobs["shard"]) == ("success", "success"), second.log
    assert first.result("Keep the images") == {"success"}
    (key,) = kept
    assert f"Cache restored from key: {key}" in second.log
    assert registry.asked[asked:] == ["HEAD /v2/acme/redis/manifests/1"]
    assert second.result("Keep the images") == set()
    assert {key for key in small.cache_keys() if key.startswith("ci-itest-images-")} == kept
