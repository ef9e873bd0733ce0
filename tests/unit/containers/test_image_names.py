from __future__ import annotations

import pytest

from ci_itest.containers.image_names import ImageName, mirrored

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("redis", "", "library/redis", "latest", ""),
        ("redis:7", "", "library/redis", "7", ""),
        ("docker.io/library/postgres:16-alpine", "", "library/postgres", "16-alpine", ""),
        ("index.docker.io/redis:7", "", "library/redis", "7", ""),
        ("opensearchproject/opensearch:2", "", "opensearchproject/opensearch", "2", ""),
        ("127.0.0.1:5599/library/postgres:15", "127.0.0.1:5599", "library/postgres", "15", ""),
        ("localhost/shop", "localhost", "shop", "latest", ""),
        ("ghcr.io/acme/team/shop:2", "ghcr.io", "acme/team/shop", "2", ""),
        (f"postgres@{DIGEST}", "", "library/postgres", "", DIGEST),
        (f"registry:5000/postgres:15@{DIGEST}", "registry:5000", "postgres", "15", DIGEST),
    ],
)
def test_a_name_comes_apart_as_docker_takes_it(
    text: str, registry: str, repository: str, tag: str, digest: str
) -> None:
    assert ImageName.parse(text) == ImageName(registry, repository, tag, digest)


@pytest.mark.parametrize(
    ("image", "on_mirror"),
    [
        ("postgres:15", "m:5/library/postgres:15"),
        ("postgres", "m:5/library/postgres:latest"),
        ("docker.io/library/postgres:15", "m:5/library/postgres:15"),
        ("axllent/mailpit:v1", "m:5/axllent/mailpit:v1"),
        (f"redis:7@{DIGEST}", f"m:5/library/redis@{DIGEST}"),
    ],
)
def test_a_docker_hub_image_has_a_name_on_the_mirror(image: str, on_mirror: str) -> None:
    assert mirrored(image, mirror="m:5") == on_mirror


@pytest.mark.parametrize("image", ["ghcr.io/acme/shop:2", "127.0.0.1:5599/library/postgres:15", "localhost/x"])
def test_an_image_of_another_registry_is_not_mirrored(image: str) -> None:
    assert mirrored(image, mirror="m:5") == ""


def test_without_a_mirror_nothing_is_mirrored() -> None:
    assert mirrored("postgres:15", mirror="") == ""


def test_a_mirror_may_be_a_path_on_a_registry() -> None:
    assert mirrored("redis:7", mirror="ghcr.io/acme/hub/") == "ghcr.io/acme/hub/library/redis:7"


def test_a_name_is_written_in_full() -> None:
    assert str(ImageName.parse(f"registry:5000/postgres:15@{DIGEST}")) == f"registry:5000/postgres:15@{DIGEST}"
