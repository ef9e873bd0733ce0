"""The command line on images: the lock, the cache, and a registry that errs, told by service and cause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_itest.containers.cache.store import BlobStore
from ci_itest.flows.image_cache import key_of_set
from tests.helpers.registry import Fault, FaultyRegistry, faulty_registry
from tests.helpers.suites import ci_itest, write_files


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with faulty_registry() as running:
        yield running


def project(root: Path, registry: FaultyRegistry, *services: str, more: str = "") -> Path:
    """A suite of one test, and services whose images are the registry's `acme/<name>:1`."""
    lines = "".join(f'{name} = {{ image = "{registry.address}/acme/{name}:1", port = 80 }}\n' for name in services)
    files = {"ci-itest.toml": f"{more}\n[services]\n{lines}", "tests/test_one.py": "def test_one(): pass\n"}
    return write_files(root, files)


def cache_of(root: Path) -> BlobStore:
    return BlobStore(root / "home" / "ci-itest" / "images")


def test_a_lock_pins_what_the_registry_serves_now_and_stays_until_it_is_renewed(
    tmp_path: Path, registry: FaultyRegistry
) -> None:
    before = registry.add("acme/db", "1")
    root = project(tmp_path, registry, "db")

    code, output = ci_itest("lock", root=root)
    after = registry.add("acme/db", "1", layers={"greeting": b"newer"})
    again, said = ci_itest("lock", root=root)
    kept = json.loads((root / "ci-itest.lock").read_text())
    updated, told = ci_itest("lock", "--update", root=root)
    renewed = json.loads((root / "ci-itest.lock").read_text())

    assert (code, again, updated) == (0, 0, 0), output + said + told
    assert kept["images"][0]["digest"] == before.digest
    assert renewed["images"][0]["digest"] == after.digest
    assert "nothing new" in said
    assert f"renewed: {registry.address}/acme/db:1 {after.digest[:19]}" in told


def test_a_lock_that_does_not_fit_the_settings_is_told_in_ci(tmp_path: Path, registry: FaultyRegistry) -> None:
    registry.add("acme/db", "1")
    root = project(tmp_path, registry, "db")
    ci_itest("lock", root=root)

    fits, _ = ci_itest("lock", "--check", root=root)
    project(tmp_path, registry, "db", "queue")
    code, output = ci_itest("lock", "--check", root=root)

    assert (fits, code) == (0, 2)
    assert f"not pinned: {registry.address}/acme/queue:1" in output


def test_an_image_that_cannot_be_pinned_is_named_and_the_lock_stays(tmp_path: Path, registry: FaultyRegistry) -> None:
    registry.add("acme/db", "1")
    root = project(tmp_path, registry, "db")
    ci_itest("lock", root=root)
    before = (root / "ci-itest.lock").read_text()

    project(tmp_path, registry, "db", "queue")
    code, output = ci_itest("lock", root=root)

    assert code == 3
    assert f"Cannot pin {registry.address}/acme/queue:1: There is no {registry.address}/acme/queue:1." in output
    assert (root / "ci-itest.lock").read_text() == before


def test_images_of_compose_files_are_pinned_too_unless_they_are_built(tmp_path: Path, registry: FaultyRegistry) -> None:
    pinned = registry.add("acme/queue", "1")
    root = project(tmp_path, registry, more='compose = { files = ["compose.yml"], profiles = ["test"] }\n')
    services = f"""
services:
  queue: {{ image: "{registry.address}/acme/${{NAME_OF_QUEUE:-queue}}:1", profiles: [test] }}
  own: {{ image: "{registry.address}/acme/own:1", build: . }}
  other: {{ image: "{registry.address}/acme/other:1", profiles: [another] }}
"""
    write_files(root, {"compose.yml": services})

    code, output = ci_itest("lock", root=root)
    checked, _ = ci_itest("lock", "--check", root=root)
    write_files(root, {"compose.yml": "services: { queue: [] }\n"})
    broken, said = ci_itest("lock", root=root)

    assert (code, checked, broken) == (0, 0, 3), output
    images = json.loads((root / "ci-itest.lock").read_text())["images"]
    assert [(one["name"], one["digest"]) for one in images] == [(f"{registry.address}/acme/queue:1", pinned.digest)]
    assert "Compose (compose.yml) is not valid." in said


def test_services_that_wait_for_one_another_end_the_shard_before_anything_starts(tmp_path: Path) -> None:
    settings = '[services]\na = { image = "redis:7", needs = ["b"] }\nb = { image = "redis:7", needs = ["a"] }\n'
    root = write_files(tmp_path, {"ci-itest.toml": settings, "tests/test_one.py": "def test_one(): pass\n"})

    code, output = ci_itest("run-shard", "--shard", "1", root=root)

    assert code == 3, output
    assert "The services wait for one another: " in output
    assert "Take one of these out of `needs`." in output


def test_a_job_that_runs_every_shard_has_a_key_for_the_images_of_all_suites(tmp_path: Path) -> None:
    settings = """
[images]
cache = "on"
[suite.one]
tests = ["tests"]
services = { db = "postgres:15" }
[suite.two]
tests = ["tests"]
services = { cache = "redis:7" }
"""
    root = write_files(tmp_path, {"ci-itest.toml": settings, "tests/test_one.py": "def test_one(): pass\n"})

    code, output = ci_itest("cache", "key", root=root)
    refused, said = ci_itest("cache", "key", "--shard", "1", root=root)

    assert code == 0
    assert output.strip() == key_of_set({"postgres:15", "redis:7"})
    assert refused == 2
    assert "--plan and --shard belong together" in said


@pytest.mark.docker
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (None, "There is no {}/acme/db:1."),
        (Fault("manifests/", status=401), "{} wants a log-in, and there is none for it here."),
        (Fault("manifests/", status=429, headers={"Retry-After": "600"}), "asks to come back in 600 s"),
        (Fault("manifests/", status=429), "{} limits pulls (429)."),
        (Fault("manifests/", status=500), "{} answers 500 for"),
        (Fault("blobs/", cut_after=100), "{} cut the connection after"),
        (Fault("blobs/", flips=True), "{} served something else for sha256:"),
    ],
    ids=["missing", "401", "429 with a time", "429", "500", "cut", "wrong digest"],
)
def test_a_registry_that_errs_ends_the_shard_with_service_and_cause(
    tmp_path: Path, registry: FaultyRegistry, docker_engine: None, fault: Fault | None, cause: str
) -> None:
    if fault:
        registry.add("acme/db", "1", size=50_000)
        registry.faults.append(fault)
    root = project(tmp_path, registry, "db", more='[images]\ncache = "on"\n')

    code, output = ci_itest("run-shard", "--shard", "1", root=root, XDG_CACHE_HOME=str(root / "home"))

    assert code == 3, output
    assert f"Service db ({registry.address}/acme/db:1): " in output
    assert cause.format(registry.address) in output
    store = cache_of(root)
    assert all(store.path(digest) for digest in store.blobs())
    assert list((store.folder / "partial").glob("*")) == []


def test_the_cache_is_listed_and_pruned_to_its_budget(tmp_path: Path, registry: FaultyRegistry) -> None:
    root = project(tmp_path, registry, more='[images]\nbudget = "1500b"\n')
    store = cache_of(root)
    for name, at in (("old", 1000.0), ("new", 2000.0)):
        layer = store.put(name.encode() * 300)
        config = store.put(f'{{"of": "{name}"}}'.encode())
        manifest = {"config": {"digest": config}, "layers": [{"digest": layer}]}
        digest = store.put(json.dumps(manifest).encode())
        BlobStore(store.folder, clock=lambda at=at: at).remember(f"docker.io/acme/{name}:1", digest, platform="x")  # type: ignore[misc]

    _, listed = ci_itest("cache", "list", root=root, XDG_CACHE_HOME=str(root / "home"))
    code, pruned = ci_itest("cache", "prune", root=root, XDG_CACHE_HOME=str(root / "home"))

    names = [line.split()[-1] for line in listed.splitlines() if "acme" in line]
    assert names == ["docker.io/acme/new:1", "docker.io/acme/old:1"]
    assert code == 0
    assert "docker.io/acme/old:1" in pruned
    assert [kept.name for kept in cache_of(root).all_kept()] == ["docker.io/acme/new:1"]


def test_the_key_of_a_shards_images_is_set_where_they_are_kept(tmp_path: Path, registry: FaultyRegistry) -> None:
    root = project(tmp_path, registry, "db")
    ci_itest("plan", "--out", "plan.json", root=root)
    outputs = root / "outputs"
    outputs.touch()
    asked = ("cache", "key", "--plan", "plan.json", "--shard", "1")
    event = root / "event.json"
    event.write_text("{}")
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(outputs)}

    code, key = ci_itest(*asked, "--set", "images.cache=on", root=root, **actions)
    told = outputs.read_text()
    outputs.write_text("")
    off, nothing = ci_itest(*asked, "--set", "images.cache=off", root=root, **actions)

    assert (code, off) == (0, 0), key + nothing
    assert key.startswith("ci-itest-images-")
    assert f"{key}newest" in told
    assert "restore-keys" in told
    assert (nothing, outputs.read_text()) == ("", "")
