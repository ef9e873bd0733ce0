"""A registry as a client sees it: log-in, limits, breaks and lies, over real HTTP."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from ci_itest.containers.cache.store import digest_of
from ci_itest.containers.cache.upstream import Login, Patience, Registry
from ci_itest.errors import RegistryError
from tests.helpers.registry import Fault, FaultyRegistry, faulty_registry

QUICK = Patience(pauses=(0.0, 0.0), limit_seconds=20.0, silence_seconds=5.0)
USER = Login("user", "password")


@pytest.fixture
def registry() -> Iterator[FaultyRegistry]:
    with faulty_registry() as running:
        yield running


def client(registry: FaultyRegistry, *, login: Login = USER, waits: list[float] | None = None) -> Registry:
    return Registry(registry.address, login=login, patience=QUICK, pause=(waits if waits is not None else []).append)


def blob_of(registry: Registry, repository: str, digest: str) -> bytes:
    target = io.BytesIO()
    registry.blob(repository, digest, target)
    return target.getvalue()


def test_a_tag_is_resolved_without_fetching_its_manifest(registry: FaultyRegistry) -> None:
    image = registry.add("acme/shop", "1")

    assert client(registry).digest("acme/shop", "1") == image.digest
    assert registry.asked == ["HEAD /v2/acme/shop/manifests/1"]


@pytest.mark.parametrize("login", ["bearer", "basic"])
def test_a_registry_that_wants_a_log_in_gets_it_once(registry: FaultyRegistry, login: str) -> None:
    registry.login = login
    image = registry.add("acme/shop", "1")
    asking = client(registry)

    assert asking.digest("acme/shop", "1") == image.digest
    for digest in image.blobs:
        assert digest_of(blob_of(asking, "acme/shop", digest)) == digest

    assert registry.authorizations.count("") == 1
    assert registry.count("/token") == (1 if login == "bearer" else 0)


@pytest.mark.parametrize("login", ["bearer", "basic"])
def test_nobody_is_told_how_to_log_in(registry: FaultyRegistry, login: str) -> None:
    registry.login = login
    registry.add("acme/shop", "1")

    with pytest.raises(RegistryError, match=r"log-in") as refused:
        client(registry, login=Login()).digest("acme/shop", "1")

    assert refused.value.status == 401
    assert f"docker login {registry.address}" in refused.value.hint


def test_a_wrong_password_is_not_tried_for_ever(registry: FaultyRegistry) -> None:
    registry.login = "basic"
    registry.add("acme/shop", "1")

    with pytest.raises(RegistryError, match=r"does not give .*acme/shop:1 \(401\)"):
        client(registry, login=Login("user", "wrong")).digest("acme/shop", "1")

    assert len(registry.asked) == 2


def test_an_image_that_does_not_exist_is_named(registry: FaultyRegistry) -> None:
    with pytest.raises(RegistryError, match=rf"There is no {registry.address}/acme/none:1\.") as refused:
        client(registry).digest("acme/none", "1")

    assert refused.value.status == 404


def test_a_limit_that_ends_soon_is_waited_for(registry: FaultyRegistry) -> None:
    image = registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/1", status=429, headers={"Retry-After": "7"}, times=1))
    waits: list[float] = []

    assert client(registry, waits=waits).digest("acme/shop", "1") == image.digest
    assert waits == [7.0]


def test_a_limit_that_lasts_is_told_with_its_time(registry: FaultyRegistry) -> None:
    registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/1", status=429, headers={"Retry-After": "600"}))

    with pytest.raises(RegistryError, match=r"limits pulls \(429\) and asks to come back in 600 s") as refused:
        client(registry).digest("acme/shop", "1")

    assert "docker login" in refused.value.hint
    assert len(registry.asked) == 1


def test_a_limit_without_a_time_is_tried_again_and_then_told(registry: FaultyRegistry) -> None:
    registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/1", status=429))

    with pytest.raises(RegistryError, match=r"limits pulls \(429\)\.\n"):
        client(registry).digest("acme/shop", "1")

    assert len(registry.asked) == 3


def test_a_registry_that_fails_in_passing_is_asked_again(registry: FaultyRegistry) -> None:
    image = registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/1", status=500, times=2))

    assert client(registry).digest("acme/shop", "1") == image.digest


def test_a_registry_that_keeps_failing_is_named(registry: FaultyRegistry) -> None:
    registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/1", status=500))

    with pytest.raises(RegistryError, match=rf"{registry.address} answers 500 for"):
        client(registry).digest("acme/shop", "1")


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(registry: FaultyRegistry, knows_ranges: bool) -> None:
    image = registry.add("acme/shop", "1", size=300_000)
    registry.knows_ranges = knows_ranges
    registry.faults.append(Fault(f"blobs/{image.blobs[-1]}", cut_after=100_000, times=1))

    assert digest_of(blob_of(client(registry), "acme/shop", image.blobs[-1])) == image.blobs[-1]
    assert registry.ranges == ["", "bytes=100000-"]


def test_a_connection_that_always_breaks_is_told_with_how_far_it_came(registry: FaultyRegistry) -> None:
    image = registry.add("acme/shop", "1", size=300_000)
    registry.faults.append(Fault("blobs/", cut_after=50_000))

    with pytest.raises(
        RegistryError, match=r"cut the connection after 150000 of \d+ bytes of acme/shop, 3 times"
    ) as cut:
        blob_of(client(registry), "acme/shop", image.blobs[-1])

    assert cut.value.is_about_content


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(registry: FaultyRegistry) -> None:
    image = registry.add("acme/shop", "1")
    registry.faults.append(Fault("manifests/sha256", flips=True))

    with pytest.raises(RegistryError, match=r"served something else for sha256:") as refused:
        client(registry).manifest("acme/shop", image.digest)

    assert refused.value.is_about_content


def test_a_registry_that_is_not_there_is_named() -> None:
    with pytest.raises(
        RegistryError, match=r"127\.0\.0\.1:9 does not answer when asked for /v2/acme/shop/manifests/1: .*refused"
    ):
        Registry("127.0.0.1:9", patience=QUICK, pause=lambda _: None).digest("acme/shop", "1")


def test_only_loopback_is_spoken_to_without_encryption() -> None:
    bases = {host: Registry(host)._base for host in ("localhost:5000", "127.0.0.2:5000", "docker.io", "10.0.0.1:5000")}

    assert bases == {
        "localhost:5000": "http://localhost:5000",
        "127.0.0.2:5000": "http://127.0.0.2:5000",
        "docker.io": "https://registry-1.docker.io",
        "10.0.0.1:5000": "https://10.0.0.1:5000",
    }
